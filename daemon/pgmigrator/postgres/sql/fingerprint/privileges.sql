-- Owners, privileges, default privileges, comments and security labels of every object.
-- Privileges are compared by how they differ from what the object was born with, so that a REVOKE
-- of a built-in privilege counts, also on what the system or an extension brings. MAINTAIN exists
-- since 17: an ALL from before includes it on the destination, so it counts only if both sides know it.
WITH object (classid, objid, objsubid, owner, acl, objtype) AS (
    SELECT 'pg_class'::regclass, c.oid, 0, c.relowner, c.relacl,
           CASE WHEN c.relkind = 'S' THEN 's' ELSE 'r' END::"char"
      FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
    UNION ALL
    SELECT 'pg_class'::regclass, c.oid, a.attnum, c.relowner, a.attacl, 'c'
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, 0, proowner, proacl, 'f' FROM pg_proc
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid, 0, t.typowner, t.typacl, 'T'
      FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
     WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c')
            OR (t.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)))
    UNION ALL
    SELECT 'pg_namespace'::regclass, oid, 0, nspowner, nspacl, 'n' FROM pg_namespace
    UNION ALL
    SELECT 'pg_language'::regclass, oid, 0, lanowner, lanacl, 'l' FROM pg_language
    UNION ALL
    SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0, fdwowner, fdwacl, 'F'
      FROM pg_foreign_data_wrapper
    UNION ALL
    SELECT 'pg_foreign_server'::regclass, oid, 0, srvowner, srvacl, 'S' FROM pg_foreign_server
    UNION ALL
    SELECT 'pg_collation'::regclass, oid, 0, collowner, NULL, NULL FROM pg_collation
    UNION ALL
    SELECT 'pg_conversion'::regclass, oid, 0, conowner, NULL, NULL FROM pg_conversion
    UNION ALL
    SELECT 'pg_operator'::regclass, oid, 0, oprowner, NULL, NULL FROM pg_operator
    UNION ALL
    SELECT 'pg_opclass'::regclass, oid, 0, opcowner, NULL, NULL FROM pg_opclass
    UNION ALL
    SELECT 'pg_opfamily'::regclass, oid, 0, opfowner, NULL, NULL FROM pg_opfamily
    UNION ALL
    SELECT 'pg_statistic_ext'::regclass, oid, 0, stxowner, NULL, NULL FROM pg_statistic_ext
    UNION ALL
    SELECT 'pg_ts_config'::regclass, oid, 0, cfgowner, NULL, NULL FROM pg_ts_config
    UNION ALL
    SELECT 'pg_ts_dict'::regclass, oid, 0, dictowner, NULL, NULL FROM pg_ts_dict
    UNION ALL
    SELECT 'pg_event_trigger'::regclass, oid, 0, evtowner, NULL, NULL FROM pg_event_trigger
), theirs AS (
    -- not the system's, not an extension's, not our bookkeeping
    SELECT o.* FROM object o
     WHERE o.objid >= 16384 OR (o.classid = 'pg_namespace'::regclass AND o.objid = 2200)
    EXCEPT
    SELECT o.* FROM object o JOIN pg_depend e
        ON e.classid = o.classid AND e.objid = o.objid AND e.deptype IN ('e', 'i')
), granted AS (
    SELECT o.classid, o.objid, o.objsubid, o.acl,
           -- what CREATE EXTENSION or initdb granted, else what every new object has
           coalesce(i.initprivs, acldefault(o.objtype, o.owner)) AS born
      FROM object o
      LEFT JOIN pg_init_privs i
        ON i.classoid = o.classid AND i.objoid = o.objid AND i.objsubid = o.objsubid
     WHERE o.acl IS NOT NULL
), entry AS (
    SELECT g.classid, g.objid, g.objsubid, difference.*
      FROM granted g
     CROSS JOIN LATERAL (
           (SELECT 'GRANT' AS verb, a.* FROM aclexplode(g.acl) a
            EXCEPT SELECT 'GRANT', b.* FROM aclexplode(g.born) b)
           UNION ALL
           (SELECT 'REVOKE', b.* FROM aclexplode(g.born) b
            EXCEPT SELECT 'REVOKE', a.* FROM aclexplode(g.acl) a)) difference
), standard AS (
    SELECT d.oid, d.defaclrole, d.defaclnamespace, d.defaclobjtype, difference.*
      FROM pg_default_acl d
     CROSS JOIN LATERAL (
           (SELECT 'GRANT' AS verb, a.* FROM aclexplode(d.defaclacl) a
            EXCEPT SELECT 'GRANT', b.*
              FROM aclexplode(acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype
                                          END, d.defaclrole)) b
             WHERE d.defaclnamespace = 0)
           UNION ALL
           (SELECT 'REVOKE', b.*
              FROM aclexplode(acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype
                                          END, d.defaclrole)) b
             WHERE d.defaclnamespace = 0
            EXCEPT SELECT 'REVOKE', a.* FROM aclexplode(d.defaclacl) a)) difference
), said (classid, objid, objsubid, kind, definition) AS (
    SELECT classid, objid, objsubid, 'owner', quote_ident(pg_get_userbyid(owner))
      FROM theirs WHERE objsubid = 0
    UNION ALL
    SELECT classid, objid, 0, 'grant',
           concat_ws(' ', verb, privilege_type,
                     (SELECT '(' || quote_ident(a.attname) || ')' FROM pg_attribute a
                       WHERE objsubid > 0 AND a.attrelid = objid AND a.attnum = objsubid),
                     'TO',
                     CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
                     CASE WHEN is_grantable THEN 'WITH GRANT OPTION' END,
                     'BY', quote_ident(pg_get_userbyid(grantor)))
      FROM entry WHERE privilege_type <> 'MAINTAIN' OR %(maintain)s
    UNION ALL
    SELECT d.classoid, d.objoid, d.objsubid, 'comment', quote_literal(d.description)
      FROM pg_description d
     WHERE (d.objoid >= 16384 OR (d.classoid = 'pg_namespace'::regclass AND d.objoid = 2200))
       AND d.classoid NOT IN ('pg_publication'::regclass, 'pg_subscription'::regclass,
                              'pg_largeobject'::regclass)
       AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classoid AND e.objid = d.objoid
                          AND e.deptype = 'e')
    UNION ALL
    SELECT l.classoid, l.objoid, l.objsubid, 'label', concat(quote_ident(l.provider), ' IS ', quote_literal(l.label))
      FROM pg_seclabel l
     WHERE l.classoid NOT IN ('pg_publication'::regclass, 'pg_subscription'::regclass,
                              'pg_largeobject'::regclass)
)
SELECT i.type || ' ' || CASE WHEN i.type = 'transform'  -- its "on" went with 16
                              THEN replace(i.identity, ' on language ', ' language ')
                              ELSE i.identity END AS object,
       s.kind, s.definition
  FROM said s
 CROSS JOIN LATERAL pg_identify_object(s.classid, s.objid, s.objsubid) i
 WHERE coalesce(i.schema, CASE WHEN i.type = 'schema' THEN i.identity END, '')
       !~ '^(pg_toast|pg_temp|pgmigrator$)'
UNION ALL
SELECT concat_ws(' ', 'default privileges of', quote_ident(pg_get_userbyid(s.defaclrole)),
                 'in schema ' || nullif(s.defaclnamespace, 0)::regnamespace::text, 'for',
                 CASE s.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences'
                      WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas'
                      ELSE s.defaclobjtype::text END),
       'grant',
       concat_ws(' ', s.verb, s.privilege_type, 'TO',
                 CASE WHEN s.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(s.grantee)) END,
                 CASE WHEN s.is_grantable THEN 'WITH GRANT OPTION' END)
  FROM standard s
 WHERE s.privilege_type <> 'MAINTAIN' OR %(maintain)s
