-- Sequences of the database and how they step; their positions are read one by one.
SELECT s.seqrelid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       s.seqincrement AS increment, s.seqcycle AS cycle
  FROM pg_sequence s
  JOIN pg_class c ON c.oid = s.seqrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relpersistence <> 't' AND n.nspname <> 'pgmigrator'
 ORDER BY n.nspname, c.relname
