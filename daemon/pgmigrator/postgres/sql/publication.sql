-- The publication of our name, table by table; one row without a table if it is empty.
SELECT coalesce(obj_description(p.oid, 'pg_publication'), '') AS comment,
       c.oid::bigint, n.nspname::text AS schema, c.relname::text AS name
  FROM pg_publication p
  LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid
  LEFT JOIN pg_class c ON c.oid = r.prrelid
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE p.pubname = %(publication)s
