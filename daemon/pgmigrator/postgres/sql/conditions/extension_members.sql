-- Relations, routines and types that belong to extensions: no dump has them, since the extension's
-- own script creates them, unless a person made them members (ALTER EXTENSION ... ADD).
SELECT upper(named.type) || ' ' || named.identity AS object, quote_ident(x.extname) AS extension,
       x.extversion AS version,
       coalesce(c.relkind IN ('f', 'm')
                OR (c.relkind = 'r' AND NOT c.oid = ANY (coalesce(x.extconfig, '{}'))
                    AND pg_relation_size(c.oid) > 0), false) AS data
  FROM pg_depend d
  JOIN pg_extension x ON x.oid = d.refobjid
  LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
  LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
  LEFT JOIN pg_class row_type ON row_type.oid = t.typrelid
 CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) named
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
   AND (d.classid = 'pg_proc'::regclass
        OR (c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't')
        -- not those that come along with a relation or another type
        OR (t.typcategory <> 'A' AND coalesce(row_type.relkind, 'c') = 'c'))
   AND named.identity IS NOT NULL
 ORDER BY named.type, named.identity
