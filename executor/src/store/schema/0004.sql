-- Specs of which this machine ran a task twice before it took an optimistic lease, and whether both outputs
-- were equal. If not, no job with this spec is taken any more.
CREATE TABLE trials (
    spec     BLOB    PRIMARY KEY CHECK (length(spec) = 32),
    task     INTEGER NOT NULL,
    same     INTEGER NOT NULL CHECK (same IN (0, 1)),
    tried_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
