-- How many duties of forgotten jobs ended how, and what they lost together: a decimal number.
CREATE TABLE totals (
    "end"  TEXT    PRIMARY KEY CHECK ("end" IN ('paid', 'lost', 'released', 'vanished')),
    duties INTEGER NOT NULL,
    lost   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Whether anything that a transaction did is still kept.
CREATE INDEX events_by_tx ON events (tx);
