-- Physical standbys (and whatever else streams WAL): connected ones, and slots that wait for one.
SELECT coalesce(nullif(r.application_name, ''), 'pid ' || r.pid) AS object,
       concat_ws(', ', r.client_addr, r.state, r.sync_state) AS detail
  FROM pg_stat_replication r
 WHERE NOT EXISTS (SELECT FROM pg_replication_slots s
                    WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
   AND r.state IS DISTINCT FROM 'backup'
   AND r.pid IN (SELECT pid FROM pg_stat_activity WHERE datid IS NULL)
UNION ALL
SELECT 'slot ' || quote_ident(slot_name), 'no standby is connected to it'
  FROM pg_replication_slots
 WHERE slot_type = 'physical' AND NOT active AND NOT temporary
