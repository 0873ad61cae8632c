-- Rows that people put into the tables of an extension: pg_dump keeps them with the extension, by
-- the condition that it gave, and so neither a schema dump nor the publication has them. Their
-- number and a hash of all. ts_stat() is the function of the system that runs a query from a text.
SELECT c.oid::regclass::text AS object, config.condition,
       format('%s rows, md5 %s', counted.rows, counted.hash) AS detail
  FROM pg_extension x
 CROSS JOIN LATERAL unnest(x.extconfig, x.extcondition) AS config (relation, condition)
  JOIN pg_class c ON c.oid = config.relation AND c.relkind IN ('r', 'p')
 CROSS JOIN LATERAL (
       SELECT sum(s.ndoc) AS rows, md5(string_agg(s.word || ' ' || s.ndoc, ',' ORDER BY s.word)) AS hash
         FROM ts_stat(format('SELECT array_to_tsvector(ARRAY[md5(r::text)]) FROM %s r %s',
                             c.oid::regclass, config.condition)) s) counted
 WHERE counted.rows > 0 AND x.extname NOT IN ('pg_cron', 'pg_partman')
 ORDER BY 1
