-- Databases of the destination that bear a marker, of whatever mapping.
SELECT d.datname::text AS name, d.oid::bigint, setting
  FROM pg_db_role_setting s
  JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS setting
 WHERE s.setrole = 0 AND starts_with(setting, 'pgmigrator.state=')
