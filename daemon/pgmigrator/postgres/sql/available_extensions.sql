-- What CREATE EXTENSION could create here.
SELECT name::text, default_version::text AS version FROM pg_available_extensions
