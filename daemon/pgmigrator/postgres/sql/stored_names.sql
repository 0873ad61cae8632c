-- The names, in lower case, of what roles, databases and this database's functions set. Any server
-- takes a name with a dot.
SELECT DISTINCT lower(split_part(item, '=', 1)) AS name
  FROM (SELECT unnest(setconfig) FROM pg_db_role_setting
        UNION ALL SELECT unnest(proconfig) FROM pg_proc WHERE proconfig IS NOT NULL) stored (item)
 WHERE strpos(split_part(item, '=', 1), '.') = 0
