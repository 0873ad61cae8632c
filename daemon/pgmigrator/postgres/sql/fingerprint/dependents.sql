-- What is dropped with an extension though it is no member of it: DEPENDS ON EXTENSION.
WITH rel AS (
    SELECT c.oid, c.relkind, '"' || replace(n.nspname, '"', '""') || '"."'
                             || replace(c.relname, '"', '""') || '"' AS q
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relpersistence <> 't'
       AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
       AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass
                          AND e.objid = c.oid AND e.deptype = 'e')
), dependent AS (
    SELECT 'pg_class'::regclass AS classid, rel.oid, rel.q AS object,
           'MATERIALIZED VIEW ' || rel.oid::regclass AS name
      FROM rel WHERE rel.relkind = 'm'
    UNION ALL
    SELECT 'pg_class'::regclass, i.indexrelid, rel.q, 'INDEX ' || i.indexrelid::regclass
      FROM rel JOIN pg_index i ON i.indrelid = rel.oid
    UNION ALL
    SELECT 'pg_trigger'::regclass, g.oid, rel.q,
           format('TRIGGER %%I ON %%s', g.tgname, rel.oid::regclass)
      FROM rel JOIN pg_trigger g ON g.tgrelid = rel.oid
     WHERE NOT g.tgisinternal AND g.tgparentid = 0
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, i.identity, 'ROUTINE ' || i.identity
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     CROSS JOIN LATERAL pg_identify_object('pg_proc'::regclass, p.oid, 0) i
     WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
       AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass
                          AND e.objid = p.oid AND e.deptype = 'e')
)
SELECT DISTINCT dependent.object, 'option' AS kind,
       format('ALTER %%s DEPENDS ON EXTENSION %%I', dependent.name, x.extname) AS definition
  FROM dependent
  JOIN pg_depend d ON d.classid = dependent.classid AND d.objid = dependent.oid AND d.deptype = 'x'
                  AND d.refclassid = 'pg_extension'::regclass
  JOIN pg_extension x ON x.oid = d.refobjid
