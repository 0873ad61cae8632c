-- The tables of our subscription, with their state.
SELECT n.nspname::text AS schema, c.relname::text AS name, r.srsubstate::text AS state
  FROM pg_subscription_rel r
  JOIN pg_class c ON c.oid = r.srrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE r.srsubid = (SELECT oid FROM pg_subscription
                     WHERE subname = %(subscription)s
                       AND subdbid = (SELECT oid FROM pg_database
                                       WHERE datname = current_database()))
