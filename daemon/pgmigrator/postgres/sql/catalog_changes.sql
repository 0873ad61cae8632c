-- A number that rises with every DDL of the database: rows of catalogs that were written, as each
-- session reports them before it ends. Statistics of the planner and large objects are no DDL.
SELECT coalesce(sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del), 0)::bigint AS changes
  FROM pg_stat_sys_tables s JOIN pg_class c ON c.oid = s.relid
 WHERE s.schemaname = 'pg_catalog' AND NOT c.relisshared
   AND s.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject',
                         'pg_largeobject_metadata')
