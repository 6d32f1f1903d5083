-- Carts and the orders that came of them, and what carts has heard of customers and of what is for sale.

CREATE TABLE cart (
    cart_id              ANY NOT NULL,
    -- None: whoever knows the id may use it.
    customer_id          ANY,
    state                TEXT NOT NULL,
    -- Counts the changes of its lines.
    revision             INTEGER NOT NULL CHECK (revision >= 1),
    currency             TEXT NOT NULL CHECK (length(currency) = 3),
    lines                TEXT NOT NULL,
    -- Minted at the first checkout of this revision.
    order_id             ANY,
    snapshot_expires_at  INTEGER,
    -- Placed from it and not rejected.
    orders               INTEGER NOT NULL CHECK (orders >= 0),
    expires_at           INTEGER NOT NULL,
    merged_into          ANY CHECK (merged_into <> cart_id),
    version              INTEGER NOT NULL,
    events               INTEGER NOT NULL,
    PRIMARY KEY (cart_id),
    -- A snapshot is for a customer, and names an order.
    CHECK (order_id IS NULL OR customer_id IS NOT NULL),
    CHECK ((order_id IS NULL) = (snapshot_expires_at IS NULL)),
    CHECK ((state = 'merged') = (merged_into IS NOT NULL)),
    CHECK (state <> 'checked_out' OR orders > 0),
    CHECK (state <> 'open' OR orders = 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE cart_order (
    order_id  ANY NOT NULL,
    cart_id   ANY NOT NULL,
    state     TEXT NOT NULL,
    version   INTEGER NOT NULL,
    events    INTEGER NOT NULL,
    PRIMARY KEY (order_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE cart_customer (
    customer_id  ANY NOT NULL,
    open_carts   TEXT NOT NULL,
    deleted      INTEGER NOT NULL CHECK (deleted IN (0, 1)),
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL,
    PRIMARY KEY (customer_id),
    CHECK (deleted = 0 OR open_carts = '[]')
) STRICT, WITHOUT ROWID;

CREATE TABLE cart_product (
    product_id  ANY NOT NULL,
    status      TEXT NOT NULL,
    -- Of the event that said it, among those of the product: an older one that comes later is dropped.
    sequence    INTEGER NOT NULL CHECK (sequence >= 0),
    version     INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    PRIMARY KEY (product_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE cart_sku (
    sku               ANY NOT NULL,
    product_id        ANY NOT NULL,
    discontinued      INTEGER NOT NULL CHECK (discontinued IN (0, 1)),
    -- The latest price whose moment had come when it was heard.
    unit_price_minor  INTEGER,
    currency          TEXT CHECK (length(currency) = 3),
    effective_at      INTEGER,
    -- Of the event that told this price, among those of the product.
    sequence          INTEGER NOT NULL CHECK (sequence >= 0),
    -- Prices that were told before their moment, each with the number of its event.
    upcoming          TEXT NOT NULL,
    version           INTEGER NOT NULL,
    events            INTEGER NOT NULL,
    PRIMARY KEY (sku),
    CHECK ((unit_price_minor IS NULL) = (currency IS NULL) AND (currency IS NULL) = (effective_at IS NULL))
) STRICT, WITHOUT ROWID;
