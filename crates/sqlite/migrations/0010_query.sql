-- Query: read models, so that what people look at is one row or one page. Made from the event log alone: every table
-- here can be cleared and made again. In all of them `since_segment` is where the first event is that the row knows of.

-- One row an order. Amounts are in minor units of `currency`.
CREATE TABLE order_view (
    order_id           ANY NOT NULL,
    customer_id        ANY,
    -- NULL while only others have spoken of it: it may never be placed, and is in no list.
    status             TEXT,
    -- Completed, or ended with nothing held or owed for it.
    settled            INTEGER NOT NULL CHECK (settled IN (0, 1)),
    currency           TEXT,
    items_total_minor  INTEGER,
    discount_minor     INTEGER,
    shipping_minor     INTEGER,
    tax_minor          INTEGER,
    total_minor        INTEGER,
    payment_method     TEXT,
    cart_id            ANY,
    -- JSON array.
    lines              TEXT NOT NULL,
    reservation_id     ANY,
    reservation_state  TEXT,
    payment_id         ANY,
    payment_state      TEXT,
    authorized_minor   INTEGER,
    captured_minor     INTEGER,
    captured_at        INTEGER,
    -- The provider refused to capture.
    capture_failed_at  INTEGER,
    -- The sum over its rows of refund_view.
    refunded_minor     INTEGER NOT NULL,
    shipment_id        ANY,
    shipment_state     TEXT,
    carrier            TEXT,
    tracking           TEXT,
    -- Of its earliest event: lists are in this order.
    began_at           INTEGER NOT NULL,
    placed_at          INTEGER,
    priced_at          INTEGER,
    deadline           INTEGER,
    validated_at       INTEGER,
    paid_at            INTEGER,
    confirmed_at       INTEGER,
    dispatched_at      INTEGER,
    delivered_at       INTEGER,
    completed_at       INTEGER,
    -- Rejected or cancelled, as `ending` says.
    ended_at           INTEGER,
    ending             TEXT,
    reason             TEXT,
    -- The check that was lost, or what was owed when its time was over.
    owed_step          TEXT,
    cancelled_by       TEXT,
    refund_due_minor   INTEGER NOT NULL,
    refunded_at        INTEGER,
    -- Places in the event log, by segment: `12:0,3-5;15:2` is events 0, 3, 4 and 5 of segment 12 and event 2 of 15.
    cancel_requests    TEXT NOT NULL,
    cancels_refused    TEXT NOT NULL,
    timeline           TEXT NOT NULL,
    -- It has more events than `timeline` keeps: the later ones are in timeline_rest.
    timeline_full      INTEGER NOT NULL CHECK (timeline_full IN (0, 1)),
    since_segment      INTEGER NOT NULL,
    version            INTEGER NOT NULL,
    events             INTEGER NOT NULL,
    PRIMARY KEY (order_id),
    CHECK ((ended_at IS NULL) = (ending IS NULL)),
    CHECK ((captured_at IS NULL) = (captured_minor IS NULL)),
    CHECK ((paid_at IS NULL) = (authorized_minor IS NULL))
) STRICT, WITHOUT ROWID;
-- A customer's orders, and all orders in a status, by time.
CREATE INDEX order_view_customer ON order_view (customer_id, began_at);
CREATE INDEX order_view_status ON order_view (status, began_at);
-- All orders of a span of time. They begin one after the other, so each is added at the end.
CREATE INDEX order_view_time ON order_view (began_at);

-- Where an event of an order is in the log, of which order_view.timeline keeps earlier ones alone.
CREATE TABLE timeline_rest (
    order_id       ANY NOT NULL,
    -- Segment and index with leading zeros: in the order of the log.
    place          ANY NOT NULL,
    since_segment  INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    PRIMARY KEY (order_id, place)
) STRICT, WITHOUT ROWID;

-- Money of an order that went back, whole or in part.
CREATE TABLE refund_view (
    order_id       ANY NOT NULL,
    refund_id      ANY NOT NULL,
    currency       TEXT NOT NULL,
    amount_minor   INTEGER NOT NULL,
    reason         TEXT NOT NULL,
    refunded_at    INTEGER NOT NULL,
    since_segment  INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    PRIMARY KEY (order_id, refund_id)
) STRICT, WITHOUT ROWID;

-- One row a day (UTC, as 2026-01-31) and currency: a sum over orders and refunds.
CREATE TABLE sales_day (
    day                TEXT NOT NULL CHECK (length(day) = 10),
    currency           TEXT NOT NULL,
    confirmed          INTEGER NOT NULL CHECK (confirmed >= 0),
    completed          INTEGER NOT NULL CHECK (completed >= 0),
    -- Cancelled on this day, having been confirmed on this or an earlier one.
    cancelled          INTEGER NOT NULL CHECK (cancelled >= 0),
    -- Totals of the orders that were confirmed on this day.
    gross_minor        INTEGER NOT NULL,
    -- What was not kept: refunds of this day, and `uncollected_minor`.
    refunded_minor     INTEGER NOT NULL,
    -- Totals of orders whose money never came, as was known on this day.
    uncollected_minor  INTEGER NOT NULL,
    -- What was kept, up to now, of the orders that were confirmed on this day.
    net_minor          INTEGER NOT NULL,
    since_segment      INTEGER NOT NULL,
    version            INTEGER NOT NULL,
    events             INTEGER NOT NULL,
    PRIMARY KEY (day, currency)
) STRICT, WITHOUT ROWID;

CREATE TABLE product_view (
    product_id       ANY NOT NULL,
    name             TEXT NOT NULL,
    description      TEXT NOT NULL,
    brand            TEXT,
    -- NULL while only its stock or a variant was heard of: in no list.
    status           TEXT,
    -- JSON: arrays of ids, of pictures, of variants; an object of attributes.
    category_ids     TEXT NOT NULL,
    attributes       TEXT NOT NULL,
    media            TEXT NOT NULL,
    variants         TEXT NOT NULL,
    -- With spaces between.
    skus             TEXT NOT NULL,
    -- Name, brand, description and SKUs as search compares them: words with one blank between.
    words            TEXT NOT NULL,
    -- The range of its active variants in the currency of the first of them.
    currency         TEXT,
    price_min_minor  INTEGER,
    price_max_minor  INTEGER,
    availability     TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    archived_at      INTEGER,
    -- The number of the event that told of the whole product last.
    sequence         INTEGER NOT NULL CHECK (sequence >= 0),
    -- JSON: variant id to [event that told of it last, event that told its price last, is discontinued].
    marks            TEXT NOT NULL,
    -- JSON: SKU to the number of locations where it is available.
    stocked          TEXT NOT NULL,
    since_segment    INTEGER NOT NULL,
    version          INTEGER NOT NULL,
    events           INTEGER NOT NULL,
    PRIMARY KEY (product_id),
    CHECK (price_min_minor <= price_max_minor)
) STRICT, WITHOUT ROWID;
-- What is for sale, by the time when it was set up.
CREATE INDEX product_view_status ON product_view (status, created_at);

-- The text index of product_view: of every product, whatever its status. It keeps no copy of the text.
CREATE TABLE product_view_fts_row (id INTEGER PRIMARY KEY, product_id ANY NOT NULL UNIQUE) STRICT;
CREATE VIRTUAL TABLE product_view_fts USING fts5 (
    words, content = '', contentless_delete = 1, prefix = '2 3', tokenize = 'ascii'
);
CREATE TRIGGER product_view_fts_insert AFTER INSERT ON product_view BEGIN
    INSERT INTO product_view_fts_row (product_id) VALUES (new.product_id);
    INSERT INTO product_view_fts (rowid, words)
    SELECT id, new.words FROM product_view_fts_row WHERE product_id = new.product_id;
END;
-- Most changes are of prices and stock: they leave the text alone.
CREATE TRIGGER product_view_fts_update AFTER UPDATE ON product_view
WHEN old.words IS NOT new.words BEGIN
    UPDATE product_view_fts SET words = new.words
    WHERE rowid = (SELECT id FROM product_view_fts_row WHERE product_id = new.product_id);
END;
CREATE TRIGGER product_view_fts_delete AFTER DELETE ON product_view BEGIN
    DELETE FROM product_view_fts
    WHERE rowid = (SELECT id FROM product_view_fts_row WHERE product_id = old.product_id);
    DELETE FROM product_view_fts_row WHERE product_id = old.product_id;
END;

-- What an active variant of a product costs.
CREATE TABLE product_price (
    product_id     ANY NOT NULL,
    variant_id     ANY NOT NULL,
    currency       TEXT NOT NULL,
    amount_minor   INTEGER NOT NULL,
    since_segment  INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    PRIMARY KEY (product_id, variant_id)
) STRICT, WITHOUT ROWID;
-- Which products have something in a range of prices.
CREATE INDEX product_price_amount ON product_price (currency, amount_minor);

-- A product is in a category.
CREATE TABLE product_category (
    category_id    ANY NOT NULL,
    product_id     ANY NOT NULL,
    -- Of the product.
    status         TEXT,
    since_segment  INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    PRIMARY KEY (category_id, product_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE category_view (
    category_id    ANY NOT NULL,
    name           TEXT NOT NULL,
    parent_id      ANY,
    -- Kept, so that nothing that comes late brings it back.
    deleted        INTEGER NOT NULL CHECK (deleted IN (0, 1)),
    -- The number of the event that told of it last.
    sequence       INTEGER NOT NULL CHECK (sequence >= 0),
    since_segment  INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    PRIMARY KEY (category_id)
) STRICT, WITHOUT ROWID;

-- Units of one SKU at one location.
CREATE TABLE stock_view (
    sku            ANY NOT NULL,
    location_id    ANY NOT NULL,
    product_id     ANY NOT NULL,
    on_hand        INTEGER NOT NULL,
    reserved       INTEGER NOT NULL,
    available      INTEGER NOT NULL,
    -- NULL: not low, or inventory never told a threshold.
    low_level      TEXT,
    -- As inventory counts changes: `version` of the stock in events.
    stock_version  INTEGER NOT NULL CHECK (stock_version >= 0),
    changed_at     INTEGER NOT NULL,
    -- JSON: level to [event that told it last, threshold].
    thresholds     TEXT NOT NULL,
    since_segment  INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    PRIMARY KEY (sku, location_id)
) STRICT, WITHOUT ROWID;
-- What is low. Every sale changes rows of this table, and most of them are not: those are not in it.
CREATE INDEX stock_view_low ON stock_view (low_level) WHERE low_level IS NOT NULL;
