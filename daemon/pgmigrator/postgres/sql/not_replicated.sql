-- What a database holds that logical replication never carries.
SELECT (SELECT coalesce(array_agg(format('%%I.%%I', n.nspname, c.relname) ORDER BY 1), '{}')
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'r' AND c.relpersistence = 'u') AS unlogged_tables,
       (SELECT coalesce(array_agg(format('%%I.%%I', n.nspname, c.relname) ORDER BY 1), '{}')
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'm') AS materialized_views,
       (SELECT count(*)::int FROM pg_largeobject_metadata) AS large_objects
