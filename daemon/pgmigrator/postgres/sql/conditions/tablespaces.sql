-- Tablespaces other than the default one that this database uses.
SELECT quote_ident(t.spcname) AS object,
       CASE WHEN t.oid = d.dattablespace THEN 'the database itself'
            ELSE format('%s tables and indexes', u.objects) END AS detail
  FROM pg_tablespace t
  JOIN pg_database d ON d.datname = current_database()
  LEFT JOIN (SELECT reltablespace, count(*) AS objects FROM pg_class
              WHERE reltablespace <> 0 GROUP BY 1) u ON u.reltablespace = t.oid
 WHERE t.spcname NOT IN ('pg_default', 'pg_global')
   AND (t.oid = d.dattablespace OR u.objects > 0)
