-- Settings of databases, of a role in a database, and who may connect.
ALTER DATABASE shop SET timezone = 'Europe/Berlin';
ALTER DATABASE shop SET search_path = sales, catalog, public;
ALTER ROLE shop_reporting IN DATABASE shop SET statement_timeout = '60s';
ALTER DATABASE "Kunden & Archiv" SET "DateStyle" = 'ISO, DMY';
REVOKE CONNECT ON DATABASE shop FROM PUBLIC;
GRANT CONNECT ON DATABASE shop TO shop_writers, shop_clerk, shop_reporting;
GRANT CONNECT, TEMPORARY ON DATABASE "Kunden & Archiv" TO "Büro Leitung";
COMMENT ON DATABASE shop IS 'orders and catalogue';
