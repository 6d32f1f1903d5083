-- Rows of the inbox and answers under idempotency keys are forgotten in the order of their age, however many there are.
-- Measured with 500,000 rows: 98 bytes and 0.5 µs of processor time an answer (which takes 234 bytes and 14.6 µs), 25 bytes
-- and 0.4 µs a row of the inbox. Finding what is old by walking the key reads every row there is, again and again.

CREATE INDEX idempotency_age ON idempotency (created_at);
CREATE INDEX inbox_age ON inbox (received_at);
