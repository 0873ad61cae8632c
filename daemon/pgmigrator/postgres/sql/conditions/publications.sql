-- Publications of this database that are not ours. From 19 on they may leave tables out, and publish
-- sequences.
SELECT quote_ident(p.pubname) AS object,
       concat_ws(', and ',
                 CASE WHEN p.puballtables THEN 'for all tables' || coalesce(' but ' || except_.tables, '')
                 END,
                 CASE WHEN to_jsonb(p) ->> 'puballsequences' = 'true' THEN 'for all sequences'
                      WHEN NOT p.puballtables THEN 'for some tables' END) AS detail
  FROM pg_publication p
 CROSS JOIN LATERAL (SELECT string_agg(r.prrelid::regclass::text, ', ' ORDER BY r.prrelid) AS tables
                       FROM pg_publication_rel r
                      WHERE r.prpubid = p.oid AND to_jsonb(r) ->> 'prexcept' = 'true') except_
 WHERE p.pubname NOT LIKE 'pgmigrator\_%'
