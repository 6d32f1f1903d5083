-- Events that a bridge imports have a source of their own, BRIDGE.ROLE. What they are about has no row here, so the store
-- counts them for each source and subject, and an event that waits or failed says under which source it is counted.

CREATE TABLE imported_subject (
    source   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    version  INTEGER NOT NULL,
    events   INTEGER NOT NULL,
    PRIMARY KEY (source, subject)
) STRICT, WITHOUT ROWID;

ALTER TABLE parked ADD COLUMN source TEXT;
ALTER TABLE dead_letter ADD COLUMN source TEXT;
