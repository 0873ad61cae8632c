-- Enums, domains, composite, range and base types; collations and conversions.
WITH typ AS (
    SELECT t.*, '"' || replace(n.nspname, '"', '""') || '"."' || replace(t.typname, '"', '""')
                || '"' AS q
      FROM pg_type t
      JOIN pg_namespace n ON n.oid = t.typnamespace
      LEFT JOIN pg_class c ON c.oid = t.typrelid
     WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
       AND (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c')
            -- arrays and multiranges come with theirs
            OR (t.typtype IN ('b', 'p') AND NOT EXISTS (SELECT FROM pg_type e
                                                         WHERE e.typarray = t.oid)))
       AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_type'::regclass
                          AND e.objid = t.oid AND e.deptype = 'e')
)
SELECT typ.q AS object, 'enum' AS kind,
       string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder) AS definition
  FROM typ JOIN pg_enum e ON e.enumtypid = typ.oid
 GROUP BY typ.q
UNION ALL
SELECT typ.q, 'type',
       concat_ws(' ', 'domain', format_type(typ.typbasetype, typ.typtypmod),
                 CASE WHEN typ.typnotnull THEN 'NN' END,
                 nullif(typ.typcollation, 0)::regcollation,
                 'DEFAULT ' || typ.typdefault)
  FROM typ WHERE typ.typtype = 'd'
UNION ALL
SELECT 'domain ' || typ.q, 'constraint',
       concat_ws(' ', quote_ident(k.conname), pg_get_constraintdef(k.oid))
  FROM typ JOIN pg_constraint k ON k.contypid = typ.oid AND k.contype = 'c'
UNION ALL
SELECT typ.q, 'type',
       concat_ws(' ', 'composite',
                 (SELECT string_agg(concat_ws(' ', quote_ident(a.attname),
                                              format_type(a.atttypid, a.atttypmod),
                                              nullif(a.attcollation, 0)::regcollation),
                                    ', ' ORDER BY a.attnum)
                    FROM pg_attribute a
                   WHERE a.attrelid = typ.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
  FROM typ WHERE typ.typtype = 'c'
UNION ALL
SELECT typ.q, 'type',
       concat_ws(' ', 'range', format_type(r.rngsubtype, NULL), r.rngmultitypid::regtype,
                 nullif(r.rngcollation, 0)::regcollation,
                 (SELECT opcname::text FROM pg_opclass WHERE oid = r.rngsubopc),
                 r.rngcanonical, r.rngsubdiff)
  FROM typ JOIN pg_range r ON r.rngtypid = typ.oid
UNION ALL
SELECT typ.q, 'type',
       CASE WHEN typ.typisdefined
            THEN concat_ws(' ', 'base', typ.typlen, typ.typbyval, typ.typalign, typ.typstorage,
                           typ.typcategory, typ.typispreferred, typ.typdelim, typ.typinput,
                           typ.typoutput, typ.typreceive, typ.typsend, typ.typmodin, typ.typmodout,
                           typ.typanalyze, typ.typsubscript, typ.typelem::regtype, typ.typcollation,
                           'DEFAULT ' || typ.typdefault)
            ELSE 'shell' END
  FROM typ WHERE typ.typtype IN ('b', 'p')
UNION ALL
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.collname), 'other',
       -- the locale's column was renamed in 17
       concat_ws(' ', 'collation', c.collprovider, c.collisdeterministic, c.collcollate,
                 c.collctype, coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale'),
                 to_jsonb(c) ->> 'collicurules')
  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_collation'::regclass
                      AND e.objid = c.oid AND e.deptype = 'e')
UNION ALL
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.conname), 'other',
       concat_ws(' ', 'conversion', pg_encoding_to_char(c.conforencoding),
                 pg_encoding_to_char(c.contoencoding), c.conproc, c.condefault)
  FROM pg_conversion c JOIN pg_namespace n ON n.oid = c.connamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_conversion'::regclass
                      AND e.objid = c.oid AND e.deptype = 'e')
