-- Shipping: the one shipment of each order, and which orders carry an address of a customer.

CREATE TABLE shipment (
    order_id           ANY NOT NULL,
    shipment_id        ANY,
    state              TEXT NOT NULL,
    -- The summary of the order; amounts are absent until it is quoted.
    customer_id        ANY NOT NULL,
    currency           TEXT NOT NULL,
    items_total_minor  INTEGER,
    discount_minor     INTEGER,
    shipping_minor     INTEGER,
    tax_minor          INTEGER,
    total_minor        INTEGER,
    payment_method     TEXT NOT NULL,
    cart_id            ANY,
    -- JSON: what is sent, and where it goes (personal, erased with its customer).
    lines              TEXT NOT NULL,
    address            TEXT,
    -- Its customer is deleted: the address goes when the goods have left, or stay.
    forget_address     INTEGER NOT NULL CHECK (forget_address IN (0, 1)),
    -- order.priced, reservation.made, order.confirmed, payment.captured was heard.
    priced             INTEGER NOT NULL CHECK (priced IN (0, 1)),
    reserved           INTEGER NOT NULL CHECK (reserved IN (0, 1)),
    confirmed          INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    captured           INTEGER NOT NULL CHECK (captured IN (0, 1)),
    carrier            TEXT,
    tracking           TEXT,
    -- When it came into its state.
    changed_at         INTEGER NOT NULL,
    version            INTEGER NOT NULL,
    events             INTEGER NOT NULL,
    PRIMARY KEY (order_id),
    CHECK ((shipment_id IS NULL) = (state = 'unheard' OR state = 'ended' OR state = 'refused')),
    CHECK (address IS NULL OR (state <> 'ended' AND state <> 'refused' AND state <> 'released')),
    CHECK (address IS NULL OR NOT forget_address OR (state <> 'dispatched' AND state <> 'delivered')),
    CHECK ((state <> 'ready' AND state <> 'dispatched' AND state <> 'delivered')
           OR (priced AND reserved AND confirmed AND captured))
) STRICT, WITHOUT ROWID;
-- For listing what waits in a state, the longest first.
CREATE INDEX shipment_state ON shipment (state, changed_at);

CREATE TABLE shipping_customer (
    customer_id  ANY NOT NULL,
    -- No address is kept any more.
    deleted      INTEGER NOT NULL CHECK (deleted IN (0, 1)),
    -- JSON array of the latest orders with an address; earlier ones stand in pieces, numbered from 0.
    orders       TEXT NOT NULL,
    pieces       INTEGER NOT NULL CHECK (pieces >= 0),
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL,
    PRIMARY KEY (customer_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE shipping_customer_piece (
    customer_id  ANY NOT NULL,
    piece        ANY NOT NULL,
    orders       TEXT NOT NULL,
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL,
    PRIMARY KEY (customer_id, piece)
) STRICT, WITHOUT ROWID;
