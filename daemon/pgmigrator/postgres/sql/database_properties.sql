-- what CREATE DATABASE must repeat; to_jsonb: 15 and 16 call the locale daticulocale, 15 has no rules
SELECT d.oid,
       pg_get_userbyid(d.datdba) AS owner,
       (SELECT t.spcname FROM pg_tablespace t WHERE t.oid = d.dattablespace) AS tablespace,
       d.datdba = 10 AS owned_by_bootstrap_superuser,
       pg_encoding_to_char(d.encoding) AS encoding,
       d.datcollate AS collate,
       d.datctype AS ctype,
       d.datlocprovider::text AS locale_provider,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', '') AS locale,
       coalesce(to_jsonb(d) ->> 'daticurules', '') AS icu_rules
  FROM pg_database d
 WHERE d.datname = %(database)s;
