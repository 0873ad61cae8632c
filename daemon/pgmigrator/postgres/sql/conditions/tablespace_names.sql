-- The tablespaces of this server, and whether our role may create objects there.
SELECT quote_ident(spcname) AS object,
       CASE WHEN has_tablespace_privilege(oid, 'CREATE') THEN 'usable' ELSE '' END AS detail
  FROM pg_tablespace
