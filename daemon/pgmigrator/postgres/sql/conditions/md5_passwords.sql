-- Roles whose passwords are kept as MD5 hashes.
SELECT quote_ident(rolname) AS object FROM pg_authid WHERE rolpassword LIKE 'md5%' AND rolcanlogin
