-- Tablespaces other than the default one that this database uses, but for members of extensions,
-- which no dump places.
SELECT quote_ident(t.spcname) AS object,
       concat_ws(' and ', CASE WHEN t.oid = d.dattablespace THEN 'the database itself' END,
                 format('%s tables, indexes and materialized views', u.objects)) AS detail,
       t.oid = d.dattablespace AS whole
  FROM pg_tablespace t
  JOIN pg_database d ON d.datname = current_database()
 CROSS JOIN LATERAL (
       SELECT count(*) AS objects FROM pg_class c
        WHERE coalesce(nullif(c.reltablespace, 0), d.dattablespace) = t.oid
          AND c.relkind IN ('r', 'p', 'm', 'i', 'I') AND c.oid >= 16384
          AND c.relnamespace <> 'pg_toast'::regnamespace
          AND NOT EXISTS (SELECT FROM pg_depend e
                           WHERE e.classid = 'pg_class'::regclass AND e.deptype = 'e'
                             AND e.objid IN (c.oid, (SELECT i.indrelid FROM pg_index i
                                                      WHERE i.indexrelid = c.oid)))) u
 WHERE t.spcname NOT IN ('pg_default', 'pg_global')
   AND (t.oid = d.dattablespace OR u.objects > 0)
