-- What identifies the rows of a table beyond its changes: its file, which TRUNCATE, VACUUM FULL and
-- most ALTER TABLE ... TYPE replace; how many columns it ever had; and the transaction that last gave
-- it a name, since changes that another table of that name got were meant for it. Replication carries
-- nothing of what ALTER TABLE does. Nothing is converted here: a single table is found by its index.
SELECT c.oid, n.nspname AS schema, c.relname AS name,
       concat_ws('/', c.relfilenode, c.relnatts, t.xmin) AS storage
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = c.reltype
 WHERE c.relkind = 'r' AND c.relpersistence = 'p'
