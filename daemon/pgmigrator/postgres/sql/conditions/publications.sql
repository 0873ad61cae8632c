-- Publications of this database that are not ours.
SELECT quote_ident(pubname) AS object,
       CASE WHEN puballtables THEN 'for all tables' ELSE 'for some tables' END AS detail
  FROM pg_publication
 WHERE pubname NOT LIKE 'pgmigrator\_%'
