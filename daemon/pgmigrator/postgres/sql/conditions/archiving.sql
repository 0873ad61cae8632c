-- An archiver that fails: WAL stays until it succeeds, whatever a slot may keep.
SELECT coalesce(last_failed_wal, '') AS object,
       format('it has failed %s times, last %s s ago', failed_count,
              extract(epoch FROM clock_timestamp() - last_failed_time)::bigint) AS detail
  FROM pg_stat_archiver
 WHERE current_setting('archive_mode') <> 'off'
   AND last_failed_time > coalesce(last_archived_time, '-infinity')
