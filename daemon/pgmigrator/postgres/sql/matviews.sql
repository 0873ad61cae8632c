-- materialized views, each after those it reads, directly or through views
WITH RECURSIVE reads AS (
    SELECT DISTINCT r.ev_class AS relation, d.refobjid AS needs
      FROM pg_rewrite r
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
       AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
), everything AS (
    SELECT relation, needs FROM reads
    UNION
    SELECT e.relation, r.needs FROM everything e JOIN reads r ON r.relation = e.needs
)
SELECT n.nspname AS schema, c.relname AS name, c.relispopulated AS populated
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm'
 -- whoever reads another one needs all that the other needs, and the other
 ORDER BY (SELECT count(*) FROM everything e WHERE e.relation = c.oid), n.nspname, c.relname;
