-- The indexes that replication needs before the copy: as (classid, oid) of their archive entries.
-- Where a constraint owns the index, the archive has the constraint.
WITH usable AS (
    -- what the apply worker can search when a table replicates by its full rows (FULL, no key):
    -- a btree over all rows whose first column is a plain one; one per table, unique ones first
    SELECT DISTINCT ON (i.indrelid) i.indexrelid
      FROM pg_index i
      JOIN pg_class t ON t.oid = i.indrelid AND t.relkind = 'r' AND t.relreplident = 'f'
      JOIN pg_class x ON x.oid = i.indexrelid
      JOIN pg_am a ON a.oid = x.relam AND a.amname = 'btree'
     WHERE i.indisvalid AND i.indpred IS NULL AND i.indkey[0] <> 0
       AND NOT EXISTS (SELECT FROM pg_index p WHERE p.indrelid = t.oid AND p.indisprimary)
     ORDER BY i.indrelid, i.indisunique DESC, i.indexprs IS NULL DESC, i.indexrelid
), wanted AS (
    SELECT indexrelid FROM pg_index WHERE indisprimary OR indisreplident
    UNION
    SELECT indexrelid FROM usable
)
SELECT 'pg_constraint'::regclass::oid AS classid, k.oid
  FROM wanted w
  JOIN pg_constraint k ON k.conindid = w.indexrelid AND k.contype IN ('p', 'u', 'x')
 UNION ALL
SELECT 'pg_class'::regclass::oid, w.indexrelid
  FROM wanted w
 WHERE NOT EXISTS (SELECT FROM pg_constraint k
                    WHERE k.conindid = w.indexrelid AND k.contype IN ('p', 'u', 'x'));
