-- Methods by which columns of this database are compressed, where not by the default one.
SELECT CASE a.attcompression WHEN 'l' THEN 'lz4' WHEN 'p' THEN 'pglz' ELSE a.attcompression::text
       END AS object,
       format('%s columns', count(*)) AS detail
  FROM pg_attribute a
 WHERE a.attcompression <> '' AND a.attnum > 0 AND NOT a.attisdropped
 GROUP BY a.attcompression
