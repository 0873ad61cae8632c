-- Functions, procedures, aggregates; languages, casts, transforms; operators and what indexes need
-- of them; access methods. A body in SQL's standard form is written by the server, and is compared
-- as views are: without qualifiers, blanks and parentheses.
WITH proc AS (
    SELECT p.*, (pg_identify_object('pg_proc'::regclass, p.oid, 0)).identity AS q
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
       -- ranges bring their constructors
       AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass
                          AND e.objid = p.oid AND e.deptype IN ('e', 'i'))
)
SELECT proc.q AS object, 'function' AS kind,
       md5(CASE WHEN proc.prosqlbody IS NULL THEN pg_get_functiondef(proc.oid)
                ELSE regexp_replace(pg_get_functiondef(proc.oid),
                                    '("([^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)\.|[\s()]', '', 'g')
           END) AS definition
  FROM proc WHERE proc.prokind <> 'a'
UNION ALL
SELECT proc.q, 'function',
       concat_ws(' ', 'aggregate', proc.proparallel, a.aggkind, a.aggnumdirectargs, a.aggtransfn,
                 a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn, a.aggmtransfn,
                 a.aggminvtransfn, a.aggmfinalfn, a.aggfinalextra, a.aggmfinalextra,
                 a.aggfinalmodify, a.aggmfinalmodify, nullif(a.aggsortop, 0)::regoperator,
                 a.aggtranstype::regtype, a.aggtransspace, nullif(a.aggmtranstype, 0)::regtype,
                 a.aggmtransspace, 'INITCOND ' || a.agginitval, 'MINITCOND ' || a.aggminitval)
  FROM proc JOIN pg_aggregate a ON a.aggfnoid = proc.oid
UNION ALL
SELECT quote_ident(l.lanname), 'other',
       concat_ws(' ', 'language', l.lanpltrusted, l.lanplcallfoid::regproc, l.laninline::regproc,
                 l.lanvalidator::regproc)
  FROM pg_language l
 WHERE l.lanispl AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_language'::regclass
                                    AND e.objid = l.oid AND e.deptype = 'e')
UNION ALL
SELECT (pg_identify_object('pg_cast'::regclass, c.oid, 0)).identity, 'other',
       concat_ws(' ', 'cast', c.castcontext, c.castmethod,
                 nullif(c.castfunc, 0)::regprocedure)
  FROM pg_cast c
 WHERE c.oid >= 16384
   -- ranges bring theirs
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_cast'::regclass
                      AND e.objid = c.oid AND e.deptype IN ('e', 'i'))
UNION ALL
SELECT concat('for ', t.trftype::regtype, ' language ', quote_ident(l.lanname)), 'other',
       concat_ws(' ', 'transform', t.trffromsql::regproc, t.trftosql::regproc)
  FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang
 WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_transform'::regclass
                      AND e.objid = t.oid AND e.deptype = 'e')
UNION ALL
SELECT (pg_identify_object('pg_operator'::regclass, o.oid, 0)).identity, 'operator',
       concat_ws(' ', o.oprcode, nullif(o.oprcom, 0)::regoperator,
                 nullif(o.oprnegate, 0)::regoperator, o.oprrest, o.oprjoin,
                 CASE WHEN o.oprcanmerge THEN 'MERGES' END, CASE WHEN o.oprcanhash THEN 'HASHES' END)
  FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_operator'::regclass
                      AND e.objid = o.oid AND e.deptype = 'e')
UNION ALL
SELECT (pg_identify_object('pg_opclass'::regclass, o.oid, 0)).identity, 'operator',
       concat_ws(' ', 'class', o.opcdefault, o.opcintype::regtype, nullif(o.opckeytype, 0)::regtype,
                 (pg_identify_object('pg_opfamily'::regclass, o.opcfamily, 0)).identity)
  FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_opclass'::regclass
                      AND e.objid = o.oid AND e.deptype = 'e')
UNION ALL
SELECT (pg_identify_object('pg_opfamily'::regclass, f.oid, 0)).identity, 'operator',
       concat_ws(' ', 'family',
                 (SELECT string_agg(concat_ws(' ', m.amopstrategy, m.amoppurpose,
                                              m.amopopr::regoperator), ', '
                                    ORDER BY m.amopstrategy, m.amopopr::regoperator::text COLLATE "C")
                    FROM pg_amop m WHERE m.amopfamily = f.oid),
                 (SELECT string_agg(concat_ws(' ', m.amprocnum, m.amproclefttype::regtype,
                                              m.amprocrighttype::regtype, m.amproc::regprocedure),
                                    ', ' ORDER BY m.amprocnum, m.amproclefttype::regtype::text
                                    COLLATE "C", m.amprocrighttype::regtype::text COLLATE "C")
                    FROM pg_amproc m WHERE m.amprocfamily = f.oid))
  FROM pg_opfamily f JOIN pg_namespace n ON n.oid = f.opfnamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_opfamily'::regclass
                      AND e.objid = f.oid AND e.deptype = 'e')
UNION ALL
SELECT quote_ident(a.amname), 'other', concat_ws(' ', 'access method', a.amtype, a.amhandler)
  FROM pg_am a
 WHERE a.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_am'::regclass
                                         AND e.objid = a.oid AND e.deptype = 'e')
