-- Settings of a database, and of roles in it (role is NULL for all roles); never our own. Where it is
-- asked for, those of ALTER ROLE ALL too, as if they were the database's, unless it has another value:
-- they are weaker than any other, so that every session finds the same.
SELECT r.rolname AS role, s.setting
  FROM pg_database d
  JOIN (SELECT setdatabase, setrole, position, setting
          FROM pg_db_role_setting, unnest(setconfig) WITH ORDINALITY AS item (setting, position)) s
    ON s.setdatabase = d.oid OR (%(everywhere)s AND s.setdatabase = 0 AND s.setrole = 0)
  LEFT JOIN pg_roles r ON r.oid = s.setrole
 WHERE d.datname = %(database)s
   AND (s.setrole = 0 OR r.rolname IS NOT NULL)
   AND s.setting NOT LIKE 'pgmigrator.%%'
   AND (s.setdatabase <> 0
        OR NOT EXISTS (SELECT FROM pg_db_role_setting o, unnest(o.setconfig) own
                        WHERE o.setdatabase = d.oid AND o.setrole = 0
                          AND lower(split_part(own, '=', 1)) = lower(split_part(s.setting, '=', 1))))
 ORDER BY r.rolname NULLS FIRST, s.setdatabase, s.position;
