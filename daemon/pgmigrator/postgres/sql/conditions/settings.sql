-- What would end, hinder or mislead a replication session of this role in this database.
SELECT name, setting, coalesce(unit, '') AS unit, source
  FROM pg_settings
 WHERE name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout',
                'idle_in_transaction_session_timeout', 'default_transaction_read_only',
                'wal_sender_timeout', 'wal_receiver_timeout', 'lc_monetary',
                'array_nulls', 'xmloption', 'output_plugin_libraries',
                'standard_conforming_strings')
 UNION ALL
-- which pg_settings does not show
SELECT 'role', current_setting('role'), '', 'database or user'
