-- settings of a database, and of roles in it (role is NULL for all roles); never our own
SELECT r.rolname AS role, s.setting
  FROM (SELECT setdatabase, setrole, position, setting
          FROM pg_db_role_setting, unnest(setconfig) WITH ORDINALITY AS item (setting, position)) s
  JOIN pg_database d ON d.oid = s.setdatabase
  LEFT JOIN pg_roles r ON r.oid = s.setrole
 WHERE d.datname = %(database)s
   AND (s.setrole = 0 OR r.rolname IS NOT NULL)
   AND s.setting NOT LIKE 'pgmigrator.%%'
 ORDER BY r.rolname NULLS FIRST, s.position;
