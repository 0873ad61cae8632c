-- Subscriptions of this server that are not ours.
SELECT quote_ident(s.subname) AS object,
       format('in database %s, %s', quote_ident(d.datname),
              CASE WHEN s.subenabled THEN 'enabled' ELSE 'disabled' END) AS detail
  FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
 WHERE s.subname NOT LIKE 'pgmigrator\_%'
