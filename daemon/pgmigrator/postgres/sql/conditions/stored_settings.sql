-- Settings of roles and of this database that come to the destination, as preloads.sql has it; never
-- their values. Any server takes a name with a dot.
SELECT concat_ws(' ', CASE WHEN s.setrole <> 0 THEN 'ROLE ' || quote_ident(r.rolname)
                           WHEN s.setdatabase = 0 THEN 'ROLE ALL' END,
                 CASE WHEN s.setrole <> 0 AND s.setdatabase <> 0 THEN 'IN' END,
                 CASE WHEN s.setdatabase <> 0 THEN 'DATABASE ' || quote_ident(current_database()) END
       ) AS object,
       coalesce(r.rolname, '') AS role, name
  FROM pg_db_role_setting s
  LEFT JOIN pg_roles r ON r.oid = s.setrole
 CROSS JOIN LATERAL (SELECT split_part(item, '=', 1) AS name FROM unnest(s.setconfig) item) stored
 WHERE strpos(name, '.') = 0
   AND (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database
                                               WHERE datname = current_database()))
   AND (s.setrole = 0 OR r.rolname !~ '^pg_' AND (s.setdatabase <> 0 OR r.oid <> 10))
 ORDER BY 1, 3
