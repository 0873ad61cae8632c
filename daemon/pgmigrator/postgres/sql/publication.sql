-- The publication of our name, table by table; one row without a table if it is empty. It is whole
-- if it publishes whole tables, each under its own name, and every action that it should.
SELECT coalesce(obj_description(p.oid, 'pg_publication'), '') AS comment,
       p.pubinsert AND p.pubtruncate AND NOT p.pubviaroot
         AND p.pubupdate = %(updates)s AND p.pubdelete = %(updates)s
         AND coalesce(to_jsonb(p) ->> 'pubgencols', 'n') = 'n'
         AND NOT p.puballtables AND r.prqual IS NULL AND r.prattrs IS NULL
         AND NOT EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = p.oid) AS whole,
       c.oid::bigint, n.nspname::text AS schema, c.relname::text AS name
  FROM pg_publication p
  LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid
  LEFT JOIN pg_class c ON c.oid = r.prrelid
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE p.pubname = %(publication)s
