-- Triggers with their modes; A (ALWAYS) and R (REPLICA) fire when replicated changes are applied.
SELECT n.nspname AS schema, c.relname AS "table", t.tgname AS name, t.tgenabled::text AS mode,
       coalesce(t.xmin = pg_current_xact_id_if_assigned()::xid, false) AS created_here
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal;
