-- Which source table was copied into which table of the destination: as far as that is still the
-- table that was noted down, not another one of its name. NULL: its copy is awaited.
SELECT t.schema_name, t.table_name, t.source_oid, t.created, t.filled, t.resync,
       t.source_storage, t.destination_storage
  FROM pgmigrator.tables t
  JOIN pg_class c ON c.oid = t.table_oid AND c.relname = t.table_name
  JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = t.schema_name
