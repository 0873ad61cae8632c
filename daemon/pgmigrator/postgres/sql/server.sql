-- One server about itself. Read it after the slot: then the lag is never below zero by accident.
SELECT current_setting('server_version_num')::int AS version_num,
       split_part(current_setting('server_version'), ' ', 1) AS version,
       (SELECT system_identifier FROM pg_control_system()) AS system_identifier,
       pg_is_in_recovery() AS in_recovery,
       -- the timeline of the WAL being written: pg_control_checkpoint() lags behind a promotion
       CASE WHEN pg_is_in_recovery() THEN 0
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int
       END AS timeline,
       extract(epoch FROM pg_postmaster_start_time())::float8 AS started_at,
       current_user::text AS "user",
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
       pg_backend_pid() AS backend_pid,
       -- managed services are known by the role that takes the superuser's place
       coalesce((SELECT CASE rolname WHEN 'rds_superuser' THEN 'rds'
                                     WHEN 'cloudsqlsuperuser' THEN 'cloudsql' ELSE 'azure' END
                   FROM pg_roles
                  WHERE rolname IN ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin')
                  LIMIT 1), '') AS service,
       (SELECT count(*) FROM pg_replication_slots)::int AS slots_used,
       (SELECT count(*) FROM pg_stat_replication)::int AS walsenders_used,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0'
            ELSE pg_current_wal_flush_lsn() - '0/0'
       END::bigint AS flush_lsn,
       (SELECT checkpoint_lsn - '0/0' FROM pg_control_checkpoint())::bigint AS checkpoint_lsn,
       -- that of a shutdown or a recovery is its own redo point, one while it runs begins before itself
       (SELECT redo_lsn = checkpoint_lsn FROM pg_control_checkpoint()) AS checkpoint_of_start
