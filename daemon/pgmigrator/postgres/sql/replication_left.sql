-- Slots on the source that are ours, or that our subscription's table synchronisation left behind.
SELECT s.slot_name::text AS slot_name, s.active,
       (regexp_match(s.slot_name, '^pg_(\d+)_sync_\d+_\d+$'))[1]::bigint AS sync_subscription_oid
  FROM pg_replication_slots s
 WHERE s.database = current_database()
   AND (s.slot_name = %(slot)s
        OR s.slot_name ~ ('^pg_\d+_sync_\d+_' || %(system_identifier)s::text || '$'))
