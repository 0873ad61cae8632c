-- Schemas, extensions, event triggers; text search; foreign data. An extension may be newer on the
-- destination. Options of servers and user mappings can be secrets: they are compared by a hash
-- with a salt that nobody knows. Their order means nothing.
WITH mine AS (
    SELECT oid, nspname FROM pg_namespace
     WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'pgmigrator')
), ext AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
)
SELECT quote_ident(nspname) AS object, 'schema' AS kind, '' AS definition
  FROM mine
 WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_namespace'::regclass AND objid = mine.oid)
UNION ALL
SELECT quote_ident(x.extname), 'extension', concat_ws(' ', 'SCHEMA', x.extnamespace::regnamespace)
  FROM pg_extension x
UNION ALL
SELECT quote_ident(e.evtname), 'event_trigger',
       concat_ws(' ', 'ON', e.evtevent,
                 (SELECT 'WHEN TAG IN (' || string_agg(quote_literal(tag), ', ') || ')'
                    FROM unnest(e.evttags) tag),
                 format('EXECUTE FUNCTION %%s()', e.evtfoid::regproc))
  FROM pg_event_trigger e
 WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_event_trigger'::regclass AND objid = e.oid)
UNION ALL
SELECT quote_ident(e.evtname), 'event_trigger',
       CASE e.evtenabled WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END
  FROM pg_event_trigger e
 WHERE e.evtenabled <> 'O'
   AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_event_trigger'::regclass AND objid = e.oid)
UNION ALL
SELECT concat(quote_ident(mine.nspname), '.', quote_ident(p.prsname)), 'text_search',
       format('parser (%%s)',
              concat_ws(', ', 'START = ' || p.prsstart, 'GETTOKEN = ' || p.prstoken,
                        'END = ' || p.prsend, 'HEADLINE = ' || nullif(p.prsheadline, 0)::regproc,
                        'LEXTYPES = ' || p.prslextype))
  FROM pg_ts_parser p JOIN mine ON mine.oid = p.prsnamespace
 WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_ts_parser'::regclass AND objid = p.oid)
UNION ALL
SELECT concat(quote_ident(mine.nspname), '.', quote_ident(t.tmplname)), 'text_search',
       format('template (%%s)',
              concat_ws(', ', 'INIT = ' || nullif(t.tmplinit, 0)::regproc, 'LEXIZE = ' || t.tmpllexize))
  FROM pg_ts_template t JOIN mine ON mine.oid = t.tmplnamespace
 WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_ts_template'::regclass AND objid = t.oid)
UNION ALL
SELECT concat(quote_ident(mine.nspname), '.', quote_ident(d.dictname)), 'text_search',
       format('dictionary (%%s)',
              concat_ws(', ',
                        'TEMPLATE = '
                        || (pg_identify_object('pg_ts_template'::regclass, d.dicttemplate, 0)).identity,
                        d.dictinitoption))
  FROM pg_ts_dict d JOIN mine ON mine.oid = d.dictnamespace
 WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_ts_dict'::regclass AND objid = d.oid)
UNION ALL
SELECT concat(quote_ident(mine.nspname), '.', quote_ident(c.cfgname)), 'text_search',
       format('configuration (PARSER = %%s)',
              (pg_identify_object('pg_ts_parser'::regclass, c.cfgparser, 0)).identity)
  FROM pg_ts_config c JOIN mine ON mine.oid = c.cfgnamespace
 WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_ts_config'::regclass AND objid = c.oid)
UNION ALL
SELECT concat(quote_ident(mine.nspname), '.', quote_ident(c.cfgname)), 'text_search',
       format('MAPPING FOR %%I WITH %%s', token.alias,
              string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno))
  FROM pg_ts_config c
  JOIN mine ON mine.oid = c.cfgnamespace
 CROSS JOIN LATERAL ts_token_type(c.cfgparser) token
  JOIN pg_ts_config_map m ON m.mapcfg = c.oid AND m.maptokentype = token.tokid
 WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_ts_config'::regclass AND objid = c.oid)
 GROUP BY mine.nspname, c.oid, c.cfgname, token.alias
UNION ALL
SELECT quote_ident(w.fdwname), 'foreign_data',
       concat_ws(' ', 'wrapper', w.fdwhandler::regproc, w.fdwvalidator::regproc,
                 -- new in 19
                 'CONNECTION ' || nullif(to_jsonb(w) ->> 'fdwconnection', '0')::oid::regproc,
                 (SELECT md5(%(salt)s || string_agg(o, ',' ORDER BY o COLLATE "C")) FROM unnest(w.fdwoptions) o))
  FROM pg_foreign_data_wrapper w
 WHERE NOT EXISTS (SELECT FROM ext
                    WHERE classid = 'pg_foreign_data_wrapper'::regclass AND objid = w.oid)
UNION ALL
SELECT quote_ident(s.srvname), 'foreign_data',
       concat_ws(' ', 'server', quote_ident(w.fdwname), 'TYPE ' || s.srvtype,
                 'VERSION ' || s.srvversion, (SELECT md5(%(salt)s || string_agg(o, ',' ORDER BY o COLLATE "C")) FROM unnest(s.srvoptions) o))
  FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
 WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_foreign_server'::regclass AND objid = s.oid)
UNION ALL
SELECT quote_ident(s.srvname), 'foreign_data',
       concat_ws(' ', 'user mapping',
                 CASE WHEN u.umuser = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(u.umuser)) END,
                 (SELECT md5(%(salt)s || string_agg(o, ',' ORDER BY o COLLATE "C")) FROM unnest(u.umoptions) o))
  FROM pg_user_mapping u JOIN pg_foreign_server s ON s.oid = u.umserver
