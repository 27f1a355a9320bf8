-- Which blobs are published for which lease, and until when they must stay.
CREATE TABLE published (
    digest BLOB    NOT NULL CHECK (length(digest) = 32),
    job    BLOB    NOT NULL,
    first  INTEGER NOT NULL,
    size   INTEGER NOT NULL,
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
