-- What is for sale and at which price, what is sold out, and that an order was quoted.

CREATE TABLE product (
    product_id    ANY NOT NULL,
    name          TEXT NOT NULL CHECK (name <> ''),
    description   TEXT NOT NULL,
    brand         TEXT,
    category_ids  TEXT NOT NULL,
    status        TEXT NOT NULL,
    attributes    TEXT NOT NULL,
    media         TEXT NOT NULL,
    -- Of its variants, in the order in which they were added.
    skus          TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    events        INTEGER NOT NULL,
    PRIMARY KEY (product_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE variant (
    sku           ANY NOT NULL,
    product_id    ANY NOT NULL,
    variant_id    ANY NOT NULL,
    status        TEXT NOT NULL,
    attributes    TEXT NOT NULL,
    -- The price that was told last.
    price_id      ANY NOT NULL,
    amount_minor  INTEGER NOT NULL CHECK (amount_minor >= 0),
    currency      TEXT NOT NULL CHECK (length(currency) = 3),
    effective_at  INTEGER NOT NULL,
    -- Prices that wait for their moment, the next one first.
    scheduled     TEXT NOT NULL,
    version       INTEGER NOT NULL,
    events        INTEGER NOT NULL,
    PRIMARY KEY (sku)
) STRICT, WITHOUT ROWID;

CREATE TABLE category (
    category_id  ANY NOT NULL,
    name         TEXT NOT NULL CHECK (name <> ''),
    parent_id    ANY CHECK (parent_id <> category_id),
    -- How many categories are below it, by level: the first number counts its children.
    below        TEXT NOT NULL,
    products     INTEGER NOT NULL CHECK (products >= 0),
    deleted      INTEGER NOT NULL CHECK (deleted IN (0, 1)),
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL,
    PRIMARY KEY (category_id),
    CHECK (deleted = 0 OR (products = 0 AND below = '[]'))
) STRICT, WITHOUT ROWID;
-- The children of a category, and the roots.
CREATE INDEX category_parent ON category (parent_id, name);

CREATE TABLE availability (
    sku           ANY NOT NULL,
    -- Locations where something is available.
    locations     INTEGER NOT NULL CHECK (locations >= 0),
    out_of_stock  INTEGER NOT NULL CHECK (out_of_stock IN (0, 1)),
    version       INTEGER NOT NULL,
    events        INTEGER NOT NULL,
    PRIMARY KEY (sku),
    CHECK (out_of_stock = 0 OR locations = 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE location_availability (
    sku            ANY NOT NULL,
    location_id    ANY NOT NULL,
    -- The version of inventory's row that this was heard with: an older fact that comes later is dropped.
    stock_version  INTEGER NOT NULL CHECK (stock_version >= 0),
    available      INTEGER NOT NULL CHECK (available IN (0, 1)),
    version        INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    PRIMARY KEY (sku, location_id)
) STRICT, WITHOUT ROWID;

-- At most one an order: what was said of an order is not said again.
CREATE TABLE quote (
    order_id     ANY NOT NULL,
    state        TEXT NOT NULL,
    currency     TEXT NOT NULL CHECK (length(currency) = 3),
    -- Of an issued quote.
    total_minor  INTEGER CHECK (total_minor >= 0),
    quoted_at    INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL,
    PRIMARY KEY (order_id),
    CHECK ((state = 'issued') = (total_minor IS NOT NULL))
) STRICT, WITHOUT ROWID;
