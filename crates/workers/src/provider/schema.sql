-- What the provider simulator keeps, in a file of its own: a provider knows nothing of the shop's store.
-- Times are milliseconds since 1970, amounts are minor units. Version 1 (PRAGMA user_version).

-- Money that the provider holds, has taken or has given back: one row a charge. Rows are never deleted.
CREATE TABLE charge (
    reference       TEXT    NOT NULL PRIMARY KEY,  -- the provider's name for it
    order_id        TEXT    NOT NULL,
    payment_id      TEXT    NOT NULL,
    outcome         TEXT    NOT NULL,              -- the forced outcome under which it was made
    state           TEXT    NOT NULL CHECK (state IN ('authorized', 'captured', 'voided', 'refunded', 'returned')),
    amount_minor    INTEGER NOT NULL CHECK (amount_minor >= 0),
    refunded_minor  INTEGER NOT NULL CHECK (refunded_minor BETWEEN 0 AND amount_minor),
    currency        TEXT    NOT NULL,
    CHECK ((state = 'refunded') = (refunded_minor = amount_minor AND refunded_minor > 0))
) STRICT, WITHOUT ROWID;

-- What was asked under a key, and the answer that is given each time. Rows are never deleted: a key is good for ever.
CREATE TABLE call (
    key           TEXT    NOT NULL,
    action        TEXT    NOT NULL,
    request       TEXT    NOT NULL,                -- the call as JSON
    asked         INTEGER NOT NULL,                -- how often, until it was done
    due_at        INTEGER,                         -- when it will be done, while that is to come
    state         TEXT,                            -- the answer, once it is done
    reference     TEXT,
    amount_minor  INTEGER,
    reason        TEXT,
    PRIMARY KEY (key, action),
    CHECK (due_at IS NULL OR state IS NULL),
    CHECK ((state IS NULL) = (amount_minor IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX call_due ON call (due_at) WHERE due_at IS NOT NULL;

-- Refunds that were given, so that none is given twice under two keys.
CREATE TABLE refund (
    reference     TEXT    NOT NULL,
    refund_id     TEXT    NOT NULL,
    amount_minor  INTEGER NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (reference, refund_id)
) STRICT, WITHOUT ROWID;

-- Outcomes that a test or a demo forces, by order.
CREATE TABLE forced (
    order_id  TEXT NOT NULL PRIMARY KEY,
    outcome   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Callbacks that the shop has not taken yet. One that it takes is deleted, one that it never takes is kept.
CREATE TABLE callback (
    number    INTEGER NOT NULL PRIMARY KEY,
    key       TEXT    NOT NULL,                    -- the call that it tells of
    action    TEXT    NOT NULL,
    body      TEXT    NOT NULL,
    attempts  INTEGER NOT NULL,
    due_at    INTEGER                              -- when it is sent next; none once it is given up
) STRICT;
CREATE INDEX callback_due ON callback (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX callback_call ON callback (key, action);
