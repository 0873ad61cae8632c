-- The roles of the application: owner and group without login, people and programs with a password
-- (set by application.py), memberships, settings, a limit and an expiry.
CREATE ROLE shop_owner NOLOGIN;
CREATE ROLE shop_writers NOLOGIN;
CREATE ROLE shop_app LOGIN CONNECTION LIMIT 50 IN ROLE shop_writers;
CREATE ROLE shop_clerk LOGIN VALID UNTIL '2099-12-31 00:00:00+00';
CREATE ROLE shop_reporting LOGIN NOINHERIT;
CREATE ROLE "Büro Leitung" LOGIN CREATEROLE;
GRANT shop_writers TO "Büro Leitung" WITH ADMIN OPTION;
GRANT pg_read_all_settings TO shop_reporting;
COMMENT ON ROLE shop_app IS 'the web application';
ALTER ROLE shop_app SET lock_timeout = '10s';
ALTER ROLE shop_reporting SET default_transaction_read_only = on;
