-- The time zones that settings of this server name.
SELECT DISTINCT substr(s.setting, 10) AS object, 'a setting of a role or database' AS detail
  FROM pg_db_role_setting, unnest(setconfig) s(setting)
 WHERE s.setting ILIKE 'timezone=%'
