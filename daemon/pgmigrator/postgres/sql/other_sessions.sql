-- Whoever else is connected to this database and could write to it, now or at any time.
-- Not counted: autovacuum, parallel workers (their leader is), walsenders that stream from a slot,
-- and sessions that bear both our name and our role.
SELECT a.pid, coalesce(a.usename::text, '') AS role,
       coalesce(a.application_name, '') AS application,
       coalesce(a.client_addr::text, 'local') AS address,
       coalesce(a.backend_type, 'unknown') AS kind,
       coalesce(a.state, 'unknown') AS state
  FROM pg_stat_activity a
 WHERE a.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND a.pid <> ALL(%(own_pids)s)
   AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
   AND a.backend_type IS DISTINCT FROM 'parallel worker'
   AND NOT (a.backend_type IS NOT DISTINCT FROM 'walsender'
            AND EXISTS (SELECT FROM pg_replication_slots s WHERE s.active_pid = a.pid))
   AND NOT (coalesce(a.application_name, '') LIKE 'pgmigrator/%%/%%'
            AND a.usename IS NOT DISTINCT FROM current_user
            AND a.client_addr IS NOT DISTINCT FROM inet_client_addr())
 ORDER BY a.backend_start, a.pid
