-- Leaf partitions whose rows may belong to other leaves on another server: those partitioned by
-- what is hashed or ordered by oids, which differ there (reason), and those partitioned by what a
-- collation orders, which may differ there (collations, as provider:locale). The others are left
-- out.
WITH RECURSIVE key AS (
    SELECT p.partrelid, p.partstrat, o.opcintype AS type, k.collation_oid,
           (SELECT atttypid FROM pg_attribute
             WHERE attrelid = p.partrelid AND attnum = k.attnum) AS column_type
      FROM pg_partitioned_table p
     CROSS JOIN LATERAL unnest(p.partattrs::int2[], p.partclass::oid[], p.partcollation::oid[])
                     AS k(attnum, opclass, collation_oid)
      JOIN pg_opclass o ON o.oid = k.opclass
     WHERE p.partstrat IN ('h', 'r')
), element AS (
    -- domains, arrays, ranges and rows compare by their parts
    SELECT partrelid, partstrat, coalesce(column_type, type) AS type FROM key
     UNION
    SELECT e.partrelid, e.partstrat, part.type
      FROM element e
      JOIN pg_type t ON t.oid = e.type
     CROSS JOIN LATERAL (
           SELECT t.typbasetype WHERE t.typtype = 'd'
            UNION ALL SELECT t.typelem WHERE t.typcategory = 'A'
            UNION ALL SELECT rngsubtype FROM pg_range WHERE t.oid IN (rngtypid, rngmultitypid)
            UNION ALL SELECT atttypid FROM pg_attribute
                       WHERE t.typtype = 'c' AND attrelid = t.typrelid AND attnum > 0
                         AND NOT attisdropped) part(type)
), by_oid AS (
    SELECT e.partrelid,
           min(format('it is partitioned by %s of %s, which goes by oids',
                      CASE e.partstrat WHEN 'h' THEN 'hash' ELSE 'range' END,
                      format_type(t.oid, NULL))) AS reason
      FROM element e
      JOIN pg_type t ON t.oid = e.type
     WHERE e.partstrat = 'h' AND t.typtype = 'e' OR t.oid = 'anyenum'::regtype AND e.partstrat = 'h'
        OR t.oid IN ('regproc'::regtype, 'regprocedure'::regtype, 'regoper'::regtype,
                     'regoperator'::regtype, 'regclass'::regtype, 'regtype'::regtype,
                     'regrole'::regtype, 'regnamespace'::regtype, 'regconfig'::regtype,
                     'regdictionary'::regtype, 'regcollation'::regtype)
     GROUP BY e.partrelid
), by_collation AS (
    -- a hash goes by the bytes, unless the collation takes different ones for equal
    SELECT k.partrelid, array_agg(DISTINCT CASE WHEN l.collprovider = 'd' THEN d.locale
               ELSE concat(l.collprovider, ':', coalesce(to_jsonb(l) ->> 'colllocale',
                    to_jsonb(l) ->> 'colliculocale', l.collcollate)) END) AS collations
      FROM key k
      JOIN pg_collation l ON l.oid = k.collation_oid
     CROSS JOIN (SELECT concat(datlocprovider, ':', coalesce(to_jsonb(x) ->> 'datlocale',
                        to_jsonb(x) ->> 'daticulocale', datcollate))
                   FROM pg_database x WHERE datname = current_database()) d(locale)
     WHERE k.partstrat = 'r' OR NOT l.collisdeterministic
     GROUP BY k.partrelid
), leaf AS (
    SELECT i.inhrelid AS oid, r.reason, r.collations
      FROM (by_oid FULL JOIN by_collation USING (partrelid)) r
      JOIN pg_inherits i ON i.inhparent = r.partrelid
     UNION ALL
    SELECT i.inhrelid, l.reason, l.collations
      FROM leaf l JOIN pg_inherits i ON i.inhparent = l.oid
)
SELECT l.oid::bigint, coalesce(min(l.reason), '') AS reason,
       -- levels of one tree may go by different ones
       coalesce(array_agg(DISTINCT c.name) FILTER (WHERE c.name IS NOT NULL), '{}') AS collations
  FROM leaf l
  LEFT JOIN LATERAL unnest(l.collations) c(name) ON true
 GROUP BY l.oid
