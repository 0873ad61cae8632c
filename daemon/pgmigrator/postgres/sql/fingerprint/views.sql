-- Views, materialized views and rules. Since 16 the server leaves out qualifiers that it wrote
-- before: from an older source, definitions are compared without qualifiers and blanks (`spelling`);
-- what they stand for is compared by the relations and columns that the view depends on (a function
-- that reads like an operator is no dependency on every version: relations only). A hash stands for
-- all of that.
WITH rel AS (
    SELECT c.*, '"' || replace(n.nspname, '"', '""') || '"."' || replace(c.relname, '"', '""')
                || '"' AS q
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
       AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
       AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass
                          AND e.objid = c.oid AND e.deptype = 'e')
)
SELECT rel.q AS object, 'view' AS kind,
       format('%%sview (%%s) AS %%s', CASE WHEN rel.relkind = 'm' THEN 'materialized ' END,
              (SELECT string_agg(concat_ws(' ', quote_ident(a.attname),
                                           format_type(a.atttypid, a.atttypmod),
                                           'COLLATE ' || nullif(a.attcollation, 0)::regcollation),
                                 ', ' ORDER BY a.attnum)
                 FROM pg_attribute a WHERE a.attrelid = rel.oid AND a.attnum > 0),
              md5(regexp_replace(pg_get_viewdef(rel.oid), %(spelling)s, '\1\2', 'g')
                  || coalesce((SELECT string_agg(read, E'\n' ORDER BY read COLLATE "C")
                                 FROM (SELECT DISTINCT pg_describe_object(d.refclassid, d.refobjid,
                                                                          d.refobjsubid) AS read
                                         FROM pg_rewrite w
                                         JOIN pg_depend d
                                           ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
                                          AND d.refclassid = 'pg_class'::regclass
                                          AND d.refobjid <> rel.oid AND d.refobjsubid <> 0
                                        WHERE w.ev_class = rel.oid) reads), ''))) AS definition
  FROM rel WHERE rel.relkind IN ('v', 'm')
UNION ALL
SELECT rel.q, 'view', 'populated' FROM rel WHERE rel.relkind = 'm' AND rel.relispopulated
UNION ALL
SELECT rel.q, 'option',
       format('ALTER COLUMN %%I SET DEFAULT %%s', a.attname, pg_get_expr(d.adbin, d.adrelid))
  FROM rel
  JOIN pg_attribute a ON a.attrelid = rel.oid
  JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE rel.relkind = 'v'
UNION ALL
SELECT rel.q, 'trigger', pg_get_triggerdef(g.oid)
  FROM rel JOIN pg_trigger g ON g.tgrelid = rel.oid AND NOT g.tgisinternal
 WHERE rel.relkind = 'v'
UNION ALL
SELECT rel.q, 'rule',
       concat_ws(' ', quote_ident(w.rulename),
                 md5(regexp_replace(pg_get_ruledef(w.oid), %(spelling)s, '\1\2', 'g')))
  FROM rel JOIN pg_rewrite w ON w.ev_class = rel.oid AND w.rulename <> '_RETURN'
UNION ALL
SELECT rel.q, 'rule',
       CASE w.ev_enabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END
       || ' RULE ' || quote_ident(w.rulename)
  FROM rel JOIN pg_rewrite w ON w.ev_class = rel.oid AND w.rulename <> '_RETURN'
 WHERE w.ev_enabled <> 'O'
