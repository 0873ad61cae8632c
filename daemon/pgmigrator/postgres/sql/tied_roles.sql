-- Roles that this database has to do with. Anybody may do what PUBLIC is granted on a relation, create
-- where PUBLIC may, and do what a function does with its owner's rights: then it is every role. By oid:
-- a database in another encoding than the one where roles are read would spell their names otherwise.
WITH RECURSIVE here AS (
  SELECT oid FROM pg_database WHERE datname = current_database()
), open AS (
  SELECT EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) g
                  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                    AND g.grantee = 0 AND g.privilege_type = 'CREATE')
      OR EXISTS (SELECT FROM pg_database d, here, aclexplode(d.datacl) g
                  WHERE d.oid = here.oid AND g.grantee = 0 AND g.privilege_type = 'CREATE')
      OR EXISTS (SELECT FROM pg_class c
                  WHERE c.relnamespace NOT IN (SELECT oid FROM pg_namespace
                                                WHERE nspname ~ '^pg_' OR nspname = 'information_schema')
                    AND NOT EXISTS (SELECT FROM pg_depend x
                                     WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid
                                       AND x.deptype = 'e')
                    AND (EXISTS (SELECT FROM aclexplode(c.relacl) WHERE grantee = 0)
                         OR EXISTS (SELECT FROM pg_attribute a, aclexplode(a.attacl) g
                                     WHERE a.attrelid = c.oid AND g.grantee = 0)))
      OR EXISTS (SELECT FROM pg_proc p
                  WHERE p.prosecdef
                    AND p.pronamespace NOT IN (SELECT oid FROM pg_namespace
                                                WHERE nspname ~ '^pg_' OR nspname = 'information_schema')
                    AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))
                                 WHERE grantee = 0)) AS to_all
), tied (oid) AS (
  -- its own things: owners, grants, policies; of the database itself too
  SELECT refobjid FROM pg_shdepend, here
   WHERE refclassid = 'pg_authid'::regclass
     AND (dbid = here.oid OR dbid = 0 AND classid = 'pg_database'::regclass AND objid = here.oid)
  UNION SELECT setrole FROM pg_db_role_setting, here WHERE setdatabase = here.oid
  -- everywhere: whoever needs no grant, and who is a member of a role that PostgreSQL brings
  UNION SELECT oid FROM pg_roles WHERE rolsuper OR rolbypassrls OR rolreplication
                                      OR rolcreaterole OR rolcreatedb OR rolname ~ '^pg_'
  UNION SELECT r.oid FROM pg_roles r, open WHERE open.to_all
  UNION SELECT m.member FROM pg_auth_members m JOIN tied t ON m.roleid = t.oid
)
SELECT oid::bigint FROM tied
