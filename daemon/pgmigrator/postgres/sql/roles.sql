-- Every role; {relation} is pg_authid, or pg_roles where passwords are not wanted. And `public`, whose
-- name no role can have: what PUBLIC may set, everybody may.
SELECT r.rolname AS name,
       r.oid = 10 AS bootstrap,
       r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication,
       r.rolbypassrls,
       r.rolconnlimit AS connection_limit,
       r.rolvaliduntil::text AS valid_until,
       {password} AS password,
       (SELECT s.setconfig FROM pg_db_role_setting s
         WHERE s.setrole = r.oid AND s.setdatabase = 0) AS settings,
       (SELECT array_agg(concat(a.privilege_type, ' ON PARAMETER ', p.parname,
                                CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END) ORDER BY 1)
          FROM pg_parameter_acl p, aclexplode(p.paracl) a WHERE a.grantee = r.oid) AS parameters,
       shobj_description(r.oid, 'pg_authid') AS comment
  FROM {relation} r
UNION ALL
SELECT 'public', false, false, false, false, false, false, false, false, -1, NULL, NULL, NULL,
       (SELECT array_agg(concat(a.privilege_type, ' ON PARAMETER ', p.parname) ORDER BY 1)
          FROM pg_parameter_acl p, aclexplode(p.paracl) a WHERE a.grantee = 0), NULL;
