-- the settings of a database itself, of no role in particular
SELECT unnest(s.setconfig) AS setting
  FROM pg_db_role_setting s
  JOIN pg_database d ON d.oid = s.setdatabase
 WHERE d.datname = %(database)s AND s.setrole = 0;
