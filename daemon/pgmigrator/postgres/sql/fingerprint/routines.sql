-- Functions, procedures, aggregates; languages, casts, transforms; operators and what indexes need
-- of them; access methods. A body in SQL's standard form is written by the server, and is compared
-- as views are (see there). Settings that the destination's version does not take are left out.
WITH proc AS (
    SELECT p.*, (pg_identify_object('pg_proc'::regclass, p.oid, 0)).identity AS q
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
       -- ranges bring their constructors
       AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass
                          AND e.objid = p.oid AND e.deptype IN ('e', 'i'))
)
SELECT proc.q AS object, 'function' AS kind,
       format('%%s (%%s) %%sAS %%s',
              CASE proc.prokind WHEN 'p' THEN 'procedure' WHEN 'w' THEN 'window function'
                                ELSE 'function' END,
              pg_get_function_arguments(proc.oid),
              'RETURNS ' || pg_get_function_result(proc.oid) || ' ',
              md5(CASE WHEN proc.prosqlbody IS NULL THEN printed.text
                       ELSE regexp_replace(printed.text, %(spelling)s, '\1\2', 'g') END)) AS definition
  FROM proc
 CROSS JOIN LATERAL (
       -- they stand before the body
       SELECT CASE WHEN refused.names IS NULL THEN def.text
                   ELSE regexp_replace(left(def.text, body.at),
                                       '\n SET "?(' || refused.names || ')"? TO [^\n]*', '', 'g')
                        || substr(def.text, body.at + 1) END
         FROM (SELECT pg_get_functiondef(proc.oid)) def (text)
        CROSS JOIN LATERAL (SELECT regexp_instr(def.text, '\n(AS |BEGIN ATOMIC|RETURN )')) body (at)
        CROSS JOIN (SELECT string_agg(split_part(item, '=', 1), '|') FROM unnest(proc.proconfig) item
                     WHERE item ~* %(left_out)s) refused (names)
       ) printed (text)
 WHERE proc.prokind <> 'a'
UNION ALL
SELECT proc.q, 'function',
       format('aggregate (%%s) (%%s)', pg_get_function_arguments(proc.oid),
              concat_ws(', ', 'SFUNC = ' || a.aggtransfn, 'STYPE = ' || a.aggtranstype::regtype,
                        'SSPACE = ' || nullif(a.aggtransspace, 0),
                        'FINALFUNC = ' || nullif(a.aggfinalfn, 0)::regproc,
                        CASE WHEN a.aggfinalextra THEN 'FINALFUNC_EXTRA' END,
                        'FINALFUNC_MODIFY = ' || (modify.spelled ->> a.aggfinalmodify::text),
                        'COMBINEFUNC = ' || nullif(a.aggcombinefn, 0)::regproc,
                        'SERIALFUNC = ' || nullif(a.aggserialfn, 0)::regproc,
                        'DESERIALFUNC = ' || nullif(a.aggdeserialfn, 0)::regproc,
                        'INITCOND = ' || quote_literal(a.agginitval),
                        'MSFUNC = ' || nullif(a.aggmtransfn, 0)::regproc,
                        'MINVFUNC = ' || nullif(a.aggminvtransfn, 0)::regproc,
                        'MSTYPE = ' || nullif(a.aggmtranstype, 0)::regtype,
                        'MSSPACE = ' || nullif(a.aggmtransspace, 0),
                        'MFINALFUNC = ' || nullif(a.aggmfinalfn, 0)::regproc,
                        CASE WHEN a.aggmfinalextra THEN 'MFINALFUNC_EXTRA' END,
                        CASE WHEN a.aggmtranstype <> 0 THEN 'MFINALFUNC_MODIFY = '
                             || (modify.spelled ->> a.aggmfinalmodify::text) END,
                        'MINITCOND = ' || quote_literal(a.aggminitval),
                        (SELECT format('SORTOP = OPERATOR(%%I.%%s)', n.nspname, o.oprname)
                           FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
                          WHERE o.oid = a.aggsortop),
                        'PARALLEL = ' || CASE proc.proparallel WHEN 's' THEN 'SAFE'
                                              WHEN 'r' THEN 'RESTRICTED' ELSE 'UNSAFE' END,
                        'SUPPORT = ' || nullif(proc.prosupport, 0)::regproc,
                        CASE WHEN a.aggkind = 'h' THEN 'HYPOTHETICAL' END))
  FROM proc
  JOIN pg_aggregate a ON a.aggfnoid = proc.oid
 CROSS JOIN (VALUES ('{"r": "READ_ONLY", "s": "SHAREABLE", "w": "READ_WRITE"}'::jsonb)) modify (spelled)
UNION ALL
SELECT quote_ident(l.lanname), 'other',
       concat_ws(' ', CASE WHEN l.lanpltrusted THEN 'trusted' END, 'language HANDLER',
                 l.lanplcallfoid::regproc, 'INLINE ' || nullif(l.laninline, 0)::regproc,
                 'VALIDATOR ' || nullif(l.lanvalidator, 0)::regproc)
  FROM pg_language l
 WHERE l.lanispl AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_language'::regclass
                                    AND e.objid = l.oid AND e.deptype = 'e')
UNION ALL
SELECT (pg_identify_object('pg_cast'::regclass, c.oid, 0)).identity, 'other',
       concat_ws(' ', 'cast',
                 CASE c.castmethod WHEN 'f' THEN 'WITH FUNCTION ' || c.castfunc::regprocedure
                                   WHEN 'i' THEN 'WITH INOUT' ELSE 'WITHOUT FUNCTION' END,
                 CASE c.castcontext WHEN 'a' THEN 'AS ASSIGNMENT' WHEN 'i' THEN 'AS IMPLICIT' END)
  FROM pg_cast c
 WHERE c.oid >= 16384
   -- ranges bring theirs
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_cast'::regclass
                      AND e.objid = c.oid AND e.deptype IN ('e', 'i'))
UNION ALL
SELECT concat('for ', t.trftype::regtype, ' language ', quote_ident(l.lanname)), 'other',
       format('transform (%%s)',
              concat_ws(', ', 'FROM SQL WITH FUNCTION ' || nullif(t.trffromsql, 0)::regprocedure,
                        'TO SQL WITH FUNCTION ' || nullif(t.trftosql, 0)::regprocedure))
  FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang
 WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_transform'::regclass
                      AND e.objid = t.oid AND e.deptype = 'e')
UNION ALL
SELECT (pg_identify_object('pg_operator'::regclass, o.oid, 0)).identity, 'operator',
       format('(%%s)',
              concat_ws(', ', 'FUNCTION = ' || o.oprcode,
                        'LEFTARG = ' || nullif(o.oprleft, 0)::regtype,
                        'RIGHTARG = ' || o.oprright::regtype,
                        (SELECT format('COMMUTATOR = OPERATOR(%%I.%%s)', x.nspname, other.oprname)
                           FROM pg_operator other JOIN pg_namespace x ON x.oid = other.oprnamespace
                          WHERE other.oid = o.oprcom),
                        (SELECT format('NEGATOR = OPERATOR(%%I.%%s)', x.nspname, other.oprname)
                           FROM pg_operator other JOIN pg_namespace x ON x.oid = other.oprnamespace
                          WHERE other.oid = o.oprnegate),
                        'RESTRICT = ' || nullif(o.oprrest, 0)::regproc,
                        'JOIN = ' || nullif(o.oprjoin, 0)::regproc,
                        CASE WHEN o.oprcanmerge THEN 'MERGES' END,
                        CASE WHEN o.oprcanhash THEN 'HASHES' END))
  FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_operator'::regclass
                      AND e.objid = o.oid AND e.deptype = 'e')
UNION ALL
SELECT (pg_identify_object('pg_opclass'::regclass, o.oid, 0)).identity, 'operator',
       format('class %%sFOR TYPE %%s USING %%I FAMILY %%I.%%I AS %%s',
              CASE WHEN o.opcdefault THEN 'DEFAULT ' END, o.opcintype::regtype, am.amname,
              fn.nspname, f.opfname,
              concat_ws(', ',
                        (SELECT string_agg(format('OPERATOR %%s %%s.%%s (%%s, %%s)', m.amopstrategy,
                                                  quote_ident(xn.nspname), x.oprname,
                                                  m.amoplefttype::regtype, m.amoprighttype::regtype),
                                           ', ' ORDER BY m.amopstrategy)
                           FROM pg_depend d
                           JOIN pg_amop m ON m.oid = d.objid
                           JOIN pg_operator x ON x.oid = m.amopopr
                           JOIN pg_namespace xn ON xn.oid = x.oprnamespace
                          WHERE d.classid = 'pg_amop'::regclass AND d.deptype = 'i'
                            AND d.refclassid = 'pg_opclass'::regclass AND d.refobjid = o.oid),
                        (SELECT string_agg(format('FUNCTION %%s (%%s, %%s) %%s', m.amprocnum,
                                                  m.amproclefttype::regtype, m.amprocrighttype::regtype,
                                                  m.amproc::regprocedure),
                                           ', ' ORDER BY m.amprocnum)
                           FROM pg_depend d
                           JOIN pg_amproc m ON m.oid = d.objid
                          WHERE d.classid = 'pg_amproc'::regclass AND d.deptype = 'i'
                            AND d.refclassid = 'pg_opclass'::regclass AND d.refobjid = o.oid),
                        'STORAGE ' || nullif(o.opckeytype, 0)::regtype))
  FROM pg_opclass o
  JOIN pg_namespace n ON n.oid = o.opcnamespace
  JOIN pg_am am ON am.oid = o.opcmethod
  JOIN pg_opfamily f ON f.oid = o.opcfamily
  JOIN pg_namespace fn ON fn.oid = f.opfnamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_opclass'::regclass
                      AND e.objid = o.oid AND e.deptype = 'e')
UNION ALL
SELECT (pg_identify_object('pg_opfamily'::regclass, f.oid, 0)).identity, 'operator', member
  FROM pg_opfamily f
  JOIN pg_namespace n ON n.oid = f.opfnamespace
 CROSS JOIN LATERAL (
       SELECT 'family'
       UNION ALL
       SELECT concat(format('OPERATOR %%s %%s.%%s (%%s, %%s)', m.amopstrategy,
                            quote_ident(xn.nspname), x.oprname,
                            m.amoplefttype::regtype, m.amoprighttype::regtype),
                     (SELECT format(' FOR ORDER BY %%I.%%I', sn.nspname, sf.opfname)
                        FROM pg_opfamily sf JOIN pg_namespace sn ON sn.oid = sf.opfnamespace
                       WHERE sf.oid = m.amopsortfamily))
         FROM pg_amop m
         JOIN pg_operator x ON x.oid = m.amopopr
         JOIN pg_namespace xn ON xn.oid = x.oprnamespace
        WHERE m.amopfamily = f.oid
       UNION ALL
       SELECT format('FUNCTION %%s (%%s, %%s) %%s', m.amprocnum, m.amproclefttype::regtype,
                     m.amprocrighttype::regtype, m.amproc::regprocedure)
         FROM pg_amproc m WHERE m.amprocfamily = f.oid
       ) members (member)
 WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_opfamily'::regclass
                      AND e.objid = f.oid AND e.deptype = 'e')
UNION ALL
SELECT quote_ident(a.amname), 'other',
       format('access method TYPE %%s HANDLER %%s',
              CASE a.amtype WHEN 't' THEN 'TABLE' ELSE 'INDEX' END, a.amhandler)
  FROM pg_am a
 WHERE a.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_am'::regclass
                                         AND e.objid = a.oid AND e.deptype = 'e')
