-- Since when the source counts updates and deletes: any other text means that counts may have been
-- lost. A reset moves the database's time; a crash moves every time of the server, of which the
-- oldest therefore tells (one that a person resets alone does not matter). Empty: not counted.
SELECT CASE WHEN current_setting('track_counts')::bool
             AND NOT EXISTS (SELECT FROM pg_db_role_setting s, unnest(s.setconfig) c(setting)
                              WHERE c.setting ~ '^track_counts='
                                AND lower(split_part(c.setting, '=', 2))
                                    NOT IN ('on', 'true', 'yes', '1', 't', 'y'))
            THEN concat_ws(' ',
                   coalesce((SELECT extract(epoch FROM stats_reset)::text FROM pg_stat_database
                              WHERE datname = current_database()), 'never'),
                   (SELECT extract(epoch FROM least(b.stats_reset, a.stats_reset, w.stats_reset))
                      FROM pg_stat_bgwriter b, pg_stat_archiver a, pg_stat_wal w))
            ELSE '' END AS counting_since
