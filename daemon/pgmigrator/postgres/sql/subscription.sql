-- Our subscription, its workers and its counters (confl_* columns differ by version; 19 calls what
-- failed to be copied sync_table_error_count). Differing origins
-- are no conflict: where track_commit_timestamp is on, the first change of every row of the initial
-- copy counts so, as it came under the origin of its own that a table's synchronisation has.
SELECT s.oid::bigint, s.subenabled AS enabled, s.subslotname::text AS slot_name,
       s.subpublications AS publications,
       EXISTS (SELECT FROM pg_stat_subscription w
                WHERE w.subid = s.oid AND w.worker_type = 'apply' AND w.pid IS NOT NULL)
         AS worker_running,
       (SELECT coalesce(jsonb_object_agg(worker_type, n), '{}')
          FROM (SELECT worker_type, count(*) AS n FROM pg_stat_subscription w
                 WHERE w.subid = s.oid AND w.pid IS NOT NULL GROUP BY 1) x) AS workers,
       coalesce(c.apply_error_count, 0) AS apply_error_count,
       coalesce(to_jsonb(c) ->> 'sync_table_error_count', to_jsonb(c) ->> 'sync_error_count',
                '0')::bigint AS sync_error_count,
       coalesce(pg_replication_origin_progress('pg_' || s.oid::text, false) - '0/0', 0)::bigint
         AS applied_lsn,
       extract(epoch FROM c.stats_reset)::float8 AS stats_reset_at,
       to_jsonb(c) - '{confl_update_origin_differs,confl_delete_origin_differs}'::text[] AS counters
  FROM pg_subscription s
  LEFT JOIN pg_stat_subscription_stats c ON c.subid = s.oid
 WHERE s.subname = %(subscription)s
   AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
