-- Tables whose constraints (foreign keys on either side, and what is deferrable) are not enforced,
-- since the internal triggers that do it are disabled.
SELECT format('%I.%I', n.nspname, c.relname) AS object,
       string_agg(DISTINCT quote_ident(k.conname), ', ') AS detail
  FROM pg_trigger t
  JOIN pg_constraint k ON k.oid = t.tgconstraint
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE t.tgisinternal AND t.tgenabled IN ('D', 'R')
 GROUP BY n.nspname, c.relname
 ORDER BY n.nspname, c.relname
