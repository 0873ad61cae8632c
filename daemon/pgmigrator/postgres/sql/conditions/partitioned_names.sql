-- Partitioned tables and indexes of this database.
SELECT format('%I.%I', n.nspname, c.relname) AS object
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('p', 'I') AND c.relpersistence <> 't'
