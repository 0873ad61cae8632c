-- At least one of every kind of object that a schema can hold, and every odd identifier: quotes,
-- dots, spaces, unicode, line breaks, 63 bytes, reserved words, upper case. Runs as superuser in an
-- empty UTF-8 database of PostgreSQL 15 or newer; roles.sql has run before.
SET client_min_messages = warning;
ALTER DEFAULT PRIVILEGES FOR ROLE torture_owner GRANT SELECT ON TABLES TO torture_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE torture_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- the database itself
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I OWNER TO torture_owner', current_database());
    EXECUTE format($q$ALTER DATABASE %I SET work_mem = '7MB'$q$, current_database());
    EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 77', current_database());
    EXECUTE format($q$COMMENT ON DATABASE %I IS 'all of it'$q$, current_database());
    EXECUTE format('ALTER ROLE torture_reader IN DATABASE %I SET search_path = app, "a b"',
                   current_database());
    EXECUTE format('GRANT CREATE ON DATABASE %I TO torture_reader WITH GRANT OPTION',
                   current_database());
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;

-- schemas
CREATE SCHEMA app AUTHORIZATION torture_owner;
CREATE SCHEMA "Odd ""schema"". of ☃ 'x'" AUTHORIZATION "Odd ""rôle"". of ☃ 'x'";
CREATE SCHEMA "select";
CREATE SCHEMA "a_schema_whose_name_is_as_long_as_postgresql_allows_63_bytes_é";
COMMENT ON SCHEMA app IS 'the application''s; "all" of it';
GRANT USAGE ON SCHEMA app TO torture_reader;
GRANT USAGE, CREATE ON SCHEMA "Odd ""schema"". of ☃ 'x'" TO torture_grantor WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE torture_owner IN SCHEMA app GRANT USAGE ON SEQUENCES TO torture_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE torture_owner IN SCHEMA app GRANT EXECUTE ON FUNCTIONS TO torture_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE torture_owner IN SCHEMA app GRANT USAGE ON TYPES TO torture_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE torture_owner GRANT USAGE ON SCHEMAS TO torture_reader;

-- types
CREATE TYPE app.status AS ENUM ('new', 'paid', 'it''s gone', '☃');
ALTER TYPE app.status ADD VALUE 'packed' BEFORE 'paid';
ALTER TYPE app.status OWNER TO torture_owner;
COMMENT ON TYPE app.status IS 'what became of it';
CREATE TYPE app.pair AS (a int, "B b" text COLLATE "C");
COMMENT ON COLUMN app.pair.a IS 'the first';
GRANT USAGE ON TYPE app.pair TO torture_reader;
CREATE TYPE app.empty_type AS ();
CREATE DOMAIN app.positive AS int DEFAULT 1 NOT NULL CHECK (VALUE > 0);
ALTER DOMAIN app.positive ADD CONSTRAINT "below a million" CHECK (VALUE < 1000000) NOT VALID;
COMMENT ON DOMAIN app.positive IS 'more than nothing';
COMMENT ON CONSTRAINT "below a million" ON DOMAIN app.positive IS 'not too much';
CREATE DOMAIN app.code AS varchar(8) COLLATE "C" CHECK (VALUE ~ '^[A-Z]+$');
CREATE FUNCTION app.time_diff(time, time) RETURNS float8 LANGUAGE sql IMMUTABLE AS
    $$ SELECT EXTRACT(EPOCH FROM ($1 - $2)) $$;
CREATE TYPE app.timerange AS RANGE (SUBTYPE = time, SUBTYPE_DIFF = app.time_diff, MULTIRANGE_TYPE_NAME = app.timeranges);
CREATE TYPE app.shell;
CREATE TYPE app.base;
CREATE FUNCTION app.base_in(cstring) RETURNS app.base LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION app.base_out(app.base) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE app.base (INPUT = app.base_in, OUTPUT = app.base_out, LIKE = int4);
CREATE TYPE "Odd ""schema"". of ☃ 'x'"."Odd ""type"". of ☃ 'x'" AS ENUM ('A', 'b');

-- collations and conversions
CREATE COLLATION app.german (PROVIDER = libc, LOCALE = 'C');
ALTER COLLATION app.german OWNER TO torture_owner;
COMMENT ON COLLATION app.german IS 'as they sort';
CREATE CONVERSION app.conversion FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION app.conversion IS 'from the old world';

-- functions, procedures, aggregates, languages
CREATE FUNCTION app.add(a int, b int DEFAULT 2, OUT c int) LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 7 AS 'SELECT a + b';
ALTER FUNCTION app.add OWNER TO torture_owner;
COMMENT ON FUNCTION app.add(int, int) IS 'adds';
GRANT EXECUTE ON FUNCTION app.add(int, int) TO torture_reader WITH GRANT OPTION;
CREATE FUNCTION app.secret() RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = app, pg_temp AS
    $body$ BEGIN RETURN 'it''s $$ a secret'::text; END $body$;
REVOKE EXECUTE ON FUNCTION app.secret() FROM PUBLIC;
CREATE FUNCTION app.add(a text, VARIADIC b text[]) RETURNS SETOF text LANGUAGE sql STABLE ROWS 5 AS
    'SELECT a UNION ALL SELECT unnest(b)';
CREATE FUNCTION app.standard_body(a int) RETURNS int LANGUAGE sql IMMUTABLE RETURN a + 1;
ALTER FUNCTION app.standard_body(int) DEPENDS ON EXTENSION plpgsql;
CREATE FUNCTION app.table_of(n int) RETURNS TABLE (i int, t text) LANGUAGE plpgsql AS
    $$ BEGIN RETURN QUERY SELECT n, 'x'; END $$;
CREATE FUNCTION app.label(app.pair) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT ($1).a || ($1)."B b" $$;
CREATE FUNCTION app.window_function() RETURNS bigint LANGUAGE internal WINDOW IMMUTABLE AS 'window_row_number';
CREATE FUNCTION "Odd ""schema"". of ☃ 'x'"."Odd ""function"". of ☃ 'x'"("select" app.status)
    RETURNS app.status LANGUAGE sql AS 'SELECT $1';
CREATE PROCEDURE app.do_it(INOUT a int) LANGUAGE plpgsql AS $$ BEGIN a := a + 1; COMMIT; END $$;
COMMENT ON PROCEDURE app.do_it(int) IS 'does it';
ALTER PROCEDURE app.do_it(int) DEPENDS ON EXTENSION plpgsql;
CREATE AGGREGATE app.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', COMBINEFUNC = int4pl,
    PARALLEL = SAFE);
ALTER AGGREGATE app.total(int) OWNER TO torture_owner;
COMMENT ON AGGREGATE app.total(int) IS 'sums up';
CREATE AGGREGATE app.median_like(float8 ORDER BY int) (SFUNC = ordered_set_transition, STYPE = internal,
    FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
CREATE FUNCTION app.call_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION app.inline_handler(internal) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE LANGUAGE torture_language HANDLER app.call_handler INLINE app.inline_handler;
COMMENT ON LANGUAGE torture_language IS 'another name for it';
GRANT USAGE ON LANGUAGE plpgsql TO torture_reader;

-- casts, transforms, operators and what indexes need of them
CREATE CAST (app.pair AS text) WITH FUNCTION app.label(app.pair) AS ASSIGNMENT;
COMMENT ON CAST (app.pair AS text) IS 'a pair says';
CREATE CAST (app.base AS int) WITHOUT FUNCTION;
CREATE CAST (int AS app.status) WITH INOUT AS IMPLICIT;
CREATE FUNCTION app.from_sql(internal) RETURNS internal LANGUAGE internal IMMUTABLE AS 'prsd_lextype';
CREATE TRANSFORM FOR app.pair LANGUAGE torture_language (FROM SQL WITH FUNCTION app.from_sql(internal));
COMMENT ON TRANSFORM FOR app.pair LANGUAGE torture_language IS 'transforms';
CREATE FUNCTION app.base_lt(app.base, app.base) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4lt';
CREATE FUNCTION app.base_le(app.base, app.base) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4le';
CREATE FUNCTION app.base_eq(app.base, app.base) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
CREATE FUNCTION app.base_ge(app.base, app.base) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4ge';
CREATE FUNCTION app.base_gt(app.base, app.base) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4gt';
CREATE FUNCTION app.base_cmp(app.base, app.base) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE OPERATOR app.< (FUNCTION = app.base_lt, LEFTARG = app.base, RIGHTARG = app.base,
    COMMUTATOR = OPERATOR(app.>), NEGATOR = OPERATOR(app.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR app.<= (FUNCTION = app.base_le, LEFTARG = app.base, RIGHTARG = app.base);
CREATE OPERATOR app.= (FUNCTION = app.base_eq, LEFTARG = app.base, RIGHTARG = app.base,
    COMMUTATOR = OPERATOR(app.=), RESTRICT = eqsel, JOIN = eqjoinsel, MERGES);
CREATE OPERATOR app.>= (FUNCTION = app.base_ge, LEFTARG = app.base, RIGHTARG = app.base);
CREATE OPERATOR app.> (FUNCTION = app.base_gt, LEFTARG = app.base, RIGHTARG = app.base);
CREATE OPERATOR app.!!! (FUNCTION = app.base_out, RIGHTARG = app.base);
ALTER OPERATOR app.!!! (NONE, app.base) OWNER TO torture_owner;
COMMENT ON OPERATOR app.= (app.base, app.base) IS 'the same';
CREATE OPERATOR FAMILY app.base_family USING btree;
COMMENT ON OPERATOR FAMILY app.base_family USING btree IS 'a family';
CREATE OPERATOR CLASS app.base_class DEFAULT FOR TYPE app.base USING btree FAMILY app.base_family AS
    OPERATOR 1 app.<, OPERATOR 2 app.<=, OPERATOR 3 app.=, OPERATOR 4 app.>=, OPERATOR 5 app.>,
    FUNCTION 1 app.base_cmp(app.base, app.base);
COMMENT ON OPERATOR CLASS app.base_class USING btree IS 'a class';
CREATE FUNCTION app.base_int_cmp(app.base, int) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
ALTER OPERATOR FAMILY app.base_family USING btree ADD FUNCTION 1 (app.base, int) app.base_int_cmp(app.base, int);
CREATE OPERATOR CLASS app.lone_class FOR TYPE int USING hash AS OPERATOR 1 =, FUNCTION 1 hashint4(int);
CREATE ACCESS METHOD torture_heap TYPE TABLE HANDLER heap_tableam_handler;
COMMENT ON ACCESS METHOD torture_heap IS 'heap by another name';

-- text search
CREATE TEXT SEARCH DICTIONARY app.dictionary (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH PARSER app.parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,
    LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE app.template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH CONFIGURATION app.configuration (PARSER = app.parser);
ALTER TEXT SEARCH CONFIGURATION app.configuration ADD MAPPING FOR asciiword, word WITH app.dictionary, simple;
ALTER TEXT SEARCH CONFIGURATION app.configuration OWNER TO torture_owner;
COMMENT ON TEXT SEARCH CONFIGURATION app.configuration IS 'finds';
COMMENT ON TEXT SEARCH DICTIONARY app.dictionary IS 'knows';
COMMENT ON TEXT SEARCH PARSER app.parser IS 'parses';
COMMENT ON TEXT SEARCH TEMPLATE app.template IS 'is copied';

-- foreign data
CREATE FOREIGN DATA WRAPPER torture_wrapper OPTIONS (debug 'true');
COMMENT ON FOREIGN DATA WRAPPER torture_wrapper IS 'wraps';
GRANT USAGE ON FOREIGN DATA WRAPPER torture_wrapper TO torture_reader;
CREATE SERVER "Odd ""server"". of ☃ 'x'" TYPE 'x' VERSION '1.2' FOREIGN DATA WRAPPER torture_wrapper
    OPTIONS (host 'nowhere', "a b" 'c''d');
COMMENT ON SERVER "Odd ""server"". of ☃ 'x'" IS 'serves';
GRANT USAGE ON FOREIGN SERVER "Odd ""server"". of ☃ 'x'" TO torture_owner;
CREATE USER MAPPING FOR torture_owner SERVER "Odd ""server"". of ☃ 'x'" OPTIONS (user 'me', password 'mapped secret');
CREATE USER MAPPING FOR PUBLIC SERVER "Odd ""server"". of ☃ 'x'";
CREATE FOREIGN TABLE app.foreign_table (a int OPTIONS (column_name 'A') NOT NULL, b text, CHECK (a > 0))
    SERVER "Odd ""server"". of ☃ 'x'" OPTIONS (table_name 't');
COMMENT ON FOREIGN TABLE app.foreign_table IS 'elsewhere';
GRANT SELECT ON app.foreign_table TO torture_reader;

-- sequences
CREATE SEQUENCE app.counter AS smallint INCREMENT -2 MINVALUE -1000 MAXVALUE 0 START 0 CACHE 5 CYCLE;
ALTER SEQUENCE app.counter OWNER TO torture_owner;
GRANT USAGE, SELECT ON SEQUENCE app.counter TO torture_reader;
COMMENT ON SEQUENCE app.counter IS 'counts';
CREATE SEQUENCE app.free START 100;

-- tables
CREATE UNLOGGED TABLE app.unlogged (id int PRIMARY KEY, x text);
CREATE TABLE app.customer (
    id bigint GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5) PRIMARY KEY,
    code app.code, mood app.status DEFAULT 'new', pair app.pair, positive app.positive DEFAULT 5, based app.base,
    email text NOT NULL UNIQUE,
    email_lower text GENERATED ALWAYS AS (lower(email)) STORED,
    tags text[] DEFAULT '{}', profile jsonb, during app.timerange, raw bytea, at timestamptz DEFAULT now(),
    price numeric(12, 3), sorted text COLLATE app.german, bits bit varying(5), doc json,
    CONSTRAINT "email has @" CHECK (email LIKE '%@%') NO INHERIT,
    CONSTRAINT not_both CHECK (NOT (code IS NULL AND mood IS NULL)) NOT VALID
);
ALTER TABLE app.customer OWNER TO torture_owner;
ALTER TABLE app.customer ALTER COLUMN raw SET STORAGE EXTERNAL, ALTER COLUMN email SET STATISTICS 500,
    ALTER COLUMN email SET (n_distinct = -0.5), ALTER COLUMN profile SET COMPRESSION pglz;
ALTER TABLE app.customer SET (fillfactor = 80, autovacuum_enabled = false, toast.autovacuum_vacuum_threshold = 77);
CREATE INDEX customer_tags ON app.customer USING gin (tags) WITH (fastupdate = off);
CREATE INDEX customer_partial ON app.customer (email_lower) WHERE profile IS NOT NULL;
CREATE INDEX customer_expression ON app.customer ((upper(email)) text_pattern_ops DESC NULLS LAST, lower(email)) INCLUDE (id);
ALTER INDEX app.customer_expression ALTER COLUMN 1 SET STATISTICS 300;
CREATE INDEX customer_based ON app.customer (based);
CREATE UNIQUE INDEX customer_nulls ON app.customer (code, email, mood) NULLS NOT DISTINCT;
CREATE INDEX customer_search ON app.customer USING gin (to_tsvector('app.configuration'::regconfig, email));
CREATE INDEX customer_brin ON app.customer USING brin (at) WITH (pages_per_range = 7);
CREATE INDEX customer_hash ON app.customer USING hash (price);
CREATE INDEX customer_range ON app.customer USING gist (during);
CREATE INDEX customer_clustered ON app.customer (at);
ALTER TABLE app.customer CLUSTER ON customer_clustered;
COMMENT ON TABLE app.customer IS 'who pays; "or not"
over two lines';
COMMENT ON COLUMN app.customer.email IS 'with @';
COMMENT ON INDEX app.customer_tags IS 'finds';
COMMENT ON CONSTRAINT not_both ON app.customer IS 'one of the two';
CREATE STATISTICS app.customer_statistics (ndistinct, dependencies) ON email, email_lower FROM app.customer;
ALTER STATISTICS app.customer_statistics SET STATISTICS 333;
CREATE STATISTICS app.customer_expressions ON (lower(email)), mood FROM app.customer;
ALTER STATISTICS app.customer_expressions OWNER TO torture_owner;
COMMENT ON STATISTICS app.customer_statistics IS 'knows';
GRANT SELECT, INSERT ON app.customer TO torture_reader;
GRANT ALL ON app.customer TO "select";
GRANT SELECT (id, email), UPDATE (email) ON app.customer TO "Odd ""rôle"". of ☃ 'x'" WITH GRANT OPTION;
SET ROLE torture_owner;
GRANT DELETE ON app.customer TO torture_grantor WITH GRANT OPTION;
RESET ROLE;
SET SESSION AUTHORIZATION torture_grantor;
GRANT DELETE ON app.customer TO torture_reader;
RESET SESSION AUTHORIZATION;

CREATE TABLE app.orders (
    id bigint NOT NULL, placed date NOT NULL, customer_id bigint NOT NULL, status app.status DEFAULT 'new' NOT NULL,
    amount app.positive, PRIMARY KEY (id, placed, status) WITH (fillfactor = 81)
) PARTITION BY RANGE (placed);
CREATE TABLE app.orders_2024 PARTITION OF app.orders FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
    PARTITION BY LIST (status);
CREATE TABLE app.orders_2024_new PARTITION OF app.orders_2024 (amount DEFAULT 9) FOR VALUES IN ('new');
CREATE TABLE app.orders_2024_rest PARTITION OF app.orders_2024 DEFAULT;
CREATE TABLE app.orders_default PARTITION OF app.orders DEFAULT;
-- columns in another order, one dropped, and attached by hand
CREATE TABLE app.orders_2023 (gone int, amount app.positive, customer_id bigint NOT NULL, id bigint NOT NULL,
    status app.status DEFAULT 'paid' NOT NULL, placed date NOT NULL);
ALTER TABLE app.orders_2023 DROP COLUMN gone;
ALTER TABLE app.orders ATTACH PARTITION app.orders_2023 FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE INDEX orders_customer ON app.orders (customer_id);
CREATE INDEX orders_only_here ON app.orders_2023 (amount);
-- an index that most partitions have no part of yet
CREATE INDEX orders_begun ON ONLY app.orders (status, amount);
CREATE INDEX orders_2023_begun ON app.orders_2023 (status, amount);
ALTER INDEX app.orders_begun ATTACH PARTITION app.orders_2023_begun;
ALTER TABLE app.orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id)
    REFERENCES app.customer (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE app.hashed (k int PRIMARY KEY, v text) PARTITION BY HASH (k);
CREATE TABLE app.hashed_0 PARTITION OF app.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.hashed_1 PARTITION OF app.hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
-- a key that no partition has a part of yet
ALTER TABLE ONLY app.hashed ADD CONSTRAINT hashed_begun_key UNIQUE (v, k);
CREATE TABLE app.line (
    order_id bigint, placed date, status app.status DEFAULT 'new', position int, note text, during int4range,
    PRIMARY KEY (order_id, placed, position),
    EXCLUDE USING gist (during WITH &&) WHERE (note IS NOT NULL) DEFERRABLE,
    CONSTRAINT line_order FOREIGN KEY (order_id, placed, status) REFERENCES app.orders (id, placed, status)
        MATCH FULL ON DELETE SET DEFAULT
);
ALTER TABLE app.line ADD CONSTRAINT line_self FOREIGN KEY (order_id, placed, position) REFERENCES app.line NOT VALID;
ALTER TABLE app.line ADD CONSTRAINT line_deferred UNIQUE (note) WITH (deduplicate_items = off) DEFERRABLE;
CREATE TABLE app.parent (id int PRIMARY KEY WITH (fillfactor = 82), x text DEFAULT 'p', CHECK (id > 0));
CREATE TABLE app.child (y text) INHERITS (app.parent);
ALTER TABLE app.child ADD PRIMARY KEY (id);
ALTER TABLE app.child ALTER x SET DEFAULT 'c';
CREATE TABLE app.other_parent (z text);
ALTER TABLE app.other_parent REPLICA IDENTITY FULL;
CREATE TABLE app.heir (PRIMARY KEY (id)) INHERITS (app.other_parent, app.parent);
CREATE TABLE app.typed OF app.pair (a WITH OPTIONS PRIMARY KEY);
CREATE TABLE app.full_identity (a text, b int, c float8);
ALTER TABLE app.full_identity REPLICA IDENTITY FULL;
CREATE TABLE app.by_index (code text NOT NULL, other int NOT NULL);
CREATE UNIQUE INDEX by_index_identity ON app.by_index (code);
ALTER TABLE app.by_index REPLICA IDENTITY USING INDEX by_index_identity;
CREATE TABLE app.by_method (id int PRIMARY KEY) USING torture_heap;
CREATE TABLE app.no_columns ();
ALTER TABLE app.no_columns REPLICA IDENTITY FULL;
CREATE TABLE app.serials (id serial PRIMARY KEY, big bigserial, owned int);
CREATE SEQUENCE app.owned OWNED BY app.serials.owned;
ALTER TABLE app.serials ALTER owned SET DEFAULT nextval('app.owned') * 2;
CREATE TABLE "Odd ""schema"". of ☃ 'x'"."Odd ""table"". of ☃ 'x'
two" ("Odd ""column"". of ☃ 'x'" int DEFAULT 1, "SELECT" text, "a
b" app.status, CONSTRAINT "Odd ""key"". of ☃ 'x'
two" PRIMARY KEY ("Odd ""column"". of ☃ 'x'"));
CREATE INDEX "Odd ""index"". of ☃ 'x'" ON "Odd ""schema"". of ☃ 'x'"."Odd ""table"". of ☃ 'x'
two" ("a
b");
ALTER TABLE "Odd ""schema"". of ☃ 'x'"."Odd ""table"". of ☃ 'x'
two" OWNER TO "Odd ""rôle"". of ☃ 'x'";
COMMENT ON COLUMN "Odd ""schema"". of ☃ 'x'"."Odd ""table"". of ☃ 'x'
two"."SELECT" IS 'odd -- comment /* with */ "all"';
CREATE TABLE "a_schema_whose_name_is_as_long_as_postgresql_allows_63_bytes_é"."a_table_whose_name_is_as_long_as_postgresql_allows_63_bytes_é_" (
    "a_column_whose_name_is_as_long_as_postgresql_allows_63_bytes_é" int
        CONSTRAINT "a_key_whose_name_is_as_long_as_postgresql_allows_63_bytes_éé_" PRIMARY KEY);
CREATE TABLE "select"."from" ("where" int PRIMARY KEY, "group" int REFERENCES "select"."from");
CREATE TABLE public."Public" (id int PRIMARY KEY);

-- views, rules
CREATE VIEW app.paid WITH (security_barrier = true, check_option = local) AS
    SELECT * FROM app.orders WHERE status = 'paid';
ALTER VIEW app.paid OWNER TO torture_owner;
ALTER VIEW app.paid ALTER COLUMN amount SET DEFAULT 3;
COMMENT ON VIEW app.paid IS 'money';
GRANT SELECT ON app.paid TO torture_reader;
CREATE VIEW app.joined AS
    SELECT c.id, o.placed, sum(o.amount) OVER w AS running, count(*) FILTER (WHERE o.amount > 3) OVER w AS n,
           (SELECT max(l.note) FROM app.line l WHERE l.order_id = o.id) AS note
      FROM app.customer c LEFT JOIN app.orders o ON o.customer_id = c.id
    WINDOW w AS (PARTITION BY c.id ORDER BY o.placed);
CREATE VIEW app.various AS
    WITH RECURSIVE r(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM r WHERE i < 5)
    SELECT r.i, x.a AS "Odd ""name""", g.g, CASE WHEN r.i > 2 THEN 'a' ELSE 'b'::text END AS word,
           ROW(1, 2)::text AS record, ARRAY[1, 2] AS arr, EXTRACT(year FROM now()) AS y, current_user AS me,
           (r.i, 2) IN (SELECT 1, 2) AS inside, count(*) AS n, grouping(r.i) AS grp,
           substring('abc' FROM 2) AS sub, trim(both 'x' FROM 'xax') AS trimmed,
           now() AT TIME ZONE 'UTC' AS utc, 'x' COLLATE "C" AS coll
      FROM r CROSS JOIN LATERAL (SELECT r.i AS a) x JOIN generate_series(1, 3) WITH ORDINALITY g(g, o) ON g.o = r.i
     GROUP BY GROUPING SETS ((r.i, x.a, g.g), ()) HAVING count(*) > 0 ORDER BY 1 NULLS FIRST LIMIT 10;
CREATE RECURSIVE VIEW app.recursive (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM recursive WHERE n < 3;
-- it needs the primary key, which comes later
CREATE VIEW app.grouped AS SELECT id, email FROM app.customer GROUP BY id;
CREATE RULE paid_delete AS ON DELETE TO app.paid DO INSTEAD NOTHING;
CREATE RULE "Odd ""rule"". of ☃ 'x'" AS ON INSERT TO app.by_method WHERE new.id < 0 DO ALSO INSERT INTO app.parent VALUES (new.id);
ALTER TABLE app.by_method DISABLE RULE "Odd ""rule"". of ☃ 'x'";
COMMENT ON RULE paid_delete ON app.paid IS 'nothing goes';
CREATE MATERIALIZED VIEW app.totals WITH (fillfactor = 90) AS
    SELECT customer_id, sum(amount) AS total FROM app.orders GROUP BY 1;
CREATE UNIQUE INDEX totals_customer ON app.totals (customer_id);
ALTER INDEX app.totals_customer DEPENDS ON EXTENSION plpgsql;
ALTER MATERIALIZED VIEW app.totals DEPENDS ON EXTENSION plpgsql;
COMMENT ON MATERIALIZED VIEW app.totals IS 'sums';
GRANT SELECT ON app.totals TO torture_reader;
CREATE VIEW app.big_totals AS SELECT * FROM app.totals WHERE total > 10;
CREATE MATERIALIZED VIEW app.a_summary AS SELECT count(*) AS n FROM app.big_totals;
CREATE MATERIALIZED VIEW app.never_populated AS SELECT 1 AS one, 'x'::text AS word WITH NO DATA;
ALTER MATERIALIZED VIEW app.never_populated ALTER word SET STATISTICS 400, ALTER word SET (n_distinct = 6),
    ALTER word SET STORAGE EXTERNAL, ALTER word SET COMPRESSION pglz, SET (toast.autovacuum_vacuum_threshold = 78);

-- triggers
CREATE TABLE app.audit (id bigserial PRIMARY KEY, at timestamptz DEFAULT now(), what text);
CREATE FUNCTION app.log_it() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO app.audit (what) VALUES (TG_NAME); RETURN NULL; END $$;
CREATE TRIGGER ordinary AFTER INSERT OR UPDATE OF email ON app.customer
    FOR EACH ROW WHEN (new.email <> 'x') EXECUTE FUNCTION app.log_it('a', 'b''c');
CREATE TRIGGER always AFTER INSERT ON app.customer FOR EACH ROW EXECUTE FUNCTION app.log_it();
ALTER TABLE app.customer ENABLE ALWAYS TRIGGER always;
CREATE TRIGGER on_replica AFTER INSERT ON app.customer FOR EACH ROW EXECUTE FUNCTION app.log_it();
ALTER TABLE app.customer ENABLE REPLICA TRIGGER on_replica;
CREATE TRIGGER disabled AFTER INSERT ON app.customer FOR EACH ROW EXECUTE FUNCTION app.log_it();
ALTER TABLE app.customer DISABLE TRIGGER disabled;
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON app.customer DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION app.log_it();
CREATE TRIGGER statement_wide AFTER DELETE ON app.customer REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION app.log_it();
CREATE TRIGGER on_partitions AFTER INSERT ON app.orders FOR EACH ROW EXECUTE FUNCTION app.log_it();
ALTER TABLE app.orders ENABLE ALWAYS TRIGGER on_partitions;
CREATE TRIGGER on_view INSTEAD OF INSERT ON app.joined FOR EACH ROW EXECUTE FUNCTION app.log_it();
COMMENT ON TRIGGER ordinary ON app.customer IS 'logs';
ALTER TRIGGER ordinary ON app.customer DEPENDS ON EXTENSION plpgsql;
CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE EVENT TRIGGER "Odd ""event"". of ☃ 'x'" ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP TABLE')
    EXECUTE FUNCTION app.on_ddl();
COMMENT ON EVENT TRIGGER "Odd ""event"". of ☃ 'x'" IS 'watches';
CREATE EVENT TRIGGER event_disabled ON sql_drop EXECUTE FUNCTION app.on_ddl();
ALTER EVENT TRIGGER event_disabled DISABLE;

-- row-level security
ALTER TABLE app.customer ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.line FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON app.customer AS RESTRICTIVE FOR SELECT TO torture_reader, "select" USING (email = current_user);
CREATE POLICY "Odd ""policy"". of ☃ 'x'" ON app.customer FOR INSERT WITH CHECK (email <> 'nobody@');
COMMENT ON POLICY own ON app.customer IS 'one''s own';

-- privileges on what the system brings
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text) TO torture_reader;
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_backend_pid() FROM PUBLIC;
GRANT SELECT ON pg_catalog.pg_authid TO torture_grantor;
REVOKE USAGE ON SCHEMA public FROM PUBLIC;
COMMENT ON SCHEMA public IS 'nobody''s';
REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;

-- a publication of the source's own: listed for people, not moved
CREATE PUBLICATION theirs FOR TABLE app.audit;
