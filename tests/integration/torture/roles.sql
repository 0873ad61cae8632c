-- The roles of the torture database; names with everything that quoting has to survive.
CREATE ROLE torture_owner LOGIN PASSWORD 'owner''s secret';
CREATE ROLE torture_reader;
CREATE ROLE torture_grantor;
CREATE ROLE "Odd ""rôle"". of ☃ 'x'" NOINHERIT CONNECTION LIMIT 7 VALID UNTIL '2031-02-03 04:05:06+00';
CREATE ROLE "select";
GRANT torture_reader TO "Odd ""rôle"". of ☃ 'x'" WITH ADMIN OPTION;
GRANT torture_owner TO torture_grantor;
ALTER ROLE torture_reader SET work_mem = '8MB';
COMMENT ON ROLE torture_reader IS 'reads; says "nothing"';
