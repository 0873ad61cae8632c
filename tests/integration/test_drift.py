"""What is named as drift is mended by the SQL that is named with it, on real servers."""

import psycopg
import pytest

from pgmigrator.core.drift import Drift, drifts
from pgmigrator.postgres import fingerprint
from pgmigrator.postgres.connect import session
from tests.fixtures.databases import create_database
from tests.fixtures.providers import Postgres
from tests.integration.replicating import endpoint

DATABASE = "drifting"
#: two levels of partitions, and a table that inherits
SCHEMA = (
    "CREATE TABLE whole (id int, at int, note text, PRIMARY KEY (id, at), CHECK (at >= 0))"
    " PARTITION BY RANGE (at)",
    "CREATE TABLE half PARTITION OF whole FOR VALUES FROM (0) TO (50) PARTITION BY RANGE (id)",
    "CREATE TABLE leaf PARTITION OF half FOR VALUES FROM (0) TO (9)",
    "CREATE TABLE rest PARTITION OF whole DEFAULT",
    "CREATE INDEX noted ON whole (note)",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER t BEFORE INSERT ON whole FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE TABLE parent (id int PRIMARY KEY, note text CHECK (note <> ''))",
    "CREATE TABLE child () INHERITS (parent)",
)
WHOLE, HALF, LEAF, REST = (f'"public"."{name}"' for name in ("whole", "half", "leaf", "rest"))


@pytest.fixture
def servers(clean_source: Postgres, clean_destination: Postgres) -> tuple[Postgres, Postgres]:
    for server in (clean_source, clean_destination):
        create_database(server, DATABASE)
        run(server, *SCHEMA)
    return clean_source, clean_destination


def run(server: Postgres, *statements: str) -> None:
    with psycopg.connect(server.dsn(DATABASE), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


async def compared(servers: tuple[Postgres, Postgres]) -> tuple[Drift, ...]:
    source, destination = endpoint("source", servers[0]), endpoint("destination", servers[1])
    async with (
        session(source, DATABASE, "test") as here,
        session(destination, DATABASE, "test") as there,
    ):
        return drifts(await fingerprint.compare(here, there))


@pytest.mark.parametrize(
    ("statement", "changed", "heirs"),
    [
        ("ALTER TABLE whole ADD COLUMN more int DEFAULT 7", WHOLE, {HALF, LEAF, REST}),
        ("ALTER TABLE whole DROP COLUMN note", WHOLE, {HALF, LEAF, REST}),
        ("ALTER TABLE whole ALTER note TYPE varchar", WHOLE, {HALF, LEAF, REST}),
        ("ALTER TABLE whole ALTER note SET DEFAULT 'x'", WHOLE, {HALF, LEAF, REST}),
        ("ALTER TABLE whole ALTER note SET NOT NULL", WHOLE, {HALF, LEAF, REST}),
        ("ALTER TABLE whole DROP CONSTRAINT whole_at_check", WHOLE, {HALF, LEAF, REST}),
        ("ALTER TABLE whole ADD CONSTRAINT c CHECK (id > 0)", WHOLE, {HALF, LEAF, REST}),
        ("ALTER TABLE whole DROP CONSTRAINT whole_pkey", WHOLE, {HALF, LEAF, REST}),
        ("ALTER TABLE whole DISABLE TRIGGER t", WHOLE, {HALF, LEAF, REST}),
        ("DROP INDEX noted", WHOLE, {HALF, LEAF, REST}),
        ("ALTER TABLE half ADD CONSTRAINT c CHECK (id > 0)", HALF, {LEAF}),
        ("ALTER TABLE half ALTER note SET DEFAULT 'x'", HALF, {LEAF}),
        ("ALTER TABLE leaf ALTER note SET DEFAULT 'x'", LEAF, set()),
        ("CREATE INDEX own ON leaf (at)", LEAF, set()),
        ("ALTER TABLE parent ADD COLUMN more int", '"public"."parent"', {'"public"."child"'}),
        (
            "ALTER TABLE parent DROP CONSTRAINT parent_note_check",
            '"public"."parent"',
            {'"public"."child"'},
        ),
    ],
)
async def test_one_statement_mends_a_table_and_all_that_inherit_from_it(
    servers: tuple[Postgres, Postgres], statement: str, changed: str, heirs: set[str]
) -> None:
    """PostgreSQL refuses it for a partition alone."""
    source, destination = servers
    run(source, statement)
    found = await compared(servers)
    assert {drift.object for drift in found} == {changed}
    assert {heir for drift in found for heir in drift.heirs} == heirs
    # one by one, as a person sees it: a column takes its index along
    for _ in found:
        if left := [drift.statement for drift in await compared(servers) if drift.statement]:
            run(destination, left[0])
    assert await compared(servers) == ()


#: what the destination alone has, and what takes it away
EXTRA = {
    "CREATE TABLE x (a int PRIMARY KEY CHECK (a > 0), t text)": 'TABLE "public"."x"',
    "CREATE VIEW x AS SELECT 1 AS a": 'VIEW "public"."x"',
    "CREATE MATERIALIZED VIEW x AS SELECT 1 AS a": 'MATERIALIZED VIEW "public"."x"',
    "CREATE FUNCTION x(int) RETURNS int LANGUAGE sql AS 'SELECT 1'": "ROUTINE public.x(integer)",
    "CREATE PROCEDURE x() LANGUAGE sql AS 'SELECT 1'": "ROUTINE public.x()",
    "CREATE AGGREGATE x(int) (SFUNC = int4pl, STYPE = int)": "ROUTINE public.x(integer)",
    "CREATE TYPE x AS ENUM ('a')": 'TYPE "public"."x"',
    "CREATE TYPE x AS (a int)": 'TYPE "public"."x"',
    "CREATE TYPE x AS RANGE (SUBTYPE = int)": 'TYPE "public"."x"',
    "CREATE DOMAIN x AS int CHECK (VALUE > 0)": 'DOMAIN "public"."x"',
    "CREATE SEQUENCE x": 'SEQUENCE "public"."x"',
    "CREATE OPERATOR <+> (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)": (
        "OPERATOR public.<+>(integer,integer)"
    ),
    "CREATE OPERATOR FAMILY x USING btree": "OPERATOR FAMILY public.x USING btree",
    "CREATE TEXT SEARCH CONFIGURATION x (COPY = simple)": "TEXT SEARCH CONFIGURATION public.x",
    "CREATE TEXT SEARCH DICTIONARY x (TEMPLATE = simple)": "TEXT SEARCH DICTIONARY public.x",
    "CREATE COLLATION x (provider = libc, locale = 'C')": "COLLATION public.x",
    "CREATE FOREIGN DATA WRAPPER x": "FOREIGN DATA WRAPPER x",
    "CREATE CAST (int AS whole) WITH INOUT": "CAST (integer AS public.whole)",
    "CREATE SERVER x FOREIGN DATA WRAPPER w": "SERVER x",
    "CREATE USER MAPPING FOR PUBLIC SERVER s": "USER MAPPING FOR PUBLIC SERVER s",
    "CREATE SCHEMA x": "SCHEMA x",
    "CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION e()": "EVENT TRIGGER x",
    "CREATE RULE x AS ON INSERT TO parent DO ALSO NOTHING": 'RULE x ON "public"."parent"',
    "CREATE POLICY x ON parent": 'POLICY x ON "public"."parent"',
    "CREATE STATISTICS x ON id, note FROM parent": "STATISTICS public.x",
}


@pytest.mark.parametrize(("statement", "dropped"), EXTRA.items())
async def test_what_only_the_destination_has_is_dropped_by_one_statement(
    servers: tuple[Postgres, Postgres], statement: str, dropped: str
) -> None:
    """The object is named once, and not its owner, its columns, privileges and comments, too."""
    _, destination = servers
    for server in servers:
        run(
            server,
            "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
            "CREATE FOREIGN DATA WRAPPER w",
            "CREATE SERVER s FOREIGN DATA WRAPPER w",
        )
    run(destination, statement)
    if statement.startswith(("CREATE TABLE", "CREATE VIEW", "CREATE MATERIALIZED")):
        run(destination, "GRANT SELECT ON x TO PUBLIC", "COMMENT ON COLUMN x.a IS 'why'")
    [drift] = await compared(servers)
    assert f"on the destination: DROP {dropped};" in drift.fix
    run(destination, drift.fix.partition("on the destination: ")[2])
    assert await compared(servers) == ()


async def test_a_server_with_other_options_is_not_to_be_dropped(
    servers: tuple[Postgres, Postgres],
) -> None:
    for server, host in zip(servers, ("here", "there"), strict=True):
        run(server, "CREATE FOREIGN DATA WRAPPER w")
        run(server, f"CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host '{host}')")
    [drift] = await compared(servers)
    assert "DROP" not in drift.fix


async def test_row_security_is_named_with_what_sets_it(
    servers: tuple[Postgres, Postgres],
) -> None:
    source, destination = servers
    run(source, "ALTER TABLE parent ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    run(destination, "ALTER TABLE child ENABLE ROW LEVEL SECURITY")
    for drift in await compared(servers):
        assert drift.statement is not None
        run(destination, drift.statement)
    assert await compared(servers) == ()


#: (what the source has, what the destination has): alike without qualifiers, blanks, parentheses
ALIKE = (
    (
        "VIEW x AS SELECT id FROM parent WHERE (note = 'db2.example.com' OR id > 5) AND id < 9",
        "VIEW x AS SELECT id FROM parent WHERE note = 'db2.example.com' OR (id > 5 AND id < 9)",
    ),
    (
        "VIEW x AS SELECT id FROM parent WHERE note = 'db2.example.com'",
        "VIEW x AS SELECT id FROM parent WHERE note = 'db1.example.com'",
    ),
    (
        "VIEW x AS SELECT id AS \"a b\" FROM parent WHERE note = 'ab'",
        "VIEW x AS SELECT id AS \"a b\" FROM parent WHERE note = 'a b'",
    ),
    (
        "FUNCTION x() RETURNS text LANGUAGE sql RETURN 'v2.x'",
        "FUNCTION x() RETURNS text LANGUAGE sql RETURN 'v1.x'",
    ),
    (
        "RULE x AS ON UPDATE TO parent DO ALSO INSERT INTO child VALUES (1, 'a.b')",
        "RULE x AS ON UPDATE TO parent DO ALSO INSERT INTO child VALUES (1, 'b.b')",
    ),
)


@pytest.mark.parametrize(("here", "there"), ALIKE)
async def test_texts_that_look_alike_are_told_apart(
    servers: tuple[Postgres, Postgres], here: str, there: str
) -> None:
    source, destination = servers
    run(source, f"CREATE {here}")
    run(destination, f"CREATE {there}")
    [drift] = await compared(servers)
    await mended(servers, drift)
    assert await compared(servers) == ()


async def mended(servers: tuple[Postgres, Postgres], drift: Drift) -> None:
    """Do what is advised: run the SQL, or what a query of it prints on the source."""
    if drift.query is None:
        assert drift.statement is not None, drift
        run(servers[1], drift.statement)
        return
    assert drift.query in drift.fix
    with psycopg.connect(servers[0].dsn(DATABASE), autocommit=True) as connection:
        cursor = connection.execute(drift.query.encode())
        while cursor.nextset():
            pass
        run(servers[1], *(text for (text,) in cursor))


#: what changes on the source -> the kinds of what differs then
CHANGED = {
    "CREATE VIEW x WITH (security_barrier) AS SELECT 1 AS a": {"view"},
    "CREATE OR REPLACE VIEW v AS SELECT id, note FROM parent WHERE id > 1": {"view"},
    "CREATE OR REPLACE VIEW v AS SELECT id, note, id + 1 AS more FROM parent": {"view"},
    "DROP VIEW v; CREATE VIEW v AS SELECT note FROM parent": {"view"},
    "DROP VIEW v; CREATE MATERIALIZED VIEW v AS SELECT note FROM parent": {"view", "owner"},
    "DROP MATERIALIZED VIEW m; CREATE MATERIALIZED VIEW m AS SELECT 2 AS a WITH NO DATA": {"view"},
    "REFRESH MATERIALIZED VIEW m WITH NO DATA": {"view"},
    "CREATE OR REPLACE FUNCTION g(a int) RETURNS int LANGUAGE sql AS 'SELECT 2'": {"function"},
    "DROP FUNCTION g; CREATE FUNCTION g(b int) RETURNS text LANGUAGE sql AS 'SELECT 3::text'": {
        "function"
    },
    "CREATE PROCEDURE p(INOUT a int) LANGUAGE plpgsql AS 'BEGIN a := 1; END'": {"function"},
    "CREATE RULE \"R 'r'\" AS ON DELETE TO parent DO ALSO NOTIFY x": {"rule"},
    'ALTER TABLE parent RENAME note TO "the note"': {"column", "constraint", "view"},
    'ALTER DATABASE drifting SET search_path = public, "a b"': {"option"},
    "ALTER DATABASE drifting SET session_preload_libraries = plpgsql, '$libdir/plpgsql'": {
        "option"
    },
    "ALTER ROLE \"read%er\" IN DATABASE drifting SET application_name = 'it''s'": {"option"},
    "ALTER TYPE pair ADD ATTRIBUTE c numeric(7,2), ALTER ATTRIBUTE b TYPE varchar(9)": {"type"},
    "ALTER TYPE pair DROP ATTRIBUTE a, ADD ATTRIBUTE a bigint": {"type"},
    "ALTER DOMAIN positive SET DEFAULT 7": {"type"},
    "ALTER DOMAIN positive DROP NOT NULL": {"type"},
    "CREATE DOMAIN other AS text COLLATE \"C\" DEFAULT 'x' NOT NULL": {"type"},
    "ALTER EVENT TRIGGER watch DISABLE": {"event_trigger"},
    "ALTER DATABASE drifting CONNECTION LIMIT 77": {"option"},
    "ALTER DATABASE drifting IS_TEMPLATE true": {"option"},
    "COMMENT ON DATABASE drifting IS 'it''s'": {"comment"},
}


@pytest.mark.parametrize(("statement", "kinds"), CHANGED.items())
async def test_what_changes_on_the_source_is_named_with_what_mends_it(
    servers: tuple[Postgres, Postgres], statement: str, kinds: set[str]
) -> None:
    for server in servers:
        run(
            server,
            'DO $$ BEGIN CREATE ROLE "read%er"; EXCEPTION WHEN duplicate_object THEN NULL; END $$',
            "CREATE VIEW v AS SELECT id, note FROM parent",
            "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a",
            "CREATE FUNCTION g(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE TYPE pair AS (a int, b text)",
            "CREATE DOMAIN positive AS int NOT NULL CHECK (VALUE > 0)",
            "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
            "CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION e()",
        )
    run(servers[0], statement)
    found = await compared(servers)
    assert {drift.kind for drift in found} == kinds
    while found:
        await mended(servers, found[0])
        left = await compared(servers)
        assert left != found
        found = left


async def test_an_enum_that_lost_a_label_is_made_anew(servers: tuple[Postgres, Postgres]) -> None:
    source, destination = servers
    for server in servers:
        run(server, "CREATE TYPE \"The state\" AS ENUM ('new', 'gone', 'paid')")
        run(server, 'CREATE TABLE holds (id int PRIMARY KEY, state "The state")')
    run(destination, "INSERT INTO holds VALUES (1, 'new'), (2, 'paid')")
    run(
        source,
        'ALTER TYPE "The state" RENAME TO old',
        "CREATE TYPE \"The state\" AS ENUM ('new', 'paid')",
        'ALTER TABLE holds ALTER state TYPE "The state" USING state::text::"The state"',
        "DROP TYPE old",
    )
    [drift] = await compared(servers)
    assert drift.statement is None
    one, _, rest = drift.fix.partition("in one transaction: ")[2].partition(" then for each ")
    columns, _, rest = rest.partition(" that ")[2].partition(" shows: ")
    alter, _, drop = rest.partition("; then ")
    run(destination, one)
    with psycopg.connect(destination.dsn(DATABASE), autocommit=True) as connection:
        [(table, column)] = connection.execute(columns.encode()).fetchall()
    spelled = alter.replace("ALTER TABLE ...", f"ALTER TABLE {table}")
    run(
        destination,
        spelled.replace("ALTER COLUMN ...", f"ALTER COLUMN {column}").replace("...", column),
    )
    run(destination, drop)
    assert await compared(servers) == ()
