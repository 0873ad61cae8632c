-- The default tablespace of this database.
SELECT t.spcname AS home
  FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace
 WHERE d.datname = current_database()
