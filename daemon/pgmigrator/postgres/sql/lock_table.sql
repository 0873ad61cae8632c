-- What a dump of this database locks at once, and how many locks the whole server has room for: at the
-- least. With default settings 15 and 18 took 2.2 times as many and more, 19 took 1.4 times as many.
SELECT (SELECT count(*) FROM pg_class c
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
           AND c.relpersistence <> 't') AS tables,
       s.slots AS lock_slots,
       current_setting('max_locks_per_transaction')::bigint * s.slots AS lock_table_size
  FROM (SELECT current_setting('max_connections')::bigint
             + current_setting('max_prepared_transactions')::bigint AS slots) s;
