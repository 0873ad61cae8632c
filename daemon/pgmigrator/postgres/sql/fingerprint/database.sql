-- The database itself: its owner, its comment and connection limit, whether it is a template, its
-- privileges by how they differ from those of a new database, and its settings. On the source those
-- of ALTER ROLE ALL count as its own, as in database_settings.sql. Those of our own roles are the
-- daemon's, and so is its marker.
-- What the destination's version does not take is left out.
-- That the source is made read-only for the cutover, or `closed` by CONNECTION LIMIT 0, must not make
-- the destination so.
-- Values can be secrets: they are compared by a hash with a salt that nobody knows.
WITH this AS (
    SELECT oid, datdba, datconnlimit, datistemplate, coalesce(datacl, acldefault('d', datdba)) AS acl,
           acldefault('d', datdba) AS born, 'database ' || quote_ident(datname) AS object
      FROM pg_database WHERE datname = current_database()
)
SELECT object, 'owner' AS kind, quote_ident(pg_get_userbyid(datdba)) AS definition
  FROM this
UNION ALL
SELECT object, 'comment', quote_literal(shobj_description(oid, 'pg_database'))
  FROM this WHERE shobj_description(oid, 'pg_database') IS NOT NULL
UNION ALL
SELECT object, 'option', 'CONNECTION LIMIT ' || datconnlimit
  FROM this WHERE datconnlimit <> -1 AND NOT %(closed)s
UNION ALL
SELECT object, 'option', 'IS_TEMPLATE true'
  FROM this WHERE datistemplate
UNION ALL
SELECT this.object, 'grant',
       concat_ws(' ', entry.verb, entry.privilege_type, 'TO',
                 CASE WHEN entry.grantee = 0 THEN 'PUBLIC'
                      ELSE quote_ident(pg_get_userbyid(entry.grantee)) END,
                 CASE WHEN entry.is_grantable THEN 'WITH GRANT OPTION' END)
  FROM this
 CROSS JOIN LATERAL (
       (SELECT 'GRANT' AS verb, a.* FROM aclexplode(this.acl) a
        EXCEPT SELECT 'GRANT', b.* FROM aclexplode(this.born) b)
       UNION ALL
       (SELECT 'REVOKE', b.* FROM aclexplode(this.born) b
        EXCEPT SELECT 'REVOKE', a.* FROM aclexplode(this.acl) a)) entry
UNION ALL
SELECT this.object, 'option',
       concat_ws(' ', 'SET', split_part(item, '=', 1),
                 'FOR ROLE ' || quote_ident(r.rolname), md5(%(salt)s || item))
  FROM this
  JOIN pg_db_role_setting s
    ON s.setdatabase = this.oid OR (%(everywhere)s AND s.setdatabase = 0 AND s.setrole = 0)
 CROSS JOIN LATERAL unnest(s.setconfig) item
  LEFT JOIN pg_roles r ON r.oid = s.setrole
 WHERE item NOT LIKE 'pgmigrator.%%' AND item NOT LIKE 'default_transaction_read_only=%%'
   AND item !~* %(left_out)s
   AND (s.setrole = 0 OR r.rolname <> ALL (%(own)s))
   AND (s.setdatabase <> 0
        OR NOT EXISTS (SELECT FROM pg_db_role_setting o, unnest(o.setconfig) own
                        WHERE o.setdatabase = this.oid AND o.setrole = 0
                          AND lower(split_part(own, '=', 1)) = lower(split_part(item, '=', 1))))
