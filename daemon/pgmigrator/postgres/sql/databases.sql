-- Databases that people can connect to; an invalid one (-2: its DROP was interrupted) is told apart.
SELECT datname::text AS name, oid::bigint, datconnlimit = -2 AS invalid
  FROM pg_database
 WHERE datallowconn AND NOT datistemplate
 ORDER BY datname
