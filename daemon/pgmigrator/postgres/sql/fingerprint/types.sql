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
                 CASE WHEN typ.typcollation <> base.typcollation
                      THEN 'COLLATE ' || typ.typcollation::regcollation END,
                 CASE WHEN typ.typnotnull THEN 'NOT NULL' END,
                 'DEFAULT ' || typ.typdefault)
  FROM typ JOIN pg_type base ON base.oid = typ.typbasetype WHERE typ.typtype = 'd'
UNION ALL
SELECT 'domain ' || typ.q, 'constraint',
       concat_ws(' ', quote_ident(k.conname), pg_get_constraintdef(k.oid))
  FROM typ JOIN pg_constraint k ON k.contypid = typ.oid AND k.contype = 'c'
UNION ALL
SELECT typ.q, 'type',
       format('composite (%%s)',
              (SELECT string_agg(concat_ws(' ', quote_ident(a.attname),
                                           format_type(a.atttypid, a.atttypmod),
                                           CASE WHEN a.attcollation <> t.typcollation
                                                THEN 'COLLATE ' || a.attcollation::regcollation END),
                                 ', ' ORDER BY a.attnum)
                 FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                WHERE a.attrelid = typ.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
  FROM typ WHERE typ.typtype = 'c'
UNION ALL
SELECT typ.q, 'type',
       format('range (%%s)',
              concat_ws(', ', 'SUBTYPE = ' || format_type(r.rngsubtype, NULL),
                        'MULTIRANGE_TYPE_NAME = ' || r.rngmultitypid::regtype,
                        'COLLATION = ' || nullif(r.rngcollation, 0)::regcollation,
                        (SELECT format('SUBTYPE_OPCLASS = %%I.%%I', n.nspname, o.opcname)
                           FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace
                          WHERE o.oid = r.rngsubopc),
                        'CANONICAL = ' || nullif(r.rngcanonical, 0)::regproc,
                        'SUBTYPE_DIFF = ' || nullif(r.rngsubdiff, 0)::regproc))
  FROM typ JOIN pg_range r ON r.rngtypid = typ.oid
UNION ALL
SELECT typ.q, 'type',
       CASE WHEN typ.typisdefined
            THEN format('base (%%s)', concat_ws(', ',
                 'INPUT = ' || typ.typinput, 'OUTPUT = ' || typ.typoutput,
                 'RECEIVE = ' || nullif(typ.typreceive, 0)::regproc,
                 'SEND = ' || nullif(typ.typsend, 0)::regproc,
                 'TYPMOD_IN = ' || nullif(typ.typmodin, 0)::regproc,
                 'TYPMOD_OUT = ' || nullif(typ.typmodout, 0)::regproc,
                 'ANALYZE = ' || nullif(typ.typanalyze, 0)::regproc,
                 'SUBSCRIPT = ' || nullif(typ.typsubscript, 0)::regproc,
                 'INTERNALLENGTH = ' || CASE typ.typlen WHEN -1 THEN 'VARIABLE' ELSE typ.typlen::text END,
                 CASE WHEN typ.typbyval THEN 'PASSEDBYVALUE' END,
                 'ALIGNMENT = ' || CASE typ.typalign WHEN 'c' THEN 'char' WHEN 's' THEN 'int2'
                                        WHEN 'i' THEN 'int4' ELSE 'double' END,
                 'STORAGE = ' || CASE typ.typstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external'
                                      WHEN 'm' THEN 'main' ELSE 'extended' END,
                 'CATEGORY = ' || quote_literal(typ.typcategory::text),
                 'PREFERRED = ' || typ.typispreferred, 'DELIMITER = ' || quote_literal(typ.typdelim::text),
                 'ELEMENT = ' || nullif(typ.typelem, 0)::regtype,
                 CASE WHEN typ.typcollation <> 0 THEN 'COLLATABLE = true' END,
                 'DEFAULT = ' || quote_literal(typ.typdefault)))
            ELSE 'shell' END
  FROM typ WHERE typ.typtype IN ('b', 'p')
UNION ALL
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.collname), 'other',
       -- the locale's column was renamed in 17
       format('collation (%%s)',
              concat_ws(', ',
                        'PROVIDER = ' || CASE c.collprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu'
                                              WHEN 'b' THEN 'builtin' ELSE 'default' END,
                        'DETERMINISTIC = ' || c.collisdeterministic,
                        'LC_COLLATE = ' || quote_literal(c.collcollate),
                        'LC_CTYPE = ' || quote_literal(c.collctype),
                        'LOCALE = ' || quote_literal(coalesce(to_jsonb(c) ->> 'colllocale',
                                                              to_jsonb(c) ->> 'colliculocale')),
                        'RULES = ' || quote_literal(to_jsonb(c) ->> 'collicurules')))
  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_collation'::regclass
                      AND e.objid = c.oid AND e.deptype = 'e')
UNION ALL
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.conname), 'other',
       format('conversion %%sFOR %%L TO %%L FROM %%s', CASE WHEN c.condefault THEN 'DEFAULT ' END,
              pg_encoding_to_char(c.conforencoding), pg_encoding_to_char(c.contoencoding), c.conproc)
  FROM pg_conversion c JOIN pg_namespace n ON n.oid = c.connamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_conversion'::regclass
                      AND e.objid = c.oid AND e.deptype = 'e')
