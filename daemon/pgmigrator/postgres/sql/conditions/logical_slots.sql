-- Logical slots of this database whose consumers are not ours.
SELECT quote_ident(slot_name) AS object,
       format('%s, %s', plugin, CASE WHEN active THEN 'read now' ELSE 'read by nobody now' END)
         AS detail
  FROM pg_replication_slots
 WHERE database = current_database() AND NOT temporary
   AND slot_name NOT LIKE 'pgmigrator\_%' AND slot_name !~ '^pg_\d+_sync_\d+_\d+$'
