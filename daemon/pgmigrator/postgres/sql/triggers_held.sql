-- triggers held back, with the mode they are to get; those dropped or changed since are left alone
SELECT h.schema_name::text AS schema, h.table_name::text AS "table", h.trigger_name::text AS name,
       h.mode::text AS mode
  FROM pgmigrator.triggers h
  JOIN pg_namespace n ON n.nspname = h.schema_name
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = h.table_name
  JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = h.trigger_name AND t.tgenabled = 'O';
