-- The 17 events of an order, in one transaction, each with the time at which it was made.
INSERT INTO outbox (aggregateid, payload)
SELECT 'order-' || :client_id::text, format('{"time":"%s","data":"%s"}', made_at, repeat('x', 500))
FROM generate_series(1, 17), shown_now() AS made_at;
