-- Tables with a column of the type money, of an array, domain or range of it, or of a composite type
-- that holds one.
WITH RECURSIVE holding AS (
    SELECT 'money'::regtype::oid AS type
     UNION
    SELECT e.type
      FROM holding h
      JOIN (SELECT typelem AS inner_type, oid AS type FROM pg_type
             UNION ALL SELECT typbasetype, oid FROM pg_type
             UNION ALL SELECT rngsubtype, unnest(ARRAY[rngtypid, rngmultitypid]) FROM pg_range
             UNION ALL SELECT a.atttypid, c.reltype
                         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                        WHERE c.relkind = 'c') e ON e.inner_type = h.type
)
SELECT format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""')) AS object
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND c.oid IN (SELECT a.attrelid FROM pg_attribute a JOIN holding h ON h.type = a.atttypid)
 ORDER BY object
