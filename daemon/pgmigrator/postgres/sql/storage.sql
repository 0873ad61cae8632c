-- What identifies the rows of a table beyond its changes: its file, which TRUNCATE, VACUUM FULL and
-- most ALTER TABLE ... TYPE replace; how many columns it ever had; and the values that rows older
-- than a column have in it, from its DEFAULT. Replication carries nothing of what ALTER TABLE does.
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       concat_ws('/', c.relfilenode, c.relnatts, missing.hash) AS storage
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN (SELECT attrelid,
                    md5(string_agg(attnum || '=' || attmissingval::text, ',' ORDER BY attnum)) AS hash
               FROM pg_attribute
              WHERE atthasmissing AND NOT attisdropped
              GROUP BY attrelid) missing ON missing.attrelid = c.oid
 WHERE c.relkind = 'r' AND c.relpersistence = 'p'
