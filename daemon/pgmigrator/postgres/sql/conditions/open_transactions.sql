-- Transactions anywhere on this server that have written something, and do not end at once.
SELECT a.pid::text AS object,
       format('of role %s in database %s, open for %s s, %s', quote_ident(a.usename),
              quote_ident(a.datname),
              extract(epoch FROM clock_timestamp() - a.xact_start)::bigint, a.state) AS detail
  FROM pg_stat_activity a
 WHERE a.backend_xid IS NOT NULL AND a.application_name NOT LIKE 'pgmigrator/%'
   AND a.xact_start < clock_timestamp() - interval '5 seconds'
 ORDER BY a.xact_start
