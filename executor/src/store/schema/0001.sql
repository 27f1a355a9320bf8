-- Whose state this is. One row; a database never changes its chain or market.
CREATE TABLE meta (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    chain_id INTEGER NOT NULL,
    market   BLOB    NOT NULL CHECK (length(market) = 20),
    -- The market's times, ABI-encoded, once they were read from the chain.
    times    BLOB
) STRICT;

-- The newest blocks whose events are all in `events`: the last one is where reading goes on, the
-- others find the fork after a reorganization.
CREATE TABLE blocks (
    number INTEGER PRIMARY KEY,
    hash   BLOB    NOT NULL CHECK (length(hash) = 32),
    time   INTEGER NOT NULL
) STRICT;

-- The market's canonical events; those of a block that was reorganized away are deleted.
CREATE TABLE events (
    block_hash BLOB    NOT NULL CHECK (length(block_hash) = 32),
    log_index  INTEGER NOT NULL,
    block      INTEGER NOT NULL,
    time       INTEGER NOT NULL,
    tx         BLOB    NOT NULL CHECK (length(tx) = 32),
    job        BLOB    NOT NULL CHECK (length(job) = 32),
    topics     BLOB    NOT NULL,
    data       BLOB    NOT NULL,
    PRIMARY KEY (block_hash, log_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX events_by_job ON events (job, block, log_index);
CREATE INDEX events_by_block ON events (block);

-- Jobs as posted. A job's id is the hash of all its fields, so a row never changes.
CREATE TABLE jobs (
    id      BLOB    PRIMARY KEY CHECK (length(id) = 32),
    abi     BLOB    NOT NULL,
    spec    BLOB    NOT NULL,
    fee_bps INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Outcomes of tasks. They belong to the job, not to a round: a lease that comes back after a
-- reorganization finds its work done.
CREATE TABLE tasks (
    job     BLOB    NOT NULL,
    task    INTEGER NOT NULL,
    digest  BLOB    NOT NULL CHECK (length(digest) = 32),
    outcome TEXT    NOT NULL,
    log     BLOB    NOT NULL,
    done_at INTEGER NOT NULL,
    PRIMARY KEY (job, task)
) STRICT, WITHOUT ROWID;

-- What is to be sent. An id is used at most once, for ever.
CREATE TABLE intents (
    seq        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    -- The contract that is called; NULL: the market.
    target     BLOB CHECK (length(target) = 20),
    data       BLOB    NOT NULL,
    not_after  INTEGER,
    repeatable INTEGER NOT NULL,
    -- Last second in which it must be mined, and what is lost when it is later: a decimal number.
    deadline   INTEGER,
    at_stake   TEXT    NOT NULL,
    -- Chain time at which it was written down.
    asked      INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('queued', 'sent', 'mined', 'failed')),
    nonce      INTEGER,
    -- The account that the nonce belongs to.
    signer     BLOB CHECK (length(signer) = 20),
    error      TEXT,
    block      INTEGER,
    block_hash BLOB,
    tx         BLOB,
    final      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX intents_open ON intents (nonce) WHERE final = 0;
CREATE INDEX intents_by_block ON intents (block);

-- Signed transactions, stored before they are broadcast.
CREATE TABLE attempts (
    hash     BLOB    PRIMARY KEY CHECK (length(hash) = 32),
    intent   TEXT    NOT NULL REFERENCES intents (id),
    signer   BLOB    NOT NULL CHECK (length(signer) = 20),
    nonce    INTEGER NOT NULL,
    raw      BLOB    NOT NULL,
    max_fee  INTEGER NOT NULL,
    tip      INTEGER NOT NULL,
    signed   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX attempts_by_intent ON attempts (intent);

-- What this machine has bound stake to. Written before the signature, never changed, deleted with its job. `kind` is 0 for a
-- lease or a seat of one, 1 and 2 for a juror's seat. `task` is the first task: a jury that is drawn again may have another
-- one. Only one `value` is ever bound to a key. A juror that is drawn again has another key, and another `proof`. Salts are
-- not kept: they follow from the file salt-secret.
CREATE TABLE journal (
    seq   INTEGER PRIMARY KEY,
    job   BLOB    NOT NULL CHECK (length(job) = 32),
    first INTEGER NOT NULL,
    round INTEGER NOT NULL,
    kind  INTEGER NOT NULL,
    task  INTEGER NOT NULL,
    count INTEGER NOT NULL,
    value BLOB    NOT NULL CHECK (length(value) = 32),
    proof BLOB    NOT NULL CHECK (length(proof) = 32),
    UNIQUE (job, first, round, kind, task, value, proof)
) STRICT;

-- Leases and seats of this machine that are over, and how they ended. One that vanished may come back, and end again.
-- `lost`: the most that it lost, a decimal number.
CREATE TABLE over (
    job     BLOB    NOT NULL CHECK (length(job) = 32),
    first   INTEGER NOT NULL,
    round   INTEGER NOT NULL,
    kind    INTEGER NOT NULL,
    "end"   TEXT    NOT NULL CHECK ("end" IN ('paid', 'lost', 'released', 'vanished')),
    why     TEXT,
    lost    TEXT    NOT NULL,
    over_at INTEGER NOT NULL,
    PRIMARY KEY (job, first, round, kind)
) STRICT, WITHOUT ROWID;

-- Clients that have paid this machine.
CREATE TABLE paid (
    client BLOB PRIMARY KEY CHECK (length(client) = 20)
) STRICT, WITHOUT ROWID;

-- Which blobs are served for which lease, and until when they must stay. `open`: to everybody; otherwise to the job's
-- client alone.
CREATE TABLE published (
    digest BLOB    NOT NULL CHECK (length(digest) = 32),
    job    BLOB    NOT NULL,
    first  INTEGER NOT NULL,
    size   INTEGER NOT NULL,
    open   INTEGER NOT NULL CHECK (open IN (0, 1)),
    PRIMARY KEY (job, first, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX published_by_digest ON published (digest);

-- A lease whose outputs may go after `settled_at` plus the owner's choice; no row: keep them.
CREATE TABLE settled (
    job        BLOB    NOT NULL,
    first      INTEGER NOT NULL,
    settled_at INTEGER NOT NULL,
    PRIMARY KEY (job, first)
) STRICT, WITHOUT ROWID;

-- Specs of which this machine ran a task twice before it took work of them, and what the two outputs said.
CREATE TABLE trials (
    spec     BLOB    PRIMARY KEY CHECK (length(spec) = 32),
    task     INTEGER NOT NULL,
    verdict  TEXT    NOT NULL CHECK (verdict IN ('same', 'differs', 'unclear')),
    tried_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
