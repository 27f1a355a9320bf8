-- How many duties of forgotten jobs ended how, and what they lost together: a decimal number.
CREATE TABLE totals (
    "end"  TEXT    PRIMARY KEY CHECK ("end" IN ('paid', 'lost', 'released', 'vanished')),
    duties INTEGER NOT NULL,
    lost   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Whether anything that a transaction did is still kept.
CREATE INDEX events_by_tx ON events (tx);

-- Signed transactions and specs are about as long as what fits on a page beside others: in tables WITHOUT ROWID each of them
-- takes a page of its own.
CREATE TABLE attempts_2 (
    hash     BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    intent   TEXT    NOT NULL REFERENCES intents (id),
    signer   BLOB    NOT NULL CHECK (length(signer) = 20),
    nonce    INTEGER NOT NULL,
    raw      BLOB    NOT NULL,
    max_fee  INTEGER NOT NULL,
    tip      INTEGER NOT NULL,
    signed   INTEGER NOT NULL
) STRICT;
INSERT INTO attempts_2 SELECT * FROM attempts;
DROP TABLE attempts;
ALTER TABLE attempts_2 RENAME TO attempts;
CREATE INDEX attempts_by_intent ON attempts (intent);
CREATE TABLE jobs_2 (
    id      BLOB    NOT NULL UNIQUE CHECK (length(id) = 32),
    abi     BLOB    NOT NULL,
    spec    BLOB    NOT NULL,
    fee_bps INTEGER NOT NULL
) STRICT;
INSERT INTO jobs_2 SELECT * FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_2 RENAME TO jobs;
