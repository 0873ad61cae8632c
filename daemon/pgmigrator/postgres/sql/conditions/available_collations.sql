-- The locales of this server, with the version of the library that orders them. One row stands for
-- all of libc's: they share it.
SELECT '' AS object, concat(collprovider, ':', coalesce(to_jsonb(l) ->> 'colllocale',
              to_jsonb(l) ->> 'colliculocale', collcollate)) AS locale,
       '' AS recorded, coalesce(max(pg_collation_actual_version(oid)), '') AS actual
  FROM pg_collation l
 WHERE collprovider IN ('i', 'c')
 GROUP BY 2
UNION ALL
SELECT '', concat(datlocprovider, ':', coalesce(to_jsonb(d) ->> 'datlocale',
              to_jsonb(d) ->> 'daticulocale', datcollate)),
       '', coalesce(max(pg_database_collation_actual_version(oid)), '')
  FROM pg_database d
 WHERE datlocprovider IN ('i', 'c')
 GROUP BY 2
