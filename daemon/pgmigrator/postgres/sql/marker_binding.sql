-- what binds a marker to one database of one server
SELECT oid, (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier
  FROM pg_database
 WHERE datname = %(database)s;
