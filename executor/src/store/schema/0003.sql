-- Seats that this machine reserved, of redundant leases (challenge 0) and of juries. What the chain
-- says of them is read again from `events`.
CREATE TABLE seats (
    job       BLOB    NOT NULL REFERENCES jobs (id),
    first     INTEGER NOT NULL,
    round     INTEGER NOT NULL,
    challenge INTEGER NOT NULL,
    task      INTEGER NOT NULL,
    count     INTEGER NOT NULL,
    tries     INTEGER NOT NULL,
    "end"     TEXT,
    PRIMARY KEY (job, first, round, challenge)
) STRICT, WITHOUT ROWID;

-- What a seat voted, and the salt without which it cannot be revealed. Written before the commitment
-- is sent, in one transaction with the journal's entry; never changed, never deleted.
CREATE TABLE votes (
    job        BLOB    NOT NULL,
    first      INTEGER NOT NULL,
    round      INTEGER NOT NULL,
    challenge  INTEGER NOT NULL,
    value      BLOB    NOT NULL CHECK (length(value) = 32),
    proof      BLOB    NOT NULL CHECK (length(proof) = 32),
    salt       BLOB    NOT NULL CHECK (length(salt) = 32),
    commitment BLOB    NOT NULL CHECK (length(commitment) = 32),
    PRIMARY KEY (job, first, round, challenge)
) STRICT, WITHOUT ROWID;
