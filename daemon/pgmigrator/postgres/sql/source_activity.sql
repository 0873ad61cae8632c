-- How the source fares with us: who waits behind our sessions, and what is open for long.
-- Sessions of ours are named pgmigrator/...; walsenders bear the name of subscription or sync slot.
WITH activity AS (
    SELECT *, application_name LIKE 'pgmigrator/%%'
           OR (backend_type = 'walsender' AND (application_name LIKE 'pgmigrator\_%%'
                                            OR application_name LIKE 'pg\_%%\_sync\_%%')) AS ours
      FROM pg_stat_activity
)
SELECT (SELECT count(DISTINCT w.pid)::int
          FROM pg_locks l
          JOIN activity w ON w.pid = l.pid
         WHERE NOT l.granted AND NOT w.ours
           AND l.waitstart < clock_timestamp() - interval '2 seconds'
           AND EXISTS (SELECT FROM unnest(pg_blocking_pids(w.pid)) b(pid)
                         JOIN activity h ON h.pid = b.pid AND h.ours)) AS blocked_sessions,
       (SELECT extract(epoch FROM min(xact_start))::float8
          FROM activity WHERE datname = current_database() AND NOT ours
           AND backend_type <> 'walsender') AS oldest_transaction_at,
       (SELECT coalesce(array_agg(format('pid %%s of %%s in %%s, open since %%s', pid, usename,
                                         datname, date_trunc('second', xact_start))
                                  ORDER BY xact_start), '{}')
          FROM activity WHERE backend_xid IS NOT NULL AND NOT ours
           AND xact_start < clock_timestamp() - interval '2 seconds') AS open_writers
