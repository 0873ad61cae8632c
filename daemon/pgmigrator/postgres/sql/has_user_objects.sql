-- True if anybody created anything in this database. What initdb made does not count (oids below
-- 16384), nor do extensions and their members, nor what is ours: publications and subscriptions,
-- and in a database that bears our marker the bookkeeping.
WITH theirs AS (
    SELECT oid FROM pg_namespace
     WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
       AND NOT (%(marked)s AND nspname = 'pgmigrator')
), member AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), within(classid, objid, namespace) AS (
    SELECT 'pg_class'::regclass, oid, relnamespace FROM pg_class
    UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc
    UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace FROM pg_type
    UNION ALL SELECT 'pg_operator'::regclass, oid, oprnamespace FROM pg_operator
    UNION ALL SELECT 'pg_opclass'::regclass, oid, opcnamespace FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfnamespace FROM pg_opfamily
    UNION ALL SELECT 'pg_collation'::regclass, oid, collnamespace FROM pg_collation
    UNION ALL SELECT 'pg_conversion'::regclass, oid, connamespace FROM pg_conversion
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace FROM pg_ts_dict
    UNION ALL SELECT 'pg_ts_parser'::regclass, oid, prsnamespace FROM pg_ts_parser
    UNION ALL SELECT 'pg_ts_template'::regclass, oid, tmplnamespace FROM pg_ts_template
), object(classid, objid) AS (
    SELECT classid, objid FROM within WHERE namespace IN (SELECT oid FROM theirs)
    UNION ALL
    SELECT 'pg_namespace'::regclass, oid FROM pg_namespace
     WHERE oid >= 16384 AND nspname !~ '^pg_' AND NOT (%(marked)s AND nspname = 'pgmigrator')
    UNION ALL SELECT 'pg_am'::regclass, oid FROM pg_am WHERE oid >= 16384
    UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast WHERE oid >= 16384
    UNION ALL SELECT 'pg_default_acl'::regclass, oid FROM pg_default_acl
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server
    UNION ALL SELECT 'pg_language'::regclass, oid FROM pg_language WHERE oid >= 16384
    UNION ALL SELECT 'pg_largeobject'::regclass, oid FROM pg_largeobject_metadata
    UNION ALL SELECT 'pg_transform'::regclass, oid FROM pg_transform
    UNION ALL
    SELECT 'pg_publication'::regclass, oid FROM pg_publication
     WHERE NOT starts_with(coalesce(obj_description(oid, 'pg_publication'), ''), 'pgmigrator ')
    UNION ALL
    SELECT 'pg_subscription'::regclass, s.oid
      FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
     WHERE d.datname = current_database() AND NOT starts_with(s.subname, 'pgmigrator_')
)
SELECT EXISTS (SELECT classid, objid FROM object EXCEPT SELECT classid, objid FROM member)
       AS has_user_objects
