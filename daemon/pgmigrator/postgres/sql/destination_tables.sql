-- Plain tables and leaf partitions of the destination: subscription state, copy progress, planner
-- statistics (an empty table has none to have, nor has one whose columns are not to be analysed).
-- An empty file certainly holds no row; asking for its size waits for a lock, and so only a table
-- that still awaits its copy is asked.
SELECT n.nspname::text AS schema, c.relname::text AS name,
       wn.nspname::text AS root_schema, w.relname::text AS root_name,
       coalesce(r.srsubstate::text, '') AS state,
       CASE WHEN r.srsubstate = 'r' THEN (r.srsublsn - '0/0')::bigint END AS synchronized_lsn,
       coalesce(k.pid, 0) AS worker,
       coalesce(p.tuples_processed, 0) AS copied_rows,
       coalesce(p.bytes_processed, 0) AS copied_bytes,
       c.reltuples = 0 OR EXISTS (SELECT FROM pg_statistic WHERE starelid = c.oid)
         OR c.reltuples > 0 AND NOT EXISTS (SELECT FROM pg_attribute a
                                             WHERE a.attrelid = c.oid AND a.attnum > 0
                                               AND NOT a.attisdropped
                                               AND a.attstattarget IS DISTINCT FROM 0)
         AS has_statistics,
       CASE WHEN r.srrelid IS NULL AND pg_relation_size(c.oid) = 0 THEN false END AS has_rows
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
  LEFT JOIN pg_class w ON w.oid = i.inhparent
  LEFT JOIN pg_namespace wn ON wn.oid = w.relnamespace
  LEFT JOIN pg_subscription_rel r ON r.srrelid = c.oid AND r.srsubid = %(subscription_oid)s
  LEFT JOIN pg_stat_subscription k ON k.relid = c.oid AND k.subid = %(subscription_oid)s
  LEFT JOIN pg_stat_progress_copy p ON p.relid = c.oid AND p.command = 'COPY FROM'
 WHERE c.relkind = 'r' AND c.relpersistence = 'p'
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
   AND NOT EXISTS (SELECT FROM pg_depend x
                    WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
