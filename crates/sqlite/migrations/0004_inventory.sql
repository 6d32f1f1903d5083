-- Inventory: how much there is of each SKU at which location, and which order has a claim on it.

CREATE TABLE location (
    location_id  ANY NOT NULL,
    name         TEXT NOT NULL,
    -- Claims are served from the lowest number first.
    priority     INTEGER NOT NULL CHECK (priority >= 0),
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL,
    PRIMARY KEY (location_id)
) STRICT, WITHOUT ROWID;

-- Units of one SKU at one location.
CREATE TABLE stock (
    sku           ANY NOT NULL,
    location_id   ANY NOT NULL,
    product_id    ANY NOT NULL,
    on_hand       INTEGER NOT NULL CHECK (on_hand >= 0),
    -- Of on_hand, what active reservations hold.
    reserved      INTEGER NOT NULL CHECK (reserved BETWEEN 0 AND on_hand),
    -- Running totals: adjustments of type restock; sold; sold and come back; all other adjustments.
    received      INTEGER NOT NULL CHECK (received >= 0),
    committed     INTEGER NOT NULL CHECK (committed >= 0),
    restocked     INTEGER NOT NULL CHECK (restocked BETWEEN 0 AND committed),
    adjusted      INTEGER NOT NULL,
    -- stock.low is said when so much or less is available.
    low_warning   INTEGER CHECK (low_warning >= 0),
    low_urgent    INTEGER CHECK (low_urgent BETWEEN 0 AND ifnull(low_warning, low_urgent)),
    low_critical  INTEGER CHECK (low_critical BETWEEN 0 AND coalesce(low_urgent, low_warning, low_critical)),
    -- The number of its last change among the changes of its SKU: version in events.
    changes       INTEGER NOT NULL CHECK (changes >= 1),
    version       INTEGER NOT NULL,
    events        INTEGER NOT NULL,
    PRIMARY KEY (sku, location_id),
    CHECK (on_hand = received - committed + restocked + adjusted)
) STRICT, WITHOUT ROWID;
-- For listing what a location holds.
CREATE INDEX stock_location ON stock (location_id);

-- A SKU over all its locations.
CREATE TABLE stock_item (
    sku           ANY NOT NULL,
    product_id    ANY NOT NULL,
    -- The sum of on_hand - reserved over its rows of stock.
    available     INTEGER NOT NULL CHECK (available >= 0),
    changes       INTEGER NOT NULL CHECK (changes >= 0),
    -- No new reservation.
    discontinued  INTEGER NOT NULL CHECK (discontinued IN (0, 1)),
    -- JSON array of location ids; empty: only the end of the SKU was heard of.
    locations     TEXT NOT NULL,
    version       INTEGER NOT NULL,
    events        INTEGER NOT NULL,
    PRIMARY KEY (sku)
) STRICT, WITHOUT ROWID;

-- Products of which no SKU can be reserved any more.
CREATE TABLE archived_product (
    product_id  ANY NOT NULL,
    version     INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    PRIMARY KEY (product_id)
) STRICT, WITHOUT ROWID;

-- One row an order. In the states unheard, ended and refused nothing was ever held.
CREATE TABLE reservation (
    order_id           ANY NOT NULL,
    reservation_id     ANY,
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
    -- JSON: the pieces that are or were held, an array each.
    lines              TEXT NOT NULL,
    -- payment.authorized, payment.requested was heard.
    paid               INTEGER NOT NULL CHECK (paid IN (0, 1)),
    extended           INTEGER NOT NULL CHECK (extended IN (0, 1)),
    ttl_seconds        INTEGER CHECK (ttl_seconds >= 0),
    deadline           INTEGER,
    expires_at         INTEGER,
    version            INTEGER NOT NULL,
    events             INTEGER NOT NULL,
    PRIMARY KEY (order_id),
    CHECK ((reservation_id IS NULL) = (state = 'unheard' OR state = 'ended' OR state = 'refused')),
    CHECK ((reservation_id IS NULL) = (expires_at IS NULL)),
    CHECK (state NOT IN ('committed', 'restocked') OR paid)
) STRICT, WITHOUT ROWID;
