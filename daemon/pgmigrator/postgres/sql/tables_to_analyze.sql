-- Tables that ANALYZE has not seen, or not since they got rows, an expression index or extended
-- statistics. The view pg_stat_user_tables forgets in a crash; the catalogs do not.
SELECT n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS partitioned
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND c.relispopulated
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
   AND (
       NOT c.reltuples BETWEEN 0 AND 1e18  -- nor NaN or Infinity, which an index build may leave
    OR c.relpages > 0 AND NOT EXISTS (SELECT FROM pg_statistic s WHERE s.starelid = c.oid)
       AND EXISTS (SELECT FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                      AND a.attstattarget IS DISTINCT FROM 0)
    OR c.relpages > 0 AND EXISTS (
           SELECT FROM pg_index i
            WHERE i.indrelid = c.oid AND i.indexprs IS NOT NULL
              AND NOT EXISTS (SELECT FROM pg_statistic s WHERE s.starelid = i.indexrelid))
    OR c.relpages > 0 AND EXISTS (
           SELECT FROM pg_statistic_ext e
            WHERE e.stxrelid = c.oid
              AND NOT EXISTS (SELECT FROM pg_statistic_ext_data d WHERE d.stxoid = e.oid))
   )
 ORDER BY pg_relation_size(c.oid) DESC;
