-- Our slot, and the WAL that it and the table-sync slots of its subscription keep.
SELECT s.wal_status, s.active,
       coalesce(s.confirmed_flush_lsn - '0/0', 0)::bigint AS confirmed_flush_lsn,
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn), 0)::bigint AS retained_bytes,
       coalesce((SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), y.restart_lsn))
                   FROM pg_replication_slots y
                  WHERE y.slot_name LIKE %(sync_slots)s), 0)::bigint AS sync_retained_bytes,
       s.safe_wal_size AS safe_wal_bytes
  FROM pg_replication_slots s
 WHERE s.slot_name = %(slot)s
