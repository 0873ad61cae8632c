-- Partitioned tables and indexes that name a tablespace, but for members of extensions, which no
-- dump places.
SELECT format('%I.%I', n.nspname, c.relname) AS object,
       CASE c.relkind WHEN 'p' THEN 'TABLE' ELSE 'INDEX' END AS kind,
       quote_ident(t.spcname) AS tablespace
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_tablespace t ON t.oid = c.reltablespace
 WHERE c.relkind IN ('p', 'I') AND c.relpersistence <> 't'
   AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.deptype = 'e'
                      AND e.objid IN (c.oid, (SELECT i.indrelid FROM pg_index i
                                               WHERE i.indexrelid = c.oid)))
 ORDER BY 1
