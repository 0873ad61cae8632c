-- what these tables inherit from, at any distance: partitioned tables, or those of INHERITS
WITH RECURSIVE rel AS (
    SELECT c.oid, '"' || replace(n.nspname, '"', '""') || '"."' || replace(c.relname, '"', '""')
                  || '"' AS object
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f')
), up AS (
    SELECT i.inhrelid, i.inhparent
      FROM pg_inherits i JOIN rel ON rel.oid = i.inhrelid
     WHERE rel.object = ANY(%(objects)s)
     UNION
    SELECT up.inhrelid, i.inhparent FROM up JOIN pg_inherits i ON i.inhrelid = up.inhparent
)
SELECT child.object, array_agg(parent.object ORDER BY parent.object) AS ancestors
  FROM up
  JOIN rel child ON child.oid = up.inhrelid
  JOIN rel parent ON parent.oid = up.inhparent
 GROUP BY child.object
