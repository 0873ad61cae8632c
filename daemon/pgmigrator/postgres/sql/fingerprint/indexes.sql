-- Indexes of tables and materialized views, but those that belong to a constraint; what is set on
-- any index; extended statistics.
WITH rel AS (
    SELECT c.oid, '"' || replace(n.nspname, '"', '""') || '"."' || replace(c.relname, '"', '""')
                  || '"' AS q
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't'
       AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
       AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass
                          AND e.objid = c.oid AND e.deptype = 'e')
)
SELECT rel.q AS object, 'index' AS kind,
       concat(regexp_replace(pg_get_indexdef(i.indexrelid),
                             CASE WHEN am.amname = 'gist' THEN %(named_default)s ELSE '(?!)' END,
                             '', 'g'), CASE WHEN NOT i.indisvalid THEN ', not valid' END)
           AS definition
  FROM rel JOIN pg_index i ON i.indrelid = rel.oid JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_am am ON am.oid = x.relam
 -- a partitioned index that a partition has no part of is as its owner made it; others are broken
 WHERE (i.indisvalid OR x.relkind = 'I')
   AND NOT EXISTS (SELECT FROM pg_constraint k
                    WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
UNION ALL
-- of a valid one each partition has a part
SELECT rel.q, 'option', format('ALTER INDEX %%s ATTACH PARTITION %%s', h.inhparent::regclass,
                               h.inhrelid::regclass)
  FROM rel
  JOIN pg_index i ON i.indrelid = rel.oid
  JOIN pg_inherits h ON h.inhrelid = i.indexrelid
  JOIN pg_index above ON above.indexrelid = h.inhparent AND NOT above.indisvalid
UNION ALL
-- of all others the definition has them
SELECT rel.q, 'option', format('ALTER INDEX %%s SET (%%s = %%L)', x.oid::regclass,
                               split_part(item, '=', 1), substr(item, strpos(item, '=') + 1))
  FROM rel
  JOIN pg_constraint k ON k.conrelid = rel.oid AND k.contype IN ('p', 'u')
  JOIN pg_class x ON x.oid = k.conindid AND x.relkind = 'i'
 CROSS JOIN LATERAL unnest(x.reloptions) item
UNION ALL
SELECT rel.q, 'option', 'CLUSTER ON ' || quote_ident(x.relname)
  FROM rel JOIN pg_index i ON i.indrelid = rel.oid JOIN pg_class x ON x.oid = i.indexrelid
 WHERE i.indisclustered
UNION ALL
SELECT rel.q, 'option', format('ALTER INDEX %%s ALTER COLUMN %%s SET STATISTICS %%s', x.oid::regclass,
                               a.attnum, a.attstattarget)
  FROM rel JOIN pg_index i ON i.indrelid = rel.oid JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_attribute a ON a.attrelid = x.oid AND a.attstattarget <> -1
UNION ALL
-- see options.sql
SELECT rel.q, 'option',
       format('ALTER INDEX %%s SET TABLESPACE %%I instead of %%I', x.oid::regclass, s.spcname,
              %(home)s::text)
  FROM rel JOIN pg_index i ON i.indrelid = rel.oid JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_tablespace s ON s.oid = x.reltablespace
 WHERE i.indisvalid AND s.spcname <> %(home)s::text
UNION ALL
SELECT rel.q, 'statistics', pg_get_statisticsobjdef(s.oid)
  FROM rel JOIN pg_statistic_ext s ON s.stxrelid = rel.oid
UNION ALL
SELECT rel.q, 'option', format('ALTER STATISTICS %%s SET STATISTICS %%s',
                               (pg_identify_object('pg_statistic_ext'::regclass, s.oid, 0)).identity,
                               s.stxstattarget)
  FROM rel JOIN pg_statistic_ext s ON s.stxrelid = rel.oid AND s.stxstattarget <> -1
