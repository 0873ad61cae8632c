-- Unlogged tables whose files are not empty. Asking for a size waits for a lock, so that one that
-- somebody holds exclusively is not asked: it counts as one that may hold rows.
SELECT format('%%I.%%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence = 'u'
   AND CASE WHEN EXISTS (SELECT FROM pg_locks l
                          WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock'
                            AND l.database = (SELECT oid FROM pg_database
                                               WHERE datname = current_database()))
            THEN true ELSE pg_relation_size(c.oid) > 0 END
 ORDER BY 1
