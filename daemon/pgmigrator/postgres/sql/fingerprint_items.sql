-- Every table, column, constraint, index, enum and trigger as one line of text, written so that the
-- versions 15 to 18 say the same of the same; of views, functions, types, policies and rules that
-- they exist. Not-null constraints are left out (18 lists them as constraints), and so are foreign
-- keys that a partition inherits.
WITH ns AS (
    SELECT oid, nspname FROM pg_namespace
     WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'pgmigrator')
), ext AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), rel AS (
    SELECT c.*, '"' || replace(ns.nspname, '"', '""') || '"."' || replace(c.relname, '"', '""')
                || '"' AS q
      FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
       AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_class'::regclass AND objid = c.oid)
)
SELECT q AS tbl,
       concat_ws(' ', 'T', relkind, relreplident, pg_get_partkeydef(oid),
                 pg_get_expr(relpartbound, oid),
                 (SELECT inhparent::regclass::text FROM pg_inherits
                   WHERE inhrelid = rel.oid AND relispartition)) AS item
  FROM rel
UNION ALL
SELECT r.q,
       concat_ws(' ', 'C', row_number() OVER (PARTITION BY r.oid ORDER BY a.attnum),
                 quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                 CASE WHEN a.attnotnull THEN 'NN' END, 'g=' || a.attgenerated::text,
                 -- since 17, partitions have their root's identity
                 CASE WHEN NOT r.relispartition THEN 'i=' || a.attidentity::text END,
                 CASE WHEN a.attcollation <> t.typcollation
                      THEN (SELECT collname::text FROM pg_collation WHERE oid = a.attcollation) END,
                 pg_get_expr(d.adbin, d.adrelid))
  FROM rel r
  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL
SELECT r.q, concat_ws(' ', 'K', quote_ident(k.conname), k.contype, pg_get_constraintdef(k.oid))
  FROM rel r JOIN pg_constraint k ON k.conrelid = r.oid
 WHERE k.contype IN ('p', 'u', 'f', 'c', 'x') AND NOT (k.contype = 'f' AND k.conparentid <> 0)
UNION ALL
SELECT r.q, concat_ws(' ', 'I', pg_get_indexdef(i.indexrelid), 'ri=' || i.indisreplident::text)
  FROM rel r JOIN pg_index i ON i.indrelid = r.oid
 WHERE i.indisvalid
   AND NOT EXISTS (SELECT FROM pg_constraint k
                    WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
UNION ALL
-- ALWAYS and REPLICA triggers are held back as ordinary ones until the switch
SELECT r.q, concat_ws(' ', 'G', CASE WHEN g.tgenabled = 'D' THEN 'disabled' END,
                      pg_get_triggerdef(g.oid))
  FROM rel r JOIN pg_trigger g ON g.tgrelid = r.oid
 WHERE NOT g.tgisinternal AND g.tgparentid = 0
UNION ALL
SELECT '"' || replace(ns.nspname, '"', '""') || '"."' || replace(t.typname, '"', '""') || '"',
       'E ' || string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder)
  FROM pg_type t
  JOIN ns ON ns.oid = t.typnamespace
  JOIN pg_enum e ON e.enumtypid = t.oid
 WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_type'::regclass AND objid = t.oid)
 GROUP BY 1
UNION ALL
SELECT '"' || replace(ns.nspname, '"', '""') || '"."' || replace(c.relname, '"', '""') || '"',
       'V ' || c.relkind::text
  FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
 WHERE c.relkind IN ('v', 'm', 'f')
   AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_class'::regclass AND objid = c.oid)
UNION ALL
SELECT '"' || replace(ns.nspname, '"', '""') || '"."' || replace(p.proname, '"', '""') || '"',
       concat_ws(' ', 'F', p.prokind, '(' || pg_get_function_identity_arguments(p.oid) || ')',
                 md5(p.prosrc))
  FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace
 WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
   -- ranges bring their constructors
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
                      AND d.objid = p.oid AND d.deptype = 'i')
UNION ALL
SELECT '"' || replace(ns.nspname, '"', '""') || '"."' || replace(t.typname, '"', '""') || '"',
       'Y ' || t.typtype::text
  FROM pg_type t
  JOIN ns ON ns.oid = t.typnamespace
  LEFT JOIN pg_class c ON c.oid = t.typrelid
 WHERE (t.typtype IN ('d', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
   AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_type'::regclass AND objid = t.oid)
UNION ALL
SELECT r.q, concat_ws(' ', 'P', quote_ident(y.polname), y.polcmd, y.polpermissive)
  FROM rel r JOIN pg_policy y ON y.polrelid = r.oid
UNION ALL
SELECT r.q, concat_ws(' ', 'P row security', r.relrowsecurity, r.relforcerowsecurity)
  FROM rel r WHERE r.relrowsecurity OR r.relforcerowsecurity
UNION ALL
SELECT r.q, 'R ' || quote_ident(w.rulename)
  FROM rel r JOIN pg_rewrite w ON w.ev_class = r.oid
