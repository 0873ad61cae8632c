-- Event triggers that our own statements here would fire.
SELECT quote_ident(e.evtname) AS object,
       format('%s on %s', e.evtfoid::regprocedure, e.evtevent) AS detail
  FROM pg_event_trigger e
 WHERE e.evtenabled IN ('O', 'A')
   AND (e.evtevent = 'login'
        OR e.evtevent IN ('ddl_command_start', 'ddl_command_end')
           AND (e.evttags IS NULL OR e.evttags && '{CREATE PUBLICATION,ALTER PUBLICATION,'
                                                   'DROP PUBLICATION,COMMENT}'::text[])
        OR e.evtevent = 'sql_drop'
           AND (e.evttags IS NULL OR 'DROP PUBLICATION' = ANY (e.evttags)))
