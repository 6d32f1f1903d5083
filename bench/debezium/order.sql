-- The 17 events of an order, in one transaction, each with the time at which it was made.
INSERT INTO outbox (aggregateid, payload)
SELECT 'order-' || :client_id::text, format('{"time":"%s","data":"%s"}', shown, repeat('x', 500))
FROM generate_series(1, 17), to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS shown;
