-- Storage parameters and the like of tables, views and their columns: nothing that rows depend on.
WITH rel AS (
    SELECT c.*, '"' || replace(n.nspname, '"', '""') || '"."' || replace(c.relname, '"', '""')
                || '"' AS q
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND c.relpersistence <> 't'
       AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
       AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass
                          AND e.objid = c.oid AND e.deptype = 'e')
)
SELECT r.q AS object, 'option' AS kind,
       format('SET (%%s = %%L)', split_part(item, '=', 1), substr(item, strpos(item, '=') + 1))
           AS definition
  FROM rel r
  LEFT JOIN pg_class toast ON toast.oid = r.reltoastrelid
 CROSS JOIN LATERAL unnest(r.reloptions
                           || ARRAY(SELECT 'toast.' || o FROM unnest(toast.reloptions) o)) item
UNION ALL
-- `home` is the default tablespace of the destination's database; null: they are not compared
SELECT r.q, 'option', format('SET TABLESPACE %%I instead of %%I', s.spcname, %(home)s::text)
  FROM rel r JOIN pg_tablespace s ON s.oid = r.reltablespace
 WHERE s.spcname <> %(home)s::text
UNION ALL
SELECT r.q, 'option',
       format('OPTIONS (%%I %%L)', split_part(item, '=', 1), substr(item, strpos(item, '=') + 1))
  FROM rel r JOIN pg_foreign_table f ON f.ftrelid = r.oid CROSS JOIN LATERAL unnest(f.ftoptions) item
UNION ALL
-- in the order of its columns, if it is created anew
SELECT r.q, 'option',
       'parents: ' || string_agg(h.inhparent::regclass::text, ', ' ORDER BY h.inhseqno)
  FROM rel r JOIN pg_inherits h ON h.inhrelid = r.oid
 GROUP BY r.q HAVING count(*) > 1
UNION ALL
SELECT r.q, 'option', format('ALTER COLUMN %%I %%s', a.attname, part)
  FROM rel r
  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
                     AND r.relkind <> 'v'
  JOIN pg_type t ON t.oid = a.atttypid
 CROSS JOIN LATERAL (
       SELECT 'SET STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL'
                                                  WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END
        WHERE a.attstorage <> t.typstorage
       UNION ALL
       SELECT 'SET COMPRESSION ' || CASE a.attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END
        WHERE a.attcompression <> ''
       UNION ALL
       SELECT 'SET STATISTICS ' || a.attstattarget WHERE a.attstattarget <> -1
       UNION ALL
       SELECT format('SET (%%s = %%L)', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1))
         FROM unnest(a.attoptions) o
        -- a server's own book-keeping since the minor releases of November 2026
        WHERE o NOT LIKE 'pg\_attver=%%'
       UNION ALL
       SELECT format('OPTIONS (%%I %%L)', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1))
         FROM unnest(a.attfdwoptions) o
       ) parts (part)
