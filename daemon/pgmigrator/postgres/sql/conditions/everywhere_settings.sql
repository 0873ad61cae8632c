-- The settings of ALTER ROLE ALL, but for the one that makes a source read-only for its cutover.
SELECT split_part(s.setting, '=', 1) AS object
  FROM pg_db_role_setting, unnest(setconfig) s(setting)
 WHERE setrole = 0 AND setdatabase = 0
   AND s.setting NOT LIKE 'default_transaction_read_only=%'
 ORDER BY 1
