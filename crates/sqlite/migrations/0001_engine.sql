-- The store itself, and what the engine keeps in it: who owns it, its log, and the rows of crates/engine/src/tables.rs.

-- ANY, here and in the other files, is an id: 16 bytes where it is a UUID in its canonical form (36 characters, lower
-- case), and text otherwise.

-- One row: what this store is. `epoch` counts its owners; a commit of an earlier one is refused.
CREATE TABLE store_meta (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    name        TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 16),
    created_at  INTEGER NOT NULL,
    services    TEXT NOT NULL,
    epoch       INTEGER NOT NULL CHECK (epoch >= 0),
    -- Of the last commit without a segment; that of a segment stands beside it.
    committed_at  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Which of these files were applied, and what they said then.
CREATE TABLE store_migration (
    number      INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    checksum    TEXT NOT NULL,
    applied_at  INTEGER NOT NULL
) STRICT;

-- The tables of the event log, `segment_<period>`, one a month, so that an old one can be dropped whole.
-- A period holds the segments from its first number up to the next period's.
CREATE TABLE segment_period (
    period         INTEGER PRIMARY KEY,
    first_segment  INTEGER NOT NULL UNIQUE
) STRICT;

CREATE TABLE timer (
    service         TEXT NOT NULL,
    name            TEXT NOT NULL,
    key             ANY NOT NULL,
    due_at          INTEGER NOT NULL,
    correlation_id  ANY NOT NULL,
    attempts        INTEGER NOT NULL CHECK (attempts >= 0),
    version         INTEGER NOT NULL,
    events          INTEGER NOT NULL,
    PRIMARY KEY (service, name, key)
) STRICT, WITHOUT ROWID;
-- What falls due next.
CREATE INDEX timer_due ON timer (due_at);

CREATE TABLE effect (
    id              ANY NOT NULL PRIMARY KEY,
    service         TEXT NOT NULL,
    kind            TEXT NOT NULL,
    request         TEXT NOT NULL,
    state           TEXT NOT NULL,
    attempts        INTEGER NOT NULL CHECK (attempts >= 0),
    due_at          INTEGER NOT NULL,
    asked_at        INTEGER NOT NULL,
    last_error      TEXT,
    correlation_id  ANY NOT NULL,
    traceparent     TEXT,
    version         INTEGER NOT NULL,
    events          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- What is to be tried next; what is owed, by time.
CREATE INDEX effect_due ON effect (state, due_at);

-- Rows of this table and the next are deleted by age: 0013 has the indexes.
CREATE TABLE inbox (
    event_id     ANY NOT NULL PRIMARY KEY,
    received_at  INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    scope        TEXT NOT NULL,
    key          ANY NOT NULL,
    fingerprint  TEXT NOT NULL,
    -- A status and perhaps a location, a line end, a body; packed as crates/engine/src/packing.rs says.
    answer       BLOB NOT NULL,
    created_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE parked (
    id             ANY NOT NULL PRIMARY KEY,
    consumer       TEXT NOT NULL,
    event_id       ANY NOT NULL,
    event          TEXT NOT NULL,
    message_key    ANY NOT NULL,
    reason         TEXT NOT NULL,
    waits_for      TEXT,
    attempts       INTEGER NOT NULL CHECK (attempts >= 0),
    due_at         INTEGER NOT NULL,
    deadline       INTEGER NOT NULL,
    parked_at      INTEGER NOT NULL,
    message        TEXT NOT NULL,
    segment        INTEGER NOT NULL,
    segment_index  INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    events         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- What a consumer hears when it is resumed, in the order of the ids.
CREATE INDEX parked_consumer ON parked (consumer, reason);

CREATE TABLE dead_letter (
    id              ANY NOT NULL PRIMARY KEY,
    consumer        TEXT NOT NULL,
    kind            TEXT NOT NULL,
    name            TEXT NOT NULL,
    message_key     TEXT NOT NULL,
    event_id        ANY,
    correlation_id  ANY,
    reason          TEXT NOT NULL,
    attempts        INTEGER NOT NULL CHECK (attempts >= 0),
    died_at         INTEGER NOT NULL,
    state           TEXT NOT NULL,
    message         BLOB NOT NULL,
    headers         TEXT,
    position        TEXT,
    edited_from     ANY,
    segment         INTEGER NOT NULL,
    segment_index   INTEGER NOT NULL,
    version         INTEGER NOT NULL,
    events          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- All dead letters, and those of one consumer, by time.
CREATE INDEX dead_letter_state ON dead_letter (state, died_at);
CREATE INDEX dead_letter_consumer ON dead_letter (consumer, state, died_at);

CREATE TABLE consumer (
    name     TEXT NOT NULL PRIMARY KEY,
    paused   INTEGER NOT NULL CHECK (paused IN (0, 1)),
    reason   TEXT,
    since    INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    events   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE counter (
    consumer   TEXT NOT NULL,
    source     TEXT NOT NULL,
    handled    INTEGER NOT NULL CHECK (handled >= 0),
    parked     INTEGER NOT NULL CHECK (parked >= 0),
    dead       INTEGER NOT NULL CHECK (dead >= 0),
    discarded  INTEGER NOT NULL CHECK (discarded >= 0),
    version    INTEGER NOT NULL,
    events     INTEGER NOT NULL,
    PRIMARY KEY (consumer, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE relay (
    name     TEXT NOT NULL PRIMARY KEY,
    segment  INTEGER NOT NULL CHECK (segment >= 0),
    version  INTEGER NOT NULL,
    events   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What operators did. Ids are in the order of time.
CREATE TABLE audit (
    id       ANY NOT NULL PRIMARY KEY,
    at       INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    target   TEXT NOT NULL,
    detail   TEXT NOT NULL,
    version  INTEGER NOT NULL,
    events   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
