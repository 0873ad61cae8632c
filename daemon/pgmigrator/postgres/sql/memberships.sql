-- who is a member of what; 15 has no inherit_option (the member's attribute decides) and no
-- set_option, and its grantors need not exist any more
SELECT g.rolname AS role, m.rolname AS member, a.admin_option AS admin,
       coalesce((to_jsonb(a) ->> 'inherit_option')::boolean, m.rolinherit) AS inherit,
       coalesce((to_jsonb(a) ->> 'set_option')::boolean, true) AS set,
       CASE WHEN to_jsonb(a) ? 'set_option' AND a.grantor <> 10 THEN grantor.rolname ELSE '' END
           AS grantor
  FROM pg_auth_members a
  JOIN pg_roles g ON g.oid = a.roleid
  JOIN pg_roles m ON m.oid = a.member
  LEFT JOIN pg_roles grantor ON grantor.oid = a.grantor;
