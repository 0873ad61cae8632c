-- Everything that an archive holds after the data, by the (classid, oid) of its entry; and the
-- relations, to tell whether an object's table is there. Runs on both sides.
WITH ns AS (
    SELECT oid, nspname FROM pg_namespace
     WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'pgmigrator')
), rel AS (
    SELECT c.oid, c.relname, c.relrowsecurity, ns.nspname
      FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
)
SELECT 'pg_class'::regclass::oid AS classid, rel.oid, 'relation' AS kind,
       rel.nspname AS schema, rel.relname AS "table", rel.relname AS name,
       false AS attached, true AS valid
  FROM rel
UNION ALL
SELECT 'pg_class'::regclass, x.oid, 'index', rel.nspname, rel.relname, x.relname,
       x.relispartition, i.indisvalid
  FROM rel JOIN pg_index i ON i.indrelid = rel.oid JOIN pg_class x ON x.oid = i.indexrelid
UNION ALL
SELECT 'pg_constraint'::regclass, k.oid,
       CASE k.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END,
       rel.nspname, rel.relname, k.conname, coalesce(x.relispartition, false), k.convalidated
  FROM rel JOIN pg_constraint k ON k.conrelid = rel.oid
  LEFT JOIN pg_class x ON x.oid = k.conindid AND k.contype IN ('p', 'u', 'x')
 WHERE k.contype <> 'f' OR k.conparentid = 0
UNION ALL
SELECT 'pg_constraint'::regclass, k.oid, 'domain constraint', ns.nspname, '',
       t.typname || '.' || k.conname, false, k.convalidated
  FROM ns JOIN pg_type t ON t.typnamespace = ns.oid JOIN pg_constraint k ON k.contypid = t.oid
UNION ALL
SELECT 'pg_trigger'::regclass, g.oid, 'trigger', rel.nspname, rel.relname, g.tgname, false, true
  FROM rel JOIN pg_trigger g ON g.tgrelid = rel.oid AND NOT g.tgisinternal
UNION ALL
SELECT 'pg_rewrite'::regclass, r.oid, 'rule', rel.nspname, rel.relname, r.rulename, false, true
  FROM rel JOIN pg_rewrite r ON r.ev_class = rel.oid AND r.rulename <> '_RETURN'
UNION ALL
SELECT 'pg_policy'::regclass, p.oid, 'policy', rel.nspname, rel.relname, p.polname, false, true
  FROM rel JOIN pg_policy p ON p.polrelid = rel.oid
UNION ALL
-- switching row security on has an entry of its own, with the table's oid and no catalog
SELECT 0, rel.oid, 'row security', rel.nspname, rel.relname, '', false, true
  FROM rel WHERE rel.relrowsecurity
UNION ALL
SELECT 'pg_statistic_ext'::regclass, s.oid, 'statistics', rel.nspname, rel.relname,
       ns.nspname || '.' || s.stxname, false, true
  FROM pg_statistic_ext s JOIN ns ON ns.oid = s.stxnamespace JOIN rel ON rel.oid = s.stxrelid
UNION ALL
SELECT 'pg_event_trigger'::regclass, e.oid, 'event trigger', '', '', e.evtname, false, true
  FROM pg_event_trigger e;
