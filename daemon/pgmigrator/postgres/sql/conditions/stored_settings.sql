-- Settings of roles, of this database and of its functions that come to the destination, as
-- preloads.sql has it; never their values, but for one that no version takes otherwise from 19 on. Any
-- server takes a name with a dot.
SELECT concat_ws(' ', CASE WHEN s.setrole <> 0 THEN 'ROLE ' || quote_ident(r.rolname)
                           WHEN s.setdatabase = 0 THEN 'ROLE ALL' END,
                 CASE WHEN s.setrole <> 0 AND s.setdatabase <> 0 THEN 'IN' END,
                 CASE WHEN s.setdatabase <> 0 THEN 'DATABASE ' || quote_ident(current_database()) END
       ) AS object,
       coalesce(r.rolname, '') AS role, name,
       CASE lower(name) WHEN 'standard_conforming_strings' THEN value ELSE '' END AS value
  FROM pg_db_role_setting s
  LEFT JOIN pg_roles r ON r.oid = s.setrole
 CROSS JOIN LATERAL (SELECT split_part(item, '=', 1) AS name,
                            substr(item, strpos(item, '=') + 1) AS value
                       FROM unnest(s.setconfig) item) stored
 WHERE strpos(name, '.') = 0
   AND (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database
                                               WHERE datname = current_database()))
   AND (s.setrole = 0 OR r.rolname !~ '^pg_' AND (s.setdatabase <> 0 OR r.oid <> 10))
UNION ALL
SELECT 'ROUTINE ' || p.oid::regprocedure, '', name,
       CASE lower(name) WHEN 'standard_conforming_strings' THEN value ELSE '' END
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname !~ '^pg_'
                     AND n.nspname <> 'information_schema'
 CROSS JOIN LATERAL (SELECT split_part(item, '=', 1) AS name,
                            substr(item, strpos(item, '=') + 1) AS value
                       FROM unnest(p.proconfig) item) stored
 WHERE strpos(name, '.') = 0
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass
                      AND e.objid = p.oid AND e.deptype = 'e')
 ORDER BY 1, 3
