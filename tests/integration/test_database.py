"""Databases on the destination: created, adopted, finished; nobody else's is ever touched."""

import asyncio
from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from pgmigrator.core.drift import drifts
from pgmigrator.core.marker import Marker, ServerIdentity, Step
from pgmigrator.errors import InvariantBroken, Refused
from pgmigrator.postgres import database, fingerprint, finish
from pgmigrator.postgres import marker as marker_store
from pgmigrator.postgres.connect import Endpoint, session
from pgmigrator.postgres.failures import Failure
from pgmigrator.postgres.queries import query
from tests.fixtures.databases import create_database, execute
from tests.fixtures.providers import Postgres
from tests.integration.replicating import MAPPING, endpoint

NAME = 'Odd "name" = x'
TEMPORARY = "pgmigrator_tmp_orders_1"
PROPERTIES = """
SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype,
       datlocprovider, datconnlimit, shobj_description(oid, 'pg_database'),
       (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),
       (SELECT array_agg((r.rolname, x)::text ORDER BY r.rolname NULLS FIRST, i)
          FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole,
               unnest(s.setconfig) WITH ORDINALITY AS c (x, i)
         WHERE s.setdatabase = d.oid AND x NOT LIKE 'pgmigrator.%%'
           AND r.rolname IS DISTINCT FROM 'postgres'),
       datistemplate
  FROM pg_database d WHERE datname = %s
"""


class Ends:
    """Both sides, and a marker as the daemon would make it."""

    def __init__(self, source: Postgres, destination: Postgres) -> None:
        self.source, self.destination = (
            endpoint("source", source),
            endpoint("destination", destination),
        )
        self.servers = (source, destination)
        with psycopg.connect(destination.dsn()) as connection:
            row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
        assert row is not None
        self.identity = ServerIdentity(system_identifier=row[0], timeline=1)

    def marker(self, oid: int, *, created: bool = True) -> Marker:
        return Marker(
            mapping=MAPPING,
            database_oid=oid,
            source=self.identity,
            destination=self.identity,
            source_database=NAME,
            source_database_oid=1,
            created=created,
        )

    async def create(self) -> None:
        await database.create(self.source, self.destination, NAME, TEMPORARY, self.marker)

    async def adopt(self) -> None:
        await database.adopt(
            self.source, self.destination, NAME, lambda oid: self.marker(oid, created=False)
        )

    async def read_marker(self) -> Marker | None:
        async with session(self.destination, "postgres", "test") as connection:
            binding = await marker_store.bind(connection, MAPPING, NAME)
            return await marker_store.read(connection, NAME, binding)

    def databases(self) -> set[str]:
        with psycopg.connect(self.servers[1].dsn()) as connection:
            return {r[0] for r in connection.execute("SELECT datname FROM pg_database").fetchall()}


@pytest.fixture
def ends(clean_source: Postgres, clean_destination: Postgres) -> Ends:
    for server in (clean_source, clean_destination):
        execute(server.dsn(), "CREATE ROLE app_owner", 'CREATE ROLE "app reader"')
    execute(
        clean_source.dsn(),
        SQL(
            "CREATE DATABASE {} OWNER app_owner TEMPLATE template0 ENCODING 'LATIN1'"
            " LC_COLLATE 'C' LC_CTYPE 'C'"
        ).format(Identifier(NAME)),
    )
    return Ends(clean_source, clean_destination)


def properties(server: Postgres) -> tuple[object, ...] | None:
    with psycopg.connect(server.dsn()) as connection:
        return connection.execute(PROPERTIES, [NAME]).fetchone()


async def test_created_as_on_the_source_and_marked(ends: Ends) -> None:
    create_database(ends.servers[1], TEMPORARY)  # a leftover of ours
    await ends.create()
    assert properties(ends.servers[0]) == properties(ends.servers[1])
    marker = await ends.read_marker()
    assert marker is not None
    assert (marker.created, marker.steps) == (True, frozenset())
    assert TEMPORARY not in ends.databases()


async def test_a_database_that_is_there_is_left_alone(ends: Ends) -> None:
    create_database(ends.servers[1], NAME)
    execute(ends.servers[1].dsn(NAME), "CREATE TABLE theirs AS SELECT 1 AS id")
    with pytest.raises(Refused, match="is not ours"):
        await ends.create()
    with pytest.raises(InvariantBroken, match="not an unfinished one of ours"):
        await database.drop_unfinished(ends.destination, NAME)
    execute(ends.servers[1].dsn(NAME), "TABLE theirs")
    assert await ends.read_marker() is None
    assert TEMPORARY not in ends.databases()


#: one of each kind that a database can hold without a table
OBJECTS = (
    "CREATE TABLE x (id int)",
    "CREATE VIEW x AS SELECT 1 AS a",
    "CREATE SEQUENCE x",
    "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TYPE x AS ENUM ()",
    "CREATE DOMAIN x AS int",
    "CREATE SCHEMA x",
    "CREATE OPERATOR <+> (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl)",
    "CREATE OPERATOR FAMILY x USING btree",
    "CREATE OPERATOR CLASS x FOR TYPE int USING btree FAMILY integer_ops AS STORAGE int",
    "CREATE COLLATION x (provider = libc, locale = 'C')",
    "CREATE CONVERSION x FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
    "CREATE TEXT SEARCH CONFIGURATION x (COPY = simple)",
    "CREATE TEXT SEARCH DICTIONARY x (TEMPLATE = simple)",
    "CREATE TEXT SEARCH PARSER x (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,"
    " LEXTYPES = prsd_lextype)",
    "CREATE TEXT SEARCH TEMPLATE x (LEXIZE = dsimple_lexize)",
    "CREATE ACCESS METHOD x TYPE TABLE HANDLER heap_tableam_handler",
    "CREATE CAST (text AS point) WITH INOUT",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION pg_catalog.ends()",
    "CREATE FOREIGN DATA WRAPPER x",
    "CREATE LANGUAGE x HANDLER plpgsql_call_handler",
    "SELECT lo_create(0)",
    "CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
    "CREATE PUBLICATION x",
    "CREATE SUBSCRIPTION x CONNECTION '' PUBLICATION x WITH (connect = false)",
)
#: what is nobody's: the server's, an extension's, or ours
NOBODYS = (
    "SELECT 1",
    "DROP EXTENSION plpgsql; CREATE EXTENSION plpgsql",
    "COMMENT ON SCHEMA public IS 'x'; REVOKE ALL ON SCHEMA public FROM PUBLIC",
    "CREATE TEMPORARY TABLE x (id serial)",
    "CREATE PUBLICATION x; COMMENT ON PUBLICATION x IS 'pgmigrator orders 1'",
    "CREATE SUBSCRIPTION pgmigrator_x CONNECTION '' PUBLICATION x WITH (connect = false)",
)

#: what is ours only where a marker of ours is
BOOKKEEPING = (
    "CREATE SCHEMA pgmigrator",
    "CREATE SCHEMA pgmigrator; CREATE TABLE pgmigrator.x (id serial PRIMARY KEY, note text)",
)


@pytest.mark.parametrize("side", [0, 1], ids=["source", "destination"])
def test_whatever_somebody_created_counts_and_nothing_else(ends: Ends, side: int) -> None:
    """On the source such a database is migrated, on the destination it is not adopted."""
    server = ends.servers[side]
    name = create_database(server)
    # what an event trigger calls may be the server's: a function that no dump has
    callee = (
        "SET allow_system_table_mods = on; CREATE FUNCTION pg_catalog.ends()"
        " RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'"
    )
    wrong = []
    with psycopg.connect(server.dsn(name)) as connection:
        for statement in (*OBJECTS, *NOBODYS, *BOOKKEEPING):
            if "pg_catalog.ends" in statement:
                connection.execute(callee)
            connection.execute(statement.encode())
            for marked in (False, True):
                row = connection.execute(
                    query("has_user_objects").encode(), {"marked": marked}
                ).fetchone()
                theirs = statement in OBJECTS or (statement in BOOKKEEPING and not marked)
                if row != (theirs,):
                    wrong.append((statement, marked, row))
            connection.rollback()
    assert wrong == []


@pytest.mark.parametrize("statement", ["SELECT lo_create(0)", "CREATE FOREIGN DATA WRAPPER x"])
async def test_a_database_without_tables_is_not_empty_for_that(
    ends: Ends, statement: LiteralString
) -> None:
    create = SQL(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    execute(ends.servers[1].dsn(), create.format(Identifier(NAME)))
    execute(ends.servers[1].dsn(NAME), statement)
    with pytest.raises(Refused, match="holds objects that are not ours"):
        await ends.adopt()
    assert await ends.read_marker() is None


async def test_only_what_is_unfinished_is_dropped(ends: Ends) -> None:
    await ends.create()
    with psycopg.connect(ends.servers[1].dsn(NAME)), pytest.raises(Refused, match="being accessed"):
        await database.drop_unfinished(ends.destination, NAME)
    await database.drop_unfinished(ends.destination, NAME)
    assert NAME not in ends.databases()
    await ends.create()
    marker = await ends.read_marker()
    assert marker is not None
    async with session(ends.destination, "postgres", "test") as connection:
        await marker_store.write(connection, marker.having(Step.SCHEMA_DONE), NAME)
    with pytest.raises(InvariantBroken):
        await database.drop_unfinished(ends.destination, NAME)
    assert NAME in ends.databases()


def create_like_source(ends: Ends) -> None:
    execute(
        ends.servers[1].dsn(),
        SQL(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
        ).format(Identifier(NAME)),
    )


async def test_an_empty_equal_database_is_adopted_and_never_dropped(ends: Ends) -> None:
    create_like_source(ends)
    await ends.adopt()
    marker = await ends.read_marker()
    assert marker is not None
    assert not marker.created
    with pytest.raises(InvariantBroken):
        await database.drop_unfinished(ends.destination, NAME)


async def test_another_database_is_not_adopted(ends: Ends) -> None:
    create_database(ends.servers[1], NAME)
    with pytest.raises(Refused, match="encoding UTF8 instead of LATIN1"):
        await ends.adopt()
    execute(ends.servers[1].dsn(), SQL("DROP DATABASE {}").format(Identifier(NAME)))
    create_like_source(ends)
    execute(ends.servers[1].dsn(NAME), "CREATE FUNCTION f() RETURNS int RETURN 1")
    with pytest.raises(Refused, match="holds objects that are not ours"):
        await ends.adopt()
    assert await ends.read_marker() is None


def decorate(server: Postgres) -> None:
    name = Identifier(NAME)
    execute(
        server.dsn(),
        SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name),
        SQL('GRANT CONNECT ON DATABASE {} TO "app reader" WITH GRANT OPTION').format(name),
        SQL("COMMENT ON DATABASE {} IS 'it''s x'").format(name),
        SQL("ALTER DATABASE {} CONNECTION LIMIT 42 IS_TEMPLATE true").format(name),
        SQL('ALTER DATABASE {} SET search_path = "$user", public, "a, b"').format(name),
        SQL("ALTER DATABASE {} SET app.secret = 'x=y, z'").format(name),
        SQL("ALTER DATABASE {} SET \"pgmigrator.state\" = 'somebody else''s'").format(name),
        SQL("ALTER ROLE \"app reader\" IN DATABASE {} SET statement_timeout = '5s'").format(name),
        SQL("ALTER DATABASE {} SET lock_timeout = '10ms'").format(name),
    )


async def done(ends: Ends, *, created: bool) -> tuple[Failure, ...]:
    return await finish.finish(ends.source, ends.destination, NAME, created=created)


async def test_finished_as_on_the_source(ends: Ends) -> None:
    await ends.create()
    decorate(ends.servers[0])
    assert await done(ends, created=True) == ()
    assert properties(ends.servers[0]) == properties(ends.servers[1])
    assert await done(ends, created=True) == ()
    assert await ends.read_marker() is not None
    with psycopg.connect(ends.servers[1].dsn(NAME)) as connection:  # as the apply worker does
        assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
        assert connection.execute("SHOW search_path").fetchone() == ('"$user", public, "a, b"',)
    async with session(ends.destination, NAME, "test") as ours:
        await finish.reset_own_settings(ours, "postgres", NAME)
    with psycopg.connect(ends.servers[1].dsn(NAME)) as connection:
        assert connection.execute("SHOW lock_timeout").fetchone() == ("10ms",)


async def test_a_source_that_is_made_read_only_does_not_make_the_destination_so(ends: Ends) -> None:
    await ends.create()
    read_only = SQL("default_transaction_read_only = on")
    for server in ends.servers:
        execute(server.dsn(), "CREATE ROLE reader")
    for whose in (SQL("DATABASE {}"), SQL("ROLE reader IN DATABASE {}")):
        statement = SQL("ALTER {} SET {}").format(whose.format(Identifier(NAME)), read_only)
        execute(ends.servers[0].dsn(), statement)
    assert await done(ends, created=True) == ()
    found = properties(ends.servers[1])
    assert found is not None
    assert found[8] is None
    async with (
        session(ends.source, NAME, "test") as here,
        session(ends.destination, NAME, "test") as there,
    ):
        assert await fingerprint.compare(here, there) == ()


EVERYWHERE = (
    "SELECT unnest(setconfig) FROM pg_db_role_setting WHERE setdatabase = 0 AND setrole = 0"
)


@pytest.fixture
def everywhere(ends: Ends) -> Iterator[Ends]:
    """Both servers have settings of ALTER ROLE ALL, and the source's database one of its own."""
    source, destination = (server.dsn() for server in ends.servers)
    try:
        execute(
            source,
            "ALTER ROLE ALL SET work_mem = '7MB'",
            "ALTER ROLE ALL SET extra_float_digits = 2",
            "ALTER ROLE ALL SET lock_timeout = '10ms'",
            "ALTER ROLE ALL SET session_preload_libraries = '$libdir/plpgsql', plpgsql",
            """ALTER ROLE ALL SET search_path = "$user", public, "a, b" """,
            SQL("ALTER DATABASE {} SET extra_float_digits = 3").format(Identifier(NAME)),
            "ALTER ROLE ALL SET default_transaction_read_only = on",
        )
        execute(destination, "ALTER ROLE ALL SET work_mem = '3MB'")
        yield ends
    finally:
        for dsn in (source, destination):
            execute(dsn, "BEGIN READ WRITE; ALTER ROLE ALL RESET ALL; COMMIT")


async def test_settings_of_all_roles_become_the_databases(everywhere: Ends) -> None:
    """So they reach whom they reach on the source, and nobody in other people's databases."""
    ends = everywhere
    await ends.create()
    async with (
        session(ends.source, NAME, "test") as here,
        session(ends.destination, NAME, "test") as there,
    ):
        found = await fingerprint.compare(here, there)
        assert sorted(item.definition.split()[1] for item in found) == [
            "extra_float_digits",
            "lock_timeout",
            "search_path",
            "session_preload_libraries",
            "work_mem",
        ]
        assert await done(ends, created=True) == ()
        assert await fingerprint.compare(here, there) == ()
    with psycopg.connect(ends.servers[1].dsn()) as connection:
        assert connection.execute(EVERYWHERE).fetchall() == [("work_mem=3MB",)]
    shown = "SELECT setting FROM pg_settings WHERE name = %s"
    with psycopg.connect(ends.servers[1].dsn(NAME)) as connection:  # as the apply worker does
        for name, expected in {
            "work_mem": "7168",
            "extra_float_digits": "3",
            "search_path": '"$user", public, "a, b"',
            "session_preload_libraries": '"$libdir/plpgsql", plpgsql',
            "lock_timeout": "0",
            "default_transaction_read_only": "off",
        }.items():
            assert connection.execute(shown, [name]).fetchall() == [(expected,)], name
    assert await done(ends, created=True) == ()


async def test_a_later_setting_of_all_roles_is_mended_by_what_is_named(everywhere: Ends) -> None:
    ends = everywhere
    await ends.create()
    assert await done(ends, created=True) == ()
    execute(
        ends.servers[0].dsn(),
        "BEGIN READ WRITE; ALTER ROLE ALL SET work_mem = '9MB'; COMMIT",
        "BEGIN READ WRITE; ALTER ROLE ALL RESET lock_timeout; COMMIT",
        # the database has its own
        "BEGIN READ WRITE; ALTER ROLE ALL SET extra_float_digits = 1; COMMIT",
    )
    async with (
        session(ends.source, NAME, "test") as here,
        session(ends.destination, NAME, "test") as there,
    ):
        printed, reset = drifts(await fingerprint.compare(here, there))
        if printed.query is None:
            printed, reset = reset, printed
        assert printed.query is not None
        assert reset.statement is not None
        cursor = await here.execute(printed.query.encode())
        while cursor.nextset():
            pass
        [row] = await cursor.fetchall()
        statement = next(iter(row.values()))
        assert statement == f"ALTER DATABASE {Identifier(NAME).as_string()} SET work_mem TO '9MB'"
        await there.execute(statement.encode())
        await there.execute(reset.statement.encode())
        assert await fingerprint.compare(here, there) == ()


async def test_a_later_comment_and_connection_limit_are_differences(ends: Ends) -> None:
    await ends.create()
    name = Identifier(NAME)
    execute(ends.servers[0].dsn(), SQL("ALTER DATABASE {} CONNECTION LIMIT 77").format(name))
    execute(ends.servers[0].dsn(), SQL("COMMENT ON DATABASE {} IS 'it''s'").format(name))
    async with (
        session(ends.source, NAME, "test") as here,
        session(ends.destination, NAME, "test") as there,
    ):
        found = await fingerprint.compare(here, there)
        assert [(item.kind, item.definition, item.missing) for item in found] == [
            ("comment", "'it''s'", True),
            ("option", "CONNECTION LIMIT 77", True),
        ]
        for drift in drifts(found):
            assert drift.fix
        assert await done(ends, created=True) == ()
        assert await fingerprint.compare(here, there) == ()


async def test_a_source_that_is_closed_for_the_cutover_does_not_close_the_destination(
    ends: Ends,
) -> None:
    """It keeps the limit that it got, whatever the source's becomes by that."""
    await ends.create()
    for limit, differing, kept in ((77, 1, 77), (0, 0, 77), (-1, 1, -1), (0, 0, -1)):
        execute(
            ends.servers[0].dsn(),
            SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(Identifier(NAME), limit),
        )
        async with (
            session(ends.source, NAME, "test") as here,
            session(ends.destination, NAME, "test") as there,
        ):
            assert len(await fingerprint.compare(here, there)) == differing
        assert await done(ends, created=True) == ()
        found = properties(ends.servers[1])
        assert found is not None
        assert found[5] == kept


async def test_an_adopted_database_keeps_what_it_has(ends: Ends) -> None:
    create_like_source(ends)
    name = Identifier(NAME)
    execute(ends.servers[1].dsn(), SQL("ALTER DATABASE {} SET lock_timeout = '1s'").format(name))
    execute(ends.servers[1].dsn(), SQL("COMMENT ON DATABASE {} IS 'theirs'").format(name))
    await ends.adopt()
    decorate(ends.servers[0])
    assert await done(ends, created=False) == ()
    found = properties(ends.servers[1])
    assert found is not None
    assert (*found[5:7], found[9]) == (-1, "theirs", False)
    assert '(,"lock_timeout=1s")' in found[8] or "(,lock_timeout=1s)" in found[8]  # type: ignore[operator]
    assert any("app.secret" in setting for setting in found[8])  # type: ignore[attr-defined]


async def test_what_is_refused_is_named_and_the_rest_goes_on(ends: Ends) -> None:
    await ends.create()
    execute(ends.servers[0].dsn(), "CREATE ROLE only_here")
    execute(
        ends.servers[0].dsn(),
        SQL("ALTER ROLE only_here IN DATABASE {} SET work_mem = '1MB'").format(Identifier(NAME)),
        SQL("COMMENT ON DATABASE {} IS 'comes all the same'").format(Identifier(NAME)),
    )
    ((what, reason),) = await done(ends, created=True)
    assert (what, reason) == (
        f'setting work_mem of database "{NAME}"',
        'role "only_here" does not exist',
    )
    found = properties(ends.servers[1])
    assert found is not None
    assert found[6] == "comes all the same"


async def test_a_library_that_the_destination_lacks_locks_nobody_out(ends: Ends) -> None:
    """The setting does not come, nor does the SQL that is named for it bring it."""
    await ends.create()
    preloads: tuple[LiteralString, ...] = (
        # the source lacks them too: only we get in there
        "ALTER ROLE postgres IN DATABASE {} SET session_preload_libraries = plpgsql",
        """ALTER DATABASE {} SET session_preload_libraries = '$libdir/plpgsql', "a ""b" """,
        "ALTER ROLE app_owner IN DATABASE {} SET local_preload_libraries = plpgsql",
        'ALTER ROLE "app reader" IN DATABASE {} SET session_preload_libraries = plpgsql, plpgsql',
    )
    execute(ends.servers[0].dsn(), *(SQL(each).format(Identifier(NAME)) for each in preloads))
    failures = await done(ends, created=True)
    assert sorted(failure.object for failure in failures) == [
        f'setting local_preload_libraries of database "{NAME}"',
        f'setting session_preload_libraries of database "{NAME}"',
    ]
    reasons = " ".join(failure.reason for failure in failures)
    assert 'could not access file "a "b"' in reasons
    assert 'could not access file "$libdir/plugins/plpgsql"' in reasons
    found = properties(ends.servers[1])
    assert found is not None
    assert found[8] == ['("app reader","session_preload_libraries=plpgsql, plpgsql")']
    async with (
        session(ends.source, NAME, "test") as here,
        session(ends.destination, NAME, "test") as there,
    ):
        for drift in drifts(await fingerprint.compare(here, there)):
            assert drift.query is not None
            cursor = await here.execute(drift.query.encode())
            while cursor.nextset():
                pass
            [row] = await cursor.fetchall()
            with pytest.raises(psycopg.errors.UndefinedFile):
                await there.execute(next(iter(row.values())).encode())
            await there.rollback()
    with psycopg.connect(ends.servers[1].dsn(NAME)) as connection:
        assert connection.execute("SHOW session_preload_libraries").fetchone() == ("",)
    assert properties(ends.servers[1]) == found


async def test_writers_of_one_marker_do_not_fail_each_other(ends: Ends) -> None:
    await ends.create()
    marker = await ends.read_marker()
    assert marker is not None

    async def write_often(endpoint_: Endpoint) -> None:
        async with session(endpoint_, "postgres", "test") as connection:
            for _ in range(50):
                await marker_store.write(connection, marker, NAME)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(write_often(ends.destination))
    assert await ends.read_marker() == marker
