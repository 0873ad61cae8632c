-- True if anybody created anything in this database; our own bookkeeping does not count.
WITH theirs AS (
    SELECT oid FROM pg_namespace
     WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'pgmigrator')
), member AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), object(classid, objid) AS (
    SELECT 'pg_class'::regclass, oid FROM pg_class WHERE relnamespace IN (SELECT oid FROM theirs)
    UNION ALL
    SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace IN (SELECT oid FROM theirs)
    UNION ALL
    SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace IN (SELECT oid FROM theirs)
    UNION ALL
    SELECT 'pg_namespace'::regclass, oid FROM pg_namespace
     WHERE oid >= 16384 AND nspname !~ '^pg_' AND nspname <> 'pgmigrator'
)
SELECT EXISTS (SELECT classid, objid FROM object EXCEPT SELECT classid, objid FROM member)
       AS has_user_objects
