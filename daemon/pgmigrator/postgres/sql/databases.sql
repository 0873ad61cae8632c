-- Databases that people can connect to.
SELECT datname::text AS name, oid::bigint
  FROM pg_database
 WHERE datallowconn AND NOT datistemplate
 ORDER BY datname
