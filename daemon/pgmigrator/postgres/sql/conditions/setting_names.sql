-- What can be set here: all that is shown, and what ALTER ROLE takes besides. In lower case.
SELECT lower(name) AS object FROM pg_settings
UNION ALL
VALUES ('role'), ('session_authorization'), ('seed')
