-- The collations in use here, with the version of the library that was recorded and that is there.
SELECT 'database ' || quote_ident(d.datname) AS object,
       concat(d.datlocprovider, ':', coalesce(to_jsonb(d) ->> 'datlocale',
              to_jsonb(d) ->> 'daticulocale', d.datcollate)) AS locale,
       coalesce(d.datcollversion, '') AS recorded,
       coalesce(pg_database_collation_actual_version(d.oid), '') AS actual
  FROM pg_database d
 WHERE d.datname = current_database()
UNION ALL
SELECT 'collation ' || quote_ident(n.nspname) || '.' || quote_ident(l.collname),
       concat(l.collprovider, ':', coalesce(to_jsonb(l) ->> 'colllocale',
              to_jsonb(l) ->> 'colliculocale', l.collcollate)),
       coalesce(l.collversion, ''), coalesce(pg_collation_actual_version(l.oid), '')
  FROM pg_collation l
  JOIN pg_namespace n ON n.oid = l.collnamespace
 WHERE l.collprovider IN ('i', 'c')
   AND l.oid IN (SELECT a.attcollation
                   FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                  WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I', 'c') AND a.attnum > 0
                    AND NOT a.attisdropped AND c.oid >= 16384
                 UNION SELECT typcollation FROM pg_type WHERE oid >= 16384)
