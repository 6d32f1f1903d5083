-- The outbox as Debezium's event router reads it by default. `staged` has what is copied into it.
CREATE TABLE outbox (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    aggregatetype  text NOT NULL DEFAULT 'shop',
    aggregateid    text NOT NULL,
    type           text NOT NULL DEFAULT 'event',
    payload        text NOT NULL
);
CREATE TABLE staged (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key      text NOT NULL,
    payload  text NOT NULL
);
-- A commit for a thousand events, as a shop under load has.
CREATE PROCEDURE fill_outbox(events bigint) LANGUAGE plpgsql AS $$
BEGIN
    FOR past IN 0 .. events - 1 BY 1000 LOOP
        INSERT INTO outbox (aggregateid, payload)
        SELECT key, payload FROM staged WHERE number > past AND number <= LEAST(past + 1000, events) ORDER BY number;
        COMMIT;
    END LOOP;
END $$;
-- The time as events show it. Not in the statement of an order: pgbench would take its colons for variables.
CREATE FUNCTION shown_now() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
