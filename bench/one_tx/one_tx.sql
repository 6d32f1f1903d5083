-- A whole order of two lines as one transaction: all that changes while it settles, 17 rows, in one statement.
-- The two SKUs are taken in one order by everybody, so that no two orders wait for each other in a circle.
\set one random(1, 500)
\set other random(501, 1000)
\set customer random(1, 1000)
BEGIN;
WITH placed AS (
    INSERT INTO orders (order_id, customer_id, state, currency, total_minor, payment_method, placed_at, deadline_at)
    VALUES (gen_random_uuid(), 'load-6f1c02d4-c' || :customer::integer, 'confirmed', 'EUR', 2500, 'balance', now(), now() + '30 minutes')
    RETURNING order_id, customer_id, placed_at, deadline_at
), goods (line, sku) AS (
    VALUES (1, 'load-6f1c02d4-' || :one::integer), (2, 'load-6f1c02d4-' || :other::integer)
), facts AS (
    SELECT order_id, gen_random_uuid() AS correlation_id, customer_id, placed_at, deadline_at,
        jsonb_build_object(
            'order_id', order_id, 'customer_id', customer_id, 'currency', 'EUR', 'items_total_minor', 2500, 'discount_minor', 0,
            'shipping_minor', 0, 'tax_minor', 0, 'total_minor', 2500, 'payment_method', 'balance') AS summary,
        (SELECT jsonb_agg(jsonb_build_object(
            'product_id', 'p-' || sku, 'sku', sku, 'quantity', 1, 'unit_price_minor', 1250, 'location_id', 'main')) FROM goods) AS lines
    FROM placed
), lines AS (
    INSERT INTO order_line (order_id, line, product_id, sku, quantity, unit_price_minor)
    SELECT order_id, line, 'p-' || sku, sku, 1, 1250 FROM placed, goods
), sold_one AS (
    UPDATE stock SET on_hand = on_hand - 1, committed = committed + 1
    WHERE sku = 'load-6f1c02d4-' || :one::integer AND on_hand - reserved >= 1 RETURNING sku
), sold_other AS (
    UPDATE stock SET on_hand = on_hand - 1, committed = committed + 1
    WHERE sku = 'load-6f1c02d4-' || :other::integer AND on_hand - reserved >= 1 RETURNING sku
), reserved AS (
    INSERT INTO reservation (reservation_id, order_id, sku, quantity, state, expires_at)
    SELECT gen_random_uuid(), order_id, sku, 1, 'committed', deadline_at
    FROM placed, (SELECT sku FROM sold_one UNION ALL SELECT sku FROM sold_other) AS sold
), paid AS (
    INSERT INTO payment (payment_id, order_id, state, amount_minor, captured_at)
    SELECT gen_random_uuid(), order_id, 'captured', 2500, placed_at FROM placed
), posting AS (
    SELECT gen_random_uuid() AS posting_id, order_id, customer_id, placed_at FROM placed
), booked AS (
    INSERT INTO ledger_entry (posting_id, account, side, amount_minor, cause, order_id, posted_at)
    SELECT posting_id, account, side, 2500, 'capture', order_id, placed_at
    FROM posting, LATERAL (VALUES ('customer/' || customer_id, 'debit'), ('revenue', 'credit')) AS entry (account, side)
), shipped AS (
    INSERT INTO shipment (shipment_id, order_id, state, ready_at)
    SELECT gen_random_uuid(), order_id, 'ready', placed_at FROM placed
), seen AS (
    INSERT INTO order_view (
        order_id, customer_id, status, total_minor, lines, reservation_state, payment_state, shipment_state, began_at)
    SELECT order_id, customer_id, 'confirmed', 2500, lines, 'committed', 'captured', 'ready', placed_at FROM facts
), told AS (
    INSERT INTO event (event_id, type, key, correlation_id, said_at, data)
    SELECT gen_random_uuid(), type, order_id, correlation_id, placed_at, jsonb_build_object('order', summary, 'lines', lines)
    FROM facts, (VALUES
        ('order.placed'), ('reservation.committed'), ('payment.captured'), ('order.confirmed'), ('shipment.ready')) AS said (type)
)
SELECT order_id FROM placed;
COMMIT;
