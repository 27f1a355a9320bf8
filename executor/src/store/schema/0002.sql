-- How many duties of forgotten jobs ended how, and what they lost together: a decimal number.
CREATE TABLE totals (
    "end"  TEXT    PRIMARY KEY CHECK ("end" IN ('paid', 'lost', 'released', 'vanished')),
    duties INTEGER NOT NULL,
    lost   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Rows of events, signed transactions and specs are long. In a table WITHOUT ROWID they are the keys of a tree: each takes a
-- page of its own, or is written again and again as its neighbours come.
CREATE TABLE events_2 (
    block_hash BLOB    NOT NULL CHECK (length(block_hash) = 32),
    log_index  INTEGER NOT NULL,
    block      INTEGER NOT NULL,
    time       INTEGER NOT NULL,
    tx         BLOB    NOT NULL CHECK (length(tx) = 32),
    job        BLOB    NOT NULL CHECK (length(job) = 32),
    topics     BLOB    NOT NULL,
    data       BLOB    NOT NULL,
    UNIQUE (block_hash, log_index)
) STRICT;
INSERT INTO events_2 SELECT * FROM events;
DROP TABLE events;
ALTER TABLE events_2 RENAME TO events;
CREATE INDEX events_by_job ON events (job, block, log_index);
CREATE INDEX events_by_block ON events (block);
-- Whether anything that a transaction did is still kept.
CREATE INDEX events_by_tx ON events (tx);
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
