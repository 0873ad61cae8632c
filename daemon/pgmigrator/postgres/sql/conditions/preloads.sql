-- Libraries that sessions load at login, each by the setting and whose it is, as ALTER calls that: of
-- what comes to the destination with this database. The bootstrap superuser's own do not.
SELECT concat_ws(' ', CASE WHEN s.setrole <> 0 THEN 'ROLE ' || quote_ident(r.rolname)
                           WHEN s.setdatabase = 0 THEN 'ROLE ALL' END,
                 CASE WHEN s.setrole <> 0 AND s.setdatabase <> 0 THEN 'IN' END,
                 CASE WHEN s.setdatabase <> 0 THEN 'DATABASE ' || quote_ident(current_database()) END
       ) AS object,
       coalesce(r.rolname, '') AS role, setting,
       coalesce((SELECT min(path) FROM unnest(s.setconfig) path
                  WHERE path LIKE 'dynamic\_library\_path=%'), '') AS path
  FROM pg_db_role_setting s
  LEFT JOIN pg_roles r ON r.oid = s.setrole
 CROSS JOIN LATERAL unnest(s.setconfig) setting
 WHERE setting ~ '^(local|session)_preload_libraries='
   AND (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database
                                               WHERE datname = current_database()))
   AND (s.setrole = 0 OR r.rolname !~ '^pg_' AND (s.setdatabase <> 0 OR r.oid <> 10))
 ORDER BY 1, 4
