-- All that a broker delivered beside the body, not only its headers: keys and values that are no text, properties, times.
ALTER TABLE dead_letter RENAME COLUMN headers TO record;
