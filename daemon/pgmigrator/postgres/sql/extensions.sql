-- Extensions installed in this database.
SELECT extname::text AS name, extversion AS version FROM pg_extension WHERE extname <> 'plpgsql'
