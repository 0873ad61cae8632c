-- triggers that fire when replicated changes are applied
SELECT n.nspname AS schema, c.relname AS "table", t.tgname AS name, t.tgenabled::text AS mode
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal AND t.tgenabled IN ('A', 'R');
