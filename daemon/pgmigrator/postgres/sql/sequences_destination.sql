-- Sequences of the database, with their positions (18 or newer).
SELECT n.nspname::text AS schema, c.relname::text AS name, s.seqincrement AS increment,
       s.seqcycle AS cycle, d.last_value, d.is_called
  FROM pg_sequence s
  JOIN pg_class c ON c.oid = s.seqrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL pg_get_sequence_data(s.seqrelid) d
 WHERE c.relpersistence <> 't' AND n.nspname <> 'pgmigrator'
 ORDER BY n.nspname, c.relname
