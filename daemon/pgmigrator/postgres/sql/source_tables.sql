-- Plain tables and leaf partitions, and whether UPDATE and DELETE survive their publication.
-- Not usable: no primary key, a deferrable one, REPLICA IDENTITY NOTHING, an identity index that
-- was dropped, FULL with a type that has no equality (apply could not find the row), an identity
-- with a generated column (it is not published: UPDATE fails from 18 on, and apply before that).
WITH RECURSIVE generated AS MATERIALIZED (
    SELECT attrelid, attnum, attname FROM pg_attribute
     WHERE attgenerated <> '' AND attnum > 0 AND NOT attisdropped
), part AS (
    -- domains, arrays and rows compare by their parts
    SELECT DISTINCT atttypid AS type, atttypid AS part FROM pg_attribute
     WHERE attrelid >= 16384 AND attnum > 0 AND NOT attisdropped
     UNION
    SELECT p.type, next.part
      FROM part p
      JOIN pg_type t ON t.oid = p.part
     CROSS JOIN LATERAL (
           SELECT t.typbasetype WHERE t.typtype = 'd'
            UNION ALL SELECT t.typelem WHERE t.typcategory = 'A' AND t.typtype = 'b'
            UNION ALL SELECT atttypid FROM pg_attribute
                       WHERE t.typtype = 'c' AND attrelid = t.typrelid AND attnum > 0
                         AND NOT attisdropped) next(part)
), incomparable AS MATERIALIZED (
    SELECT DISTINCT p.type
      FROM part p
      JOIN pg_type e ON e.oid = p.part
     WHERE e.typtype = 'b' AND e.typcategory <> 'A'
       AND NOT EXISTS (SELECT FROM pg_opclass o
                         JOIN pg_am m ON m.oid = o.opcmethod AND m.amname IN ('btree', 'hash')
                        WHERE o.opcdefault
                          AND (o.opcintype = e.oid
                               OR EXISTS (SELECT FROM pg_cast k
                                           WHERE k.castsource = e.oid
                                             AND k.casttarget = o.opcintype
                                             AND k.castmethod = 'b'
                                             AND k.castcontext = 'i')))
)
SELECT c.oid::bigint, n.nspname::text AS schema, c.relname::text AS name,
       rn.nspname::text AS root_schema, r.relname::text AS root_name,
       -- an index build may leave NaN or Infinity: as unknown as that of a table never analysed
       CASE WHEN c.reltuples > 0 AND c.reltuples < 1e18 THEN c.reltuples ELSE 0 END::bigint
         AS estimated_rows,
       -- counted whether they were committed or not, TRUNCATE not at all
       pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid) AS changes,
       CASE c.relreplident
         WHEN 'f' THEN coalesce('its identity is FULL, but ' || hostile.reason, '')
         WHEN 'n' THEN 'its replica identity is NOTHING'
         WHEN 'd' THEN CASE WHEN pk.indexrelid IS NULL THEN 'it has no primary key'
              WHEN NOT pk.indimmediate THEN 'its primary key is deferrable'
              WHEN key_generated.name IS NOT NULL
              THEN 'column ' || quote_ident(key_generated.name)
                   || ' of its primary key is generated, and so not published' ELSE '' END
         ELSE CASE WHEN ri.indexrelid IS NULL THEN 'its identity index was dropped'
              WHEN key_generated.name IS NOT NULL
              THEN 'column ' || quote_ident(key_generated.name)
                   || ' of its identity index is generated, and so not published' ELSE '' END
       END AS identity_reason,
       coalesce(hostile.reason, '') AS full_reason,
       coalesce((SELECT min(x.relname::text)
                   FROM pg_index u JOIN pg_class x ON x.oid = u.indexrelid
                  WHERE u.indrelid = c.oid AND u.indisunique AND u.indimmediate AND u.indisvalid
                    AND u.indpred IS NULL AND u.indexprs IS NULL
                    AND NOT EXISTS (SELECT FROM unnest(u.indkey::int2[]) WITH ORDINALITY k(att, ord)
                                      JOIN pg_attribute a
                                        ON a.attrelid = c.oid AND a.attnum = k.att
                                     WHERE k.ord <= u.indnkeyatts
                                       AND (NOT a.attnotnull OR a.attgenerated <> ''))), '')
         AS identity_candidate
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
  LEFT JOIN pg_class r ON r.oid = i.inhparent
  LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
  LEFT JOIN pg_index pk ON pk.indrelid = c.oid AND pk.indisprimary AND pk.indisvalid
  LEFT JOIN pg_index ri ON ri.indrelid = c.oid AND ri.indisreplident AND ri.indisvalid
  LEFT JOIN (SELECT i.indexrelid, min(g.attname)::text AS name
               FROM generated g
               JOIN pg_index i ON i.indrelid = g.attrelid AND (i.indisprimary OR i.indisreplident)
                AND g.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
              GROUP BY i.indexrelid) key_generated
         ON key_generated.indexrelid = CASE c.relreplident WHEN 'i' THEN ri.indexrelid
                                                           ELSE pk.indexrelid END
  -- why FULL is, or would be, of no use; looked up only where it matters
 CROSS JOIN LATERAL (SELECT CASE
       WHEN c.relreplident = 'd' AND pk.indimmediate AND key_generated.name IS NULL THEN NULL
       ELSE coalesce(
            (SELECT 'type ' || min(format_type(a.atttypid, NULL)) || ' has no equality'
               FROM pg_attribute a
               JOIN incomparable ON incomparable.type = a.atttypid
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
            (SELECT 'column ' || quote_ident(min(g.attname)) || ' is generated, and so not published'
               FROM generated g
              WHERE g.attrelid = c.oid
                AND current_setting('server_version_num')::int >= 180000))
       END AS reason) hostile
 WHERE c.relkind = 'r' AND c.relpersistence = 'p'
   AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_depend x
                    WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
 ORDER BY n.nspname, c.relname
