-- The methods of compressing columns that this server was built with.
SELECT unnest(enumvals) AS object FROM pg_settings WHERE name = 'default_toast_compression'
