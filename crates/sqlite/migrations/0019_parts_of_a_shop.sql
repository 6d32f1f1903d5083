-- A store must know which part of a split shop it is: nothing else may be started on it.

-- The part of its services' keys that it has. All of them: no shop is sharded by key yet.
ALTER TABLE store_meta ADD COLUMN shard TEXT NOT NULL DEFAULT '1 of 1';

-- The name of its process in the peers file, which its queue at RabbitMQ has too. NULL while the shop is not split.
ALTER TABLE store_meta ADD COLUMN peer TEXT;
