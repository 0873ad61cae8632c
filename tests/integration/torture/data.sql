-- Some rows in every table of the torture database.
INSERT INTO app.customer (code, mood, pair, positive, based, email, tags, profile, during, raw, price, sorted, bits, doc)
SELECT CASE WHEN i % 2 = 0 THEN chr(65 + i % 26) END, (enum_range(NULL::app.status))[1 + i % 5], ROW(i, 'b' || i)::app.pair, i, i::text::app.base,
       i || '@example.org', ARRAY['x' || i, NULL, 'a,"b'], jsonb_build_object('i', i), app.timerange('01:00', '02:00'), decode('00ff' || lpad(to_hex(i), 4, '0'), 'hex'),
       i / 7.0, 'ß' || i, B'101', '{"a": 1,  "b": [1, 2]}'
  FROM generate_series(1, 40) i;
INSERT INTO app.orders SELECT i, date '2023-06-01' + i * 20, 10 + 5 * (i % 30), (enum_range(NULL::app.status))[1 + i % 5], 1 + i
  FROM generate_series(1, 60) i;
INSERT INTO app.hashed SELECT i, 'v' || i FROM generate_series(1, 50) i;
INSERT INTO app.line (order_id, placed, status, position, note) SELECT id, placed, status, 1, 'n' || id FROM app.orders;
INSERT INTO app.parent SELECT i FROM generate_series(1, 5) i;
INSERT INTO app.child SELECT i, 'x', 'y' FROM generate_series(6, 9) i;
INSERT INTO app.heir (id) VALUES (10);
INSERT INTO app.typed SELECT i, 'b' FROM generate_series(1, 5) i;
INSERT INTO app.full_identity SELECT 'x' || i, i, i / 3.0 FROM generate_series(1, 50) i;
INSERT INTO app.by_index SELECT 'c' || i, i FROM generate_series(1, 5) i;
INSERT INTO app.by_method SELECT generate_series(1, 5);
INSERT INTO app.no_columns DEFAULT VALUES;
INSERT INTO app.serials DEFAULT VALUES;
INSERT INTO "Odd ""schema"". of ☃ 'x'"."Odd ""table"". of ☃ 'x'
two" VALUES (1, 'tab	 and \ and line
break', '☃'), (2, NULL, 'it''s gone');
INSERT INTO "a_schema_whose_name_is_as_long_as_postgresql_allows_63_bytes_é"."a_table_whose_name_is_as_long_as_postgresql_allows_63_bytes_é_" VALUES (1);
INSERT INTO "select"."from" VALUES (1, NULL), (2, 1);
INSERT INTO public."Public" VALUES (1);
SELECT nextval('app.free'), nextval('app.counter') FROM generate_series(1, 3);
SELECT setval('app.owned', 500, false);
REFRESH MATERIALIZED VIEW app.totals;
REFRESH MATERIALIZED VIEW app.a_summary;
-- a session's own: its schema stays behind
CREATE TEMPORARY TABLE passing (id serial PRIMARY KEY);
