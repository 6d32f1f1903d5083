-- A backup must know that it is one: whoever starts on it may not give the ids of events again that its original gave.

-- 1 in a copy that nobody has started on yet.
ALTER TABLE store_meta ADD COLUMN is_copy INTEGER NOT NULL DEFAULT 0 CHECK (is_copy IN (0, 1));
