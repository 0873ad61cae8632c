-- All databases; told apart are templates but for the server's own, and what nobody can connect to:
-- an invalid one (-2: its DROP was interrupted), and one that is closed.
SELECT datname::text AS name, oid::bigint, datistemplate AS template, datconnlimit = -2 AS invalid,
       NOT datallowconn AND datconnlimit <> -2 AS closed
  FROM pg_database
 WHERE NOT (datistemplate AND datname IN ('template0', 'template1'))
 ORDER BY datname
