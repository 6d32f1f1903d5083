-- The life of each order: every fact heard of it and when, and the state that the set of them makes.

-- A row may be `unheard`: facts came before it was placed. Amounts are minor units of the order's currency.
CREATE TABLE "order" (
    order_id                 ANY NOT NULL,
    state                    TEXT NOT NULL,
    -- The summary of the order; amounts are absent until it is quoted.
    customer_id              ANY NOT NULL,
    currency                 TEXT NOT NULL,
    items_total_minor        INTEGER,
    discount_minor           INTEGER,
    shipping_minor           INTEGER,
    tax_minor                INTEGER,
    total_minor              INTEGER,
    payment_method           TEXT NOT NULL,
    cart_id                  ANY,
    lines                    TEXT NOT NULL,
    -- Erased when the customer is deleted.
    shipping_address         TEXT,
    billing_address          TEXT,
    reservation_ttl_seconds  INTEGER CHECK (reservation_ttl_seconds > 0),
    -- Of the signed cart that it was placed from.
    cart_version             INTEGER CHECK (cart_version >= 0),
    -- Of the request that placed it; erased with the addresses.
    fingerprint              TEXT,
    placed_at                INTEGER NOT NULL,
    deadline_at              INTEGER NOT NULL CHECK (deadline_at >= placed_at),

    quoted_at                INTEGER,

    reservation_id           ANY CHECK ((reservation_id IS NULL) = (reserved_at IS NULL)),
    reserved_at              INTEGER,
    committed_at             INTEGER,
    -- Inventory holds nothing for it any more.
    stock_freed_at           INTEGER,

    shipment_id              ANY CHECK ((shipment_id IS NULL) = (allocated_at IS NULL)),
    allocated_at             INTEGER,
    ready_at                 INTEGER,
    dispatched_at            INTEGER,
    delivered_at             INTEGER,
    -- Shipping holds nothing for it any more.
    shipment_freed_at        INTEGER,
    -- Shipping has answered that the goods are gone.
    release_refused_at       INTEGER,

    payment_id               ANY CHECK (payment_id IS NOT NULL OR authorized_at IS NULL),
    -- Somebody outside was asked for the money.
    payment_requested_at     INTEGER,
    authorized_at            INTEGER,
    -- None beside `authorized_at`: in another currency.
    authorized_minor         INTEGER CHECK (authorized_minor IS NULL OR authorized_at IS NOT NULL),
    captured_at              INTEGER,
    voided_at                INTEGER,
    -- The last refund; `refunded_minor` is the sum of all.
    refunded_at              INTEGER,
    refunded_minor           INTEGER NOT NULL CHECK (refunded_minor >= 0),
    refund_failed_at         INTEGER,

    -- The check that was lost last.
    lost                     TEXT,
    lost_reason              TEXT CHECK ((lost_reason IS NULL) = (lost IS NULL)),
    -- Who cancelled it, or asked shipping to stop it.
    cancel_by                TEXT,
    cancel_reason            TEXT CHECK ((cancel_reason IS NULL) = (cancel_by IS NULL)),
    final_at                 INTEGER,
    -- Since when another service owes the next step.
    waits_since              INTEGER,
    version                  INTEGER NOT NULL,
    events                   INTEGER NOT NULL,
    PRIMARY KEY (order_id),

    -- Each state has the facts of all states before it.
    CHECK (quoted_at IS NOT NULL
           OR (state <> 'priced' AND state <> 'validated' AND state <> 'paid' AND state <> 'confirmed'
               AND state <> 'dispatched' AND state <> 'cancelling' AND state <> 'completed')),
    CHECK ((reserved_at IS NOT NULL AND allocated_at IS NOT NULL)
           OR (state <> 'validated' AND state <> 'paid' AND state <> 'confirmed'
               AND state <> 'dispatched' AND state <> 'cancelling' AND state <> 'completed')),
    CHECK (authorized_at IS NOT NULL
           OR (state <> 'paid' AND state <> 'confirmed'
               AND state <> 'dispatched' AND state <> 'cancelling' AND state <> 'completed')),
    CHECK (committed_at IS NOT NULL
           OR (state <> 'confirmed' AND state <> 'dispatched' AND state <> 'cancelling' AND state <> 'completed')),
    CHECK ((delivered_at IS NOT NULL AND captured_at IS NOT NULL) OR state <> 'completed'),
    CHECK (lost IS NOT NULL OR state <> 'rejected'),
    CHECK (cancel_by IS NOT NULL OR state NOT IN ('cancelling', 'cancelled')),
    CHECK ((final_at IS NOT NULL) = (state = 'completed' OR state = 'rejected' OR state = 'cancelled'))
) STRICT, WITHOUT ROWID;

-- Sagas that are open, the oldest first.
CREATE INDEX order_waits ON "order" (waits_since) WHERE waits_since IS NOT NULL;

-- Each refund is told once.
CREATE TABLE order_refund (
    order_id      ANY NOT NULL,
    refund_id     ANY NOT NULL,
    amount_minor  INTEGER NOT NULL CHECK (amount_minor >= 0),
    refunded_at   INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    events        INTEGER NOT NULL,
    PRIMARY KEY (order_id, refund_id)
) STRICT, WITHOUT ROWID;

-- A customer's latest orders, so that what is personal in them can be erased, and the unpaid ones.
CREATE TABLE order_customer (
    customer_id  ANY NOT NULL,
    order_ids    TEXT NOT NULL,
    -- How many full lists of earlier orders there are, numbered from 1.
    pieces       INTEGER NOT NULL CHECK (pieces >= 0),
    -- Orders that the customer placed and somebody outside has to pay; some may be paid or ended by now.
    unpaid       TEXT NOT NULL,
    deleted_at   INTEGER,
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL,
    PRIMARY KEY (customer_id)
) STRICT, WITHOUT ROWID;

-- The full lists.
CREATE TABLE order_customer_piece (
    customer_id  ANY NOT NULL,
    piece        TEXT NOT NULL,
    order_ids    TEXT NOT NULL,
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL,
    PRIMARY KEY (customer_id, piece)
) STRICT, WITHOUT ROWID;
