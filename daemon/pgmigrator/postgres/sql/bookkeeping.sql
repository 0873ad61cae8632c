-- Which source table was copied into which table of the destination.
SELECT schema_name, table_name, source_oid FROM pgmigrator.tables
