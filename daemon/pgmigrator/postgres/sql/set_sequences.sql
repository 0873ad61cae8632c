-- Sets sequences to the given positions, those that do not cycle only forward, in their direction.
-- ~x orders like -x, and cannot overflow. Says of each that exists whether its bounds allow it.
WITH wanted AS (
    SELECT * FROM unnest(%(schemas)s::text[], %(names)s::text[], %(values)s::bigint[],
                         %(called)s::bool[]) AS w(schema, name, last_value, is_called)
), found AS (
    SELECT w.*, q.seqrelid, w.last_value BETWEEN q.seqmin AND q.seqmax AS possible,
           CASE WHEN q.seqcycle
                THEN (w.last_value, w.is_called) <> (d.last_value, d.is_called)
                WHEN q.seqincrement > 0
                THEN (w.last_value, w.is_called) > (d.last_value, d.is_called)
                ELSE (~w.last_value, w.is_called) > (~d.last_value, d.is_called)
           END AS behind
      FROM wanted w
      JOIN pg_namespace n ON n.nspname = w.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
      JOIN pg_sequence q ON q.seqrelid = c.oid
     CROSS JOIN LATERAL pg_get_sequence_data(q.seqrelid) d
)
SELECT schema, name, possible,
       CASE WHEN behind AND possible THEN setval(seqrelid::regclass, last_value, is_called) END
         IS NOT NULL AS set
  FROM found
