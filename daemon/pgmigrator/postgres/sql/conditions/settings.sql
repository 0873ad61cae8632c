-- What would end or hinder a replication session of this role in this database.
SELECT name, setting, coalesce(unit, '') AS unit, source
  FROM pg_settings
 WHERE name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout',
                'idle_in_transaction_session_timeout', 'default_transaction_read_only',
                'wal_sender_timeout', 'wal_receiver_timeout')
