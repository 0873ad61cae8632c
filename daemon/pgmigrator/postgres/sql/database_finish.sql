-- a database's own comment, connection limit, privileges, and whether it is a template; NULL
-- privileges are the default ones
SELECT d.datacl IS NOT NULL AS has_privileges,
       d.datconnlimit AS connection_limit,
       d.datistemplate AS is_template,
       shobj_description(d.oid, 'pg_database') AS comment
  FROM pg_database d
 WHERE d.datname = %(database)s;
