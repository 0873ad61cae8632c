-- Tables of extensions that hold rows of people's own, by which condition, and their columns that
-- can be written, by name. Rows of a partitioned one are in its partitions: those that belong to
-- the extension, since others are replicated. Smallest first, as far as is known without a lock.
WITH config AS (
    SELECT x.extname, named.relation, named.condition, named.relation AS listed
      FROM pg_extension x
     CROSS JOIN LATERAL unnest(x.extconfig, x.extcondition) AS named (relation, condition)
     WHERE x.extname NOT IN ('pg_cron', 'pg_partman')
), relations AS (
    SELECT relation, condition, listed FROM config
    UNION ALL
    SELECT leaf.relid, config.condition, config.listed
      FROM config
     CROSS JOIN LATERAL pg_partition_tree(config.relation::regclass) leaf
     WHERE leaf.isleaf AND leaf.relid <> config.relation
       AND EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = leaf.relid
                      AND e.deptype = 'e')
), tables AS (
    SELECT DISTINCT ON (relation) relation, condition
      FROM relations
     ORDER BY relation, listed = relation DESC
)
SELECT format('%I.%I', n.nspname, c.relname) AS object, n.nspname::text AS schema,
       c.relname::text AS name, t.condition,
       array_agg(a.attname::text ORDER BY a.attname COLLATE "C") AS columns
  FROM tables t
  JOIN pg_class c ON c.oid = t.relation AND c.relkind = 'r'
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   AND a.attgenerated = ''
 GROUP BY c.oid, c.relname, c.relpages, n.nspname, t.condition
 ORDER BY c.relpages, n.nspname, c.relname
