-- A schema with about everything that needs care. Runs as superuser in an empty database; the
-- roles app_owner and app_reader exist.
CREATE SCHEMA shop AUTHORIZATION app_owner;
CREATE SCHEMA "Odd ""schema"" ünïcode";
GRANT USAGE ON SCHEMA shop TO app_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA shop GRANT SELECT ON TABLES TO app_reader;

CREATE TYPE shop.status AS ENUM ('new', 'paid', 'it''s gone');
CREATE DOMAIN shop.positive AS int CHECK (VALUE > 0);
ALTER DOMAIN shop.positive ADD CONSTRAINT below_a_million CHECK (VALUE < 1000000) NOT VALID;

CREATE TABLE shop.customer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    email_lower text GENERATED ALWAYS AS (lower(email)) STORED,
    tags text[] DEFAULT '{}',
    profile jsonb
);
ALTER TABLE shop.customer OWNER TO app_owner;
CREATE INDEX customer_tags ON shop.customer USING gin (tags);
CREATE INDEX customer_partial ON shop.customer (email_lower) WHERE profile IS NOT NULL;
CREATE INDEX customer_expression ON shop.customer ((upper(email))) INCLUDE (id);
COMMENT ON INDEX shop.customer_tags IS 'finds; by "tag"
over two lines';
CREATE STATISTICS shop.customer_stats ON email, email_lower FROM shop.customer;

CREATE TABLE shop.orders (
    id bigint NOT NULL,
    placed date NOT NULL,
    customer_id bigint NOT NULL,
    status shop.status DEFAULT 'new',
    amount shop.positive,
    PRIMARY KEY (id, placed)
) PARTITION BY RANGE (placed);
CREATE TABLE shop.orders_2024 PARTITION OF shop.orders
    FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY RANGE (placed);
CREATE TABLE shop.orders_2024_may PARTITION OF shop.orders_2024
    FOR VALUES FROM ('2024-05-01') TO ('2024-06-01');
CREATE TABLE shop.orders_2024_rest PARTITION OF shop.orders_2024 DEFAULT;
CREATE TABLE shop.orders_default PARTITION OF shop.orders DEFAULT;
CREATE INDEX orders_customer ON shop.orders (customer_id);
ALTER TABLE shop.orders ADD CONSTRAINT orders_customer_fkey
    FOREIGN KEY (customer_id) REFERENCES shop.customer (id) ON DELETE CASCADE DEFERRABLE;

-- references a partitioned table
CREATE TABLE shop.line (
    order_id bigint, placed date, position int, note text,
    EXCLUDE USING btree (order_id WITH =, placed WITH =, position WITH =),
    CONSTRAINT line_position_check CHECK (position > 0),
    FOREIGN KEY (order_id, placed) REFERENCES shop.orders (id, placed)
);
ALTER TABLE shop.line REPLICA IDENTITY FULL;
CREATE INDEX line_note ON shop.line (note);
CREATE UNIQUE INDEX line_unique ON shop.line (order_id, placed, position);
ALTER TABLE shop.line ADD CONSTRAINT line_note_check CHECK (note <> 'x') NOT VALID;
ALTER TABLE shop.line ADD CONSTRAINT line_self_fkey
    FOREIGN KEY (order_id, placed, position)
    REFERENCES shop.line (order_id, placed, position) NOT VALID;

CREATE TABLE shop.full_identity (a text, b int);
ALTER TABLE shop.full_identity REPLICA IDENTITY FULL;
CREATE INDEX full_identity_partial ON shop.full_identity (b) WHERE b > 0;
CREATE INDEX full_identity_hash ON shop.full_identity USING hash (a);
CREATE INDEX full_identity_btree ON shop.full_identity (b);

CREATE TABLE shop.using_index (code text NOT NULL, other int NOT NULL);
CREATE UNIQUE INDEX using_index_identity ON shop.using_index (code);
CREATE UNIQUE INDEX using_index_other ON shop.using_index (other);
ALTER TABLE shop.using_index REPLICA IDENTITY USING INDEX using_index_identity;

CREATE TABLE shop.using_constraint (code text NOT NULL CONSTRAINT by_code UNIQUE);
ALTER TABLE shop.using_constraint REPLICA IDENTITY USING INDEX by_code;

CREATE TABLE "Odd ""schema"" ünïcode"."Tab
le; ""with"" ☃" ("a
b" int, CONSTRAINT "pk
of ☃" PRIMARY KEY ("a
b"));
CREATE INDEX "in
dex" ON "Odd ""schema"" ünïcode"."Tab
le; ""with"" ☃" ("a
b" DESC);
CREATE TABLE "Odd ""schema"" ünïcode"."Parti
tioned" (k int PRIMARY KEY) PARTITION BY HASH (k);
CREATE TABLE "Odd ""schema"" ünïcode"."Parti
0" PARTITION OF "Odd ""schema"" ünïcode"."Parti
tioned" FOR VALUES WITH (MODULUS 1, REMAINDER 0);
ALTER INDEX "Odd ""schema"" ünïcode"."Parti
0_pkey" RENAME TO "pk
0";

CREATE TABLE shop.audit (at timestamptz DEFAULT now(), what text);
CREATE FUNCTION shop.log_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO shop.audit (what) VALUES (TG_NAME);
    RETURN NULL;
END $$;
CREATE TRIGGER ordinary AFTER INSERT ON shop.customer FOR EACH ROW EXECUTE FUNCTION shop.log_it();
CREATE TRIGGER always AFTER INSERT ON shop.customer FOR EACH ROW EXECUTE FUNCTION shop.log_it();
ALTER TABLE shop.customer ENABLE ALWAYS TRIGGER always;
CREATE TRIGGER "on re
plica" AFTER INSERT ON shop.customer FOR EACH ROW EXECUTE FUNCTION shop.log_it();
ALTER TABLE shop.customer ENABLE REPLICA TRIGGER "on re
plica";
CREATE TRIGGER disabled AFTER INSERT ON shop.customer FOR EACH ROW EXECUTE FUNCTION shop.log_it();
ALTER TABLE shop.customer DISABLE TRIGGER disabled;
CREATE TRIGGER on_partitions AFTER INSERT ON shop.orders
    FOR EACH ROW EXECUTE FUNCTION shop.log_it();
ALTER TABLE shop.orders ENABLE ALWAYS TRIGGER on_partitions;

CREATE VIEW shop.paid AS SELECT * FROM shop.orders WHERE status = 'paid';
CREATE RULE paid_delete AS ON DELETE TO shop.paid DO INSTEAD NOTHING;
CREATE MATERIALIZED VIEW shop.totals AS
    SELECT customer_id, sum(amount) AS total FROM shop.orders GROUP BY 1;
CREATE UNIQUE INDEX totals_customer ON shop.totals (customer_id);
CREATE VIEW shop.big_totals AS SELECT * FROM shop.totals WHERE total > 10;
CREATE MATERIALIZED VIEW shop.a_summary AS SELECT count(*) AS n FROM shop.big_totals;
CREATE MATERIALIZED VIEW shop.never_populated AS SELECT 1 AS one WITH NO DATA;

ALTER TABLE shop.customer ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON shop.customer FOR SELECT TO app_reader USING (email = current_user);
GRANT SELECT (id, email) ON shop.customer TO app_reader;
CREATE SEQUENCE shop.counter INCREMENT -2 MINVALUE -1000 MAXVALUE 0 START 0 CACHE 5;
GRANT USAGE ON SEQUENCE shop.counter TO app_reader;

CREATE FUNCTION shop.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO shop.audit (what) VALUES ('ddl: ' || tg_tag);
END $$;
CREATE EVENT TRIGGER watch_ddl ON ddl_command_end EXECUTE FUNCTION shop.on_ddl();

INSERT INTO shop.customer (email) VALUES ('a@example.org'), ('b@example.org');
INSERT INTO shop.orders VALUES (1, '2024-05-05', 1, 'new', 20), (2, '2024-06-06', 2, 'paid', 30),
                               (3, '2023-01-01', 1, 'new', 5);
INSERT INTO shop.line VALUES (1, '2024-05-05', 1, 'one'), (1, '2024-05-05', 2, 'two');
INSERT INTO shop.full_identity SELECT 'x' || i, i FROM generate_series(1, 500) i;
INSERT INTO shop.using_index VALUES ('a', 1), ('b', 2);
REFRESH MATERIALIZED VIEW shop.totals;
REFRESH MATERIALIZED VIEW shop.a_summary;
