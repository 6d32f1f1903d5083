-- Notifications: who can be told, and what was told to them.

CREATE TABLE contact (
    user_id  ANY NOT NULL,
    state    TEXT NOT NULL,
    email    TEXT,
    -- The number of the newest event about the user that counted here.
    heard    INTEGER NOT NULL CHECK (heard >= 0),
    -- JSON array of the notifications for a user who is not known yet.
    waiting  TEXT NOT NULL,
    version  INTEGER NOT NULL,
    events   INTEGER NOT NULL,
    PRIMARY KEY (user_id),
    CHECK ((state = 'known') = (email IS NOT NULL)),
    CHECK (state = 'unknown' OR waiting = '[]')
) STRICT, WITHOUT ROWID;

CREATE TABLE notification (
    -- The id of the event that caused it: an event is told once.
    notification_id  ANY NOT NULL,
    -- What it is about: table/key.
    subject          TEXT NOT NULL,
    kind             TEXT NOT NULL,
    channel          TEXT NOT NULL,
    -- Who is told; NULL for the staff.
    user_id          ANY,
    state            TEXT NOT NULL,
    -- The text, as long as it waits for a contact.
    title            TEXT,
    body             TEXT,
    -- 0 when nobody has tried to send it.
    attempts         INTEGER NOT NULL CHECK (attempts >= 0),
    -- Why it failed.
    reason           TEXT,
    queued_at        INTEGER NOT NULL,
    -- When it was sent or given up.
    settled_at       INTEGER,
    version          INTEGER NOT NULL,
    events           INTEGER NOT NULL,
    PRIMARY KEY (notification_id),
    CHECK ((state = 'queued') = (settled_at IS NULL)),
    CHECK ((state = 'failed') = (reason IS NOT NULL)),
    CHECK ((title IS NULL) = (body IS NULL)),
    CHECK (state = 'queued' OR title IS NULL)
) STRICT, WITHOUT ROWID;
