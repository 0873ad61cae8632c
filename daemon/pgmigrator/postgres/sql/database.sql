-- What CREATE DATABASE must repeat. The column of the locale was renamed in 17.
SELECT d.oid::bigint,
       pg_get_userbyid(d.datdba)::text AS owner,
       pg_encoding_to_char(d.encoding)::text AS encoding,
       d.datcollate::text AS collate,
       d.datctype::text AS ctype,
       to_jsonb(d) ->> 'datlocprovider' AS locale_provider,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', '') AS locale,
       (SELECT quote_ident(t.spcname) FROM pg_tablespace t WHERE t.oid = d.dattablespace) AS tablespace,
       d.datconnlimit AS connection_limit
  FROM pg_database d
 WHERE d.datname = %(database)s
