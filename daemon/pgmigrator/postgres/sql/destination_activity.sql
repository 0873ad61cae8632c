-- Index health, and who writes here beside us (sampled: whoever holds a transaction id now). Whether
-- a partitioned index is valid is compared with the source's (fingerprint/indexes.sql).
SELECT (SELECT coalesce(array_agg(i.indexrelid::regclass::text ORDER BY 1), '{}')
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname !~ '^pg_') AS invalid_indexes,
       (SELECT count(*)::int
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE i.indisvalid AND n.nspname !~ '^pg_' AND n.nspname <> 'pgmigrator') AS indexes_built,
       (SELECT count(*)::int FROM pg_stat_progress_create_index
         WHERE datname = current_database()) AS indexes_building,
       (SELECT coalesce(array_agg(format('%%s, %%s, %%s, pid %%s', usename, application_name,
                                         coalesce(client_addr::text, 'local'), pid)), '{}')
          FROM pg_stat_activity
         WHERE datname = current_database() AND backend_xid IS NOT NULL
           AND backend_type NOT LIKE 'logical replication%%'
           AND backend_type NOT LIKE 'autovacuum%%'
           AND application_name NOT LIKE 'pgmigrator/%%')
       || (SELECT coalesce(array_agg(format('prepared transaction %%L of %%s', gid, owner)), '{}')
             FROM pg_prepared_xacts WHERE database = current_database()) AS foreign_writers
