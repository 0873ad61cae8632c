-- Slots on the source that are ours, or that our subscription's table synchronisation left behind.
SELECT s.slot_name::text AS slot_name
  FROM pg_replication_slots s
 WHERE s.database = current_database()
   AND (s.slot_name = %(slot)s OR s.slot_name LIKE %(sync_slots)s)
