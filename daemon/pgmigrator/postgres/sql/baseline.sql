-- Changes with every write to the database. Statistics count the rows written (rolled back too),
-- files change with TRUNCATE and CREATE TABLE. The first three tell whether statistics were lost.
SELECT json_build_object(
  'started_at', pg_postmaster_start_time(),
  'statistics_since', (SELECT stats_reset FROM pg_stat_database
                        WHERE datname = current_database()),
  'server_statistics_since', (SELECT stats_reset FROM pg_stat_bgwriter),
  'rows_written', (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_all_tables
                    WHERE schemaname !~ '^pg_' AND schemaname <> 'pgmigrator'
                       OR relname = 'pg_largeobject'),
  'files', (SELECT md5(string_agg(c.oid || ':' || c.relfilenode, ' ' ORDER BY c.oid))
              FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'm', 'S') AND n.nspname !~ '^pg_'
               AND n.nspname NOT IN ('information_schema', 'pgmigrator')),
  'sequences', (SELECT md5(string_agg(q.seqrelid || ':' || d.last_value || d.is_called, ' '
                                      ORDER BY q.seqrelid))
                  FROM pg_sequence q JOIN pg_class c ON c.oid = q.seqrelid
                 CROSS JOIN LATERAL pg_get_sequence_data(q.seqrelid) d
                 WHERE c.relpersistence <> 't')
)::text AS baseline
