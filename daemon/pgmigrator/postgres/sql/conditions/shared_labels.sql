-- The security labels of this database itself and of roles: no dump of a database has them. The
-- bootstrap superuser's is not moved, as nothing else of it is.
SELECT 'DATABASE ' || quote_ident(d.datname) AS object, l.label AS detail,
       quote_ident(l.provider) AS provider
  FROM pg_shseclabel l
  JOIN pg_database d ON l.classoid = 'pg_database'::regclass AND l.objoid = d.oid
 WHERE d.datname = current_database()
UNION ALL
SELECT 'ROLE ' || quote_ident(r.rolname), l.label, quote_ident(l.provider)
  FROM pg_shseclabel l
  JOIN pg_roles r ON l.classoid = 'pg_authid'::regclass AND l.objoid = r.oid
 WHERE r.rolname !~ '^pg_' AND r.oid <> 10
 ORDER BY 1, 3
