-- The schema that bears the name of our bookkeeping, and whether an earlier migration marked this
-- database: then what is in it may be that one's.
SELECT quote_ident(n.nspname) AS object,
       CASE WHEN EXISTS (SELECT FROM pg_db_role_setting s
                           JOIN pg_database d ON d.oid = s.setdatabase,
                                unnest(s.setconfig) AS setting
                          WHERE d.datname = current_database() AND s.setrole = 0
                            AND starts_with(setting, 'pgmigrator.state='))
            THEN 'earlier' ELSE '' END AS detail
  FROM pg_namespace n
 WHERE n.nspname = 'pgmigrator'
