-- All databases; told apart is what nobody can connect to: an invalid one (-2: its DROP was
-- interrupted), and one that is closed.
SELECT datname::text AS name, oid::bigint, datconnlimit = -2 AS invalid,
       NOT datallowconn AND datconnlimit <> -2 AS closed
  FROM pg_database
 WHERE NOT datistemplate
 ORDER BY datname
