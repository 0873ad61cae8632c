-- Functions that a CHECK, an index, a generated column or a partition key calls, that set no
-- search_path, and whose text names an object outside of pg_catalog without its schema. Replication
-- calls them with an empty search_path, where they fail. What the text says in comments does not
-- count; what such a function calls in turn is not looked into.
WITH called AS (
    SELECT DISTINCT p.oid, p.pronamespace, p.proname,
           regexp_replace(p.prosrc, '--[^\n]*|/\*.*?\*/', ' ', 'g') AS source
      FROM pg_depend d
      JOIN pg_proc p ON p.oid = d.refobjid AND p.oid >= 16384
      JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('c', 'internal')
     WHERE d.refclassid = 'pg_proc'::regclass AND d.deptype IN ('n', 'a')
       AND p.prosqlbody IS NULL
       AND NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s LIKE 'search\_path=%')
       AND (d.classid = 'pg_constraint'::regclass
            AND EXISTS (SELECT FROM pg_constraint k WHERE k.oid = d.objid AND k.contype = 'c')
         OR d.classid = 'pg_class'::regclass
            AND EXISTS (SELECT FROM pg_class c WHERE c.oid = d.objid
                           AND c.relkind IN ('i', 'I', 'r', 'p'))
         OR d.classid = 'pg_attrdef'::regclass
            AND EXISTS (SELECT FROM pg_attrdef f
                          JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
                         WHERE f.oid = d.objid AND a.attgenerated <> ''))
), word AS (
    -- identifiers with no schema before and none behind
    SELECT c.oid, lower(w[1]) AS name
      FROM called c
     CROSS JOIN regexp_matches(c.source,
                '(?<![.\w$"])([[:alpha:]_][\w$]*)(?![\w$"])(?!\s*\.)', 'g') w
     UNION
    SELECT c.oid, replace(w[1], '""', '"')
      FROM called c
     CROSS JOIN regexp_matches(c.source, '(?<!\.)"((?:[^"]|"")+)"(?!\s*\.)', 'g') w
), object AS (
    SELECT relname::text AS name, relnamespace AS namespace FROM pg_class WHERE relkind <> 'i'
     UNION ALL SELECT proname, pronamespace FROM pg_proc
     UNION ALL SELECT typname, typnamespace FROM pg_type
), hit AS (
    SELECT w.oid, w.name, min(quote_ident(n.nspname)) AS schema
      FROM word w
      JOIN object o ON o.name = w.name
      JOIN pg_namespace n ON n.oid = o.namespace
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM object b
                        WHERE b.name = w.name AND b.namespace = 'pg_catalog'::regnamespace)
     GROUP BY w.oid, w.name
)
SELECT h.oid::regprocedure::text AS object,
       string_agg(DISTINCT quote_ident(h.name), ', ') || ' in '
         || string_agg(DISTINCT h.schema, ', ') AS detail
  FROM hit h
 GROUP BY h.oid
