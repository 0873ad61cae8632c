-- The time zones that this server knows by name.
SELECT lower(name) AS object FROM pg_timezone_names
