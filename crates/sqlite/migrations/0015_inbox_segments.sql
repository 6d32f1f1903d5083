-- The received events of one segment of another store share a row of the inbox, where each had one of its own.
-- Measured with 1,000,000 events, four a segment: 17 bytes an event with its part of the index by age, and no longer 60.
CREATE TABLE inbox_segment (
    -- STORE-SEGMENT: with a dash and an index it is the id of an event.
    segment      ANY NOT NULL PRIMARY KEY,
    -- Ranges of indexes, as in 0-3,5.
    indexes      TEXT NOT NULL,
    received_at  INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    events       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_segment_age ON inbox_segment (received_at);

-- From now on these events are looked up here, those that were received before as well. Their old rows stay until they
-- are old: an older program looks there. Which ids they are is the rule of segment_of in crates/engine/src/segment.rs.
-- A million rows take five seconds.
INSERT INTO inbox_segment (segment, indexes, received_at, version, events)
WITH
    -- Up to the dash before the last number, and that number.
    split (head, digits, received_at) AS MATERIALIZED (
        SELECT rtrim(event_id, '0123456789'), substr(event_id, length(rtrim(event_id, '0123456789')) + 1), received_at
        FROM inbox WHERE typeof(event_id) = 'text'
    ),
    indexed (segment, digits, received_at) AS MATERIALIZED (
        SELECT substr(head, 1, length(head) - 1), digits, received_at
        FROM split
        WHERE head LIKE '%-' AND length(digits) <= 5 AND CAST(digits AS INTEGER) < 16384
            AND (digits = '0' OR digits GLOB '[1-9]*')
    ),
    numbered (segment, store, number, digits, received_at) AS MATERIALIZED (
        SELECT segment, rtrim(segment, '0123456789'), substr(segment, length(rtrim(segment, '0123456789')) + 1),
            digits, received_at
        FROM indexed
    )
SELECT
    -- As every id: 16 bytes where it is a UUID in its canonical form.
    CASE
        WHEN segment GLOB '????????-????-????-????-????????????' AND segment = lower(segment)
            AND length(unhex(segment, '-')) = 16 THEN unhex(segment, '-')
        ELSE segment
    END,
    group_concat(digits, ',' ORDER BY CAST(digits AS INTEGER)), max(received_at), 1, 0
FROM numbered
WHERE store LIKE '_%-' AND number GLOB '[1-9]*'
GROUP BY segment;
