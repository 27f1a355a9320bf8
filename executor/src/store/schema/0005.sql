-- Results of other providers of which a sample is run again. The sample of a result is drawn once: after
-- a restart it is the same, and what was found stays found. `theirs`, `proof` (32 bytes each) and `right`
-- belong to the task that differs. What the chain says of them is read again from `events`.
CREATE TABLE watched (
    job     BLOB    NOT NULL REFERENCES jobs (id),
    first   INTEGER NOT NULL,
    round   INTEGER NOT NULL,
    root    BLOB    NOT NULL CHECK (length(root) = 32),
    sample  BLOB    NOT NULL CHECK (length(sample) % 4 = 0),
    finding TEXT,
    task    INTEGER,
    theirs  BLOB CHECK (length(theirs) = 32),
    proof   BLOB    NOT NULL CHECK (length(proof) % 32 = 0),
    "right" BLOB CHECK (length("right") = 32),
    tries   INTEGER NOT NULL,
    ended   INTEGER NOT NULL,
    PRIMARY KEY (job, first, round, root)
) STRICT, WITHOUT ROWID;

-- Output digests of tasks that this machine ran again, the first and the second time. They are no
-- outcomes: `tasks` does not hear of them.
CREATE TABLE reruns (
    job    BLOB    NOT NULL,
    task   INTEGER NOT NULL,
    run    INTEGER NOT NULL,
    digest BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (job, task, run)
) STRICT, WITHOUT ROWID;

-- Challenges of this machine, with the salt without which the answer cannot be revealed. Written before
-- the challenge is sent; only what became of it (`state`, `reward`, `returned`) changes, and nothing is
-- deleted. Amounts are decimal: they outgrow SQLite's integers.
CREATE TABLE challenges (
    job       BLOB    NOT NULL,
    first     INTEGER NOT NULL,
    round     INTEGER NOT NULL,
    root      BLOB    NOT NULL CHECK (length(root) = 32),
    number    INTEGER NOT NULL,
    task      INTEGER NOT NULL,
    theirs    BLOB    NOT NULL CHECK (length(theirs) = 32),
    "right"   BLOB    NOT NULL CHECK (length("right") = 32),
    salt      BLOB    NOT NULL CHECK (length(salt) = 32),
    answer    BLOB    NOT NULL CHECK (length(answer) = 32),
    deposit   TEXT    NOT NULL,
    state     TEXT    NOT NULL CHECK (state IN ('stored', 'open', 'won', 'lost', 'inconclusive')),
    reward    TEXT    NOT NULL,
    returned  TEXT    NOT NULL,
    PRIMARY KEY (job, first, round, root, number)
) STRICT, WITHOUT ROWID;
