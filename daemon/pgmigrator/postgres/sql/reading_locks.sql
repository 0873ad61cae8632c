-- What printing all views, rules and bodies in SQL locks until its statement ends, the relations that
-- they read, and how many locks the whole server has room for.
SELECT (SELECT count(DISTINCT (d.classid, d.objid, d.refobjid)) FROM pg_depend d
         WHERE d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass)
           AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'n')
         AS locks,
       current_setting('max_locks_per_transaction')::bigint
         * (current_setting('max_connections')::bigint
            + current_setting('max_prepared_transactions')::bigint) AS lock_table_size
