-- With several brokers an event that was set aside goes back to the one that refused it, so its dead letter names that.

ALTER TABLE dead_letter ADD COLUMN broker TEXT;
