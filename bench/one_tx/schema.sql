-- What somebody would write by hand for the same shop, with the same facts in it: one table a thing, an outbox for events,
-- no index that nobody reads. Ids are as the shop's: UUIDs of orders and what belongs to them, names of goods and people.
CREATE TABLE orders (
    order_id        uuid PRIMARY KEY,
    customer_id     text NOT NULL,
    state           text NOT NULL,
    currency        text NOT NULL,
    total_minor     bigint NOT NULL,
    payment_method  text NOT NULL,
    placed_at       timestamptz NOT NULL,
    deadline_at     timestamptz NOT NULL
);
CREATE TABLE order_line (
    order_id          uuid NOT NULL,
    line              smallint NOT NULL,
    product_id        text NOT NULL,
    sku               text NOT NULL,
    quantity          integer NOT NULL,
    unit_price_minor  bigint NOT NULL,
    PRIMARY KEY (order_id, line)
);
CREATE TABLE stock (
    sku         text PRIMARY KEY,
    product_id  text NOT NULL,
    on_hand     bigint NOT NULL CHECK (on_hand >= 0),
    reserved    bigint NOT NULL CHECK (reserved BETWEEN 0 AND on_hand),
    committed   bigint NOT NULL
) WITH (fillfactor = 50); -- room to update a row in its page
CREATE TABLE reservation (
    reservation_id  uuid PRIMARY KEY,
    order_id        uuid NOT NULL,
    sku             text NOT NULL,
    quantity        integer NOT NULL,
    state           text NOT NULL,
    expires_at      timestamptz NOT NULL
);
CREATE TABLE payment (
    payment_id    uuid PRIMARY KEY,
    order_id      uuid NOT NULL,
    state         text NOT NULL,
    amount_minor  bigint NOT NULL,
    captured_at   timestamptz
);
CREATE TABLE ledger_entry (
    posting_id    uuid NOT NULL,
    account       text NOT NULL,
    side          text NOT NULL,
    amount_minor  bigint NOT NULL CHECK (amount_minor > 0),
    cause         text NOT NULL,
    order_id      uuid NOT NULL,
    posted_at     timestamptz NOT NULL,
    PRIMARY KEY (posting_id, account)
);
CREATE TABLE shipment (
    shipment_id  uuid PRIMARY KEY,
    order_id     uuid NOT NULL,
    state        text NOT NULL,
    ready_at     timestamptz
);
CREATE TABLE order_view (
    order_id           uuid PRIMARY KEY,
    customer_id        text NOT NULL,
    status             text NOT NULL,
    total_minor        bigint NOT NULL,
    lines              jsonb NOT NULL,
    reservation_state  text NOT NULL,
    payment_state      text NOT NULL,
    shipment_state     text NOT NULL,
    began_at           timestamptz NOT NULL
);
-- The outbox: what CloudEvents wants of an event, and the facts that the shop's events have.
CREATE TABLE event (
    number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        uuid NOT NULL,
    type            text NOT NULL,
    key             uuid NOT NULL,
    correlation_id  uuid NOT NULL,
    said_at         timestamptz NOT NULL,
    data            jsonb NOT NULL
);
INSERT INTO stock
SELECT 'load-6f1c02d4-' || number, 'p-load-6f1c02d4-' || number, 1000000000, 0, 0 FROM generate_series(1, 1000) AS number;
VACUUM ANALYZE stock;
