-- The settings that the checks look at, in base units.
SELECT name, setting
  FROM pg_settings
 WHERE name IN ('wal_level', 'max_replication_slots', 'max_wal_senders', 'max_slot_wal_keep_size',
                'wal_sender_timeout', 'idle_replication_slot_timeout', 'max_connections',
                'max_locks_per_transaction', 'max_prepared_transactions', 'max_worker_processes',
                'max_logical_replication_workers', 'max_sync_workers_per_subscription',
                'max_parallel_apply_workers_per_subscription', 'max_active_replication_origins',
                'track_commit_timestamp')
