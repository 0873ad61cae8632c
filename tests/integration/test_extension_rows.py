"""Rows in extensions' tables, table by table: what fails, is locked, is slow, or goes away."""

import secrets
import threading
import time

import psycopg
import pytest

from pgmigrator.core.conditions import DestinationConditions, ExtensionRows, SourceConditions
from pgmigrator.errors import Unreachable
from pgmigrator.postgres import conditions, extension_rows
from pgmigrator.postgres.connect import Endpoint
from pgmigrator.postgres.failures import Failure
from tests.fixtures.providers import Postgres
from tests.integration.replicating import endpoint

#: as of an extension's script: plpgsql comes with every server
OURS = """
SET allow_system_table_mods = on;
UPDATE pg_extension
   SET extconfig = extconfig || 'public.{0}'::regclass::oid,
       extcondition = extcondition || '{1}'::text
 WHERE extname = 'plpgsql'
"""
NO_TABLES = """
SET allow_system_table_mods = on;
UPDATE pg_extension SET extconfig = '{}', extcondition = '{}' WHERE extname = 'plpgsql'
"""
MANY = "INSERT INTO {} SELECT i, repeat('x', 100) FROM generate_series(2, 50000) i"


class Both:
    """One database on two servers, with the tables of an extension."""

    def __init__(self, source: Postgres, destination: Postgres, options: str = "") -> None:
        self.database = f"test_{secrets.token_hex(4)}"
        self.source, self.destination = source, destination
        for server in (source, destination):
            with psycopg.connect(server.dsn(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {self.database} {options}".encode())
            self.run(server, NO_TABLES)

    def run(self, server: Postgres, *statements: str) -> None:
        with psycopg.connect(server.dsn(self.database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def table(self, name: str, columns: str, condition: str = "") -> None:
        for server in (self.source, self.destination):
            self.run(
                server,
                f"CREATE TABLE {name} ({columns})",
                f"ALTER EXTENSION plpgsql ADD TABLE {name}",
                OURS.format(name, condition),
            )

    def rows(self, server: Postgres, table: str) -> list[tuple[object, ...]]:
        with psycopg.connect(server.dsn(self.database)) as connection:
            return connection.execute(f"SELECT * FROM {table} ORDER BY 1".encode()).fetchall()

    @property
    def ends(self) -> tuple[Endpoint, Endpoint]:
        return endpoint("source", self.source), endpoint("destination", self.destination)

    async def copy(self) -> tuple[Failure, ...]:
        return await extension_rows.copy_extension_rows(*self.ends, self.database)

    async def compared(self) -> dict[str, tuple[ExtensionRows, ExtensionRows]]:
        here, there = self.ends
        source = await conditions.read(SourceConditions, here, self.database)
        columns = {table.object: table.columns for table in source.extension_rows}
        destination = await conditions.read(DestinationConditions, there, self.database, columns)
        assert not {*source.unread, *destination.unread}
        found = {table.object: table for table in destination.extension_rows}
        return {t.object: (t, found[t.object]) for t in source.extension_rows}


@pytest.fixture
def both(clean_source: Postgres, clean_destination: Postgres) -> Both:
    return Both(clean_source, clean_destination)


async def test_a_table_that_fails_hides_no_other_and_tells_no_row(both: Both) -> None:
    both.table("a_long", "i int, note text NOT NULL")
    both.table("b_number", "i int, note text NOT NULL")
    both.table("c_fine", "i int, note text NOT NULL")
    both.run(
        both.source,
        "ALTER TABLE a_long ALTER note DROP NOT NULL",
        "INSERT INTO a_long VALUES (1, NULL)",
        *(MANY.format(name) for name in ("a_long", "c_fine")),
        "INSERT INTO b_number VALUES (1, 'secret')",
    )
    # as a newer version of the extension might
    both.run(both.destination, "ALTER TABLE b_number ALTER note TYPE int USING 1")
    failures = await both.copy()
    assert [failure.object for failure in failures] == [
        "rows of table public.a_long",
        "rows of table public.b_number",
    ]
    assert 'null value in column "note"' in failures[0].reason
    assert "InvalidTextRepresentation" in failures[1].reason
    assert "secret" not in failures[1].reason
    assert both.rows(both.destination, "a_long") == []
    assert len(both.rows(both.destination, "c_fine")) == 49_999
    compared = await both.compared()
    assert {name for name, (here, there) in compared.items() if here != there} == {
        "public.a_long",
        "public.b_number",
    }


async def test_what_holds_rows_is_left_alone_and_again_changes_nothing(both: Both) -> None:
    both.table("here_only", "r int, note text", "WHERE here_only.r > 0")
    both.table("other", "r int, note text", "WHERE r > 0")
    both.run(
        both.source,
        "INSERT INTO here_only VALUES (0, 'own'), (1, E'a\\\\b\\t☃'), (2, NULL), (3, '\\N')",
        "INSERT INTO other VALUES (1, 'ours')",
    )
    both.run(
        both.destination,
        "INSERT INTO here_only VALUES (0, 'newer own')",
        "INSERT INTO other VALUES (1, 'theirs')",
        # as a newer version of the extension might
        "ALTER TABLE here_only ADD a_newer int DEFAULT 7",
    )
    for _ in range(2):
        assert await both.copy() == ()
        assert both.rows(both.destination, "here_only") == [
            (0, "newer own", 7),
            *((*row, 7) for row in both.rows(both.source, "here_only")[1:]),
        ]
        assert both.rows(both.destination, "other") == [(1, "theirs")]
    # of a column that has the name that a query might give to a row, every other one counts too
    compared = await both.compared()
    here, there = compared["public.other"]
    assert here.rows == there.rows == 1
    assert here.detail != there.detail
    here, there = compared["public.here_only"]
    assert here == there
    assert here.rows == 3


async def test_tables_that_refer_to_each_other_come_in_any_order(both: Both) -> None:
    both.table("c", "i int PRIMARY KEY, note text")
    both.table("b", "i int PRIMARY KEY REFERENCES c, note text")
    both.table("a", "i int PRIMARY KEY REFERENCES b, note text")
    both.table("alone", "i int PRIMARY KEY, note text")
    both.run(both.destination, "ALTER TABLE alone ADD CHECK (i > 1)")
    for name in ("c", "b", "a", "alone"):
        both.run(both.source, f"INSERT INTO {name} VALUES (1, 'secret')")
    [failure] = await both.copy()
    assert failure.object == "rows of table public.alone"
    assert "secret" not in failure.reason
    assert all(both.rows(both.destination, name) == [(1, "secret")] for name in ("a", "b", "c"))


async def test_rows_that_a_newer_version_takes_for_its_own_are_not_copied_twice(both: Both) -> None:
    both.table("a", "i int, note text")
    both.run(both.source, "INSERT INTO a VALUES (1, 'x'), (2, 'x')")
    both.run(both.destination, NO_TABLES, OURS.format("a", "WHERE i > 1"))
    [failure] = await both.copy()
    assert "another condition for rows of yours (WHERE i > 1)" in failure.reason
    assert both.rows(both.destination, "a") == []


async def test_partitions_of_an_extension_are_copied_and_others_are_not(both: Both) -> None:
    both.table("parts", "i int) PARTITION BY LIST (i")
    for server in (both.source, both.destination):
        both.run(
            server,
            "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1)",
            "ALTER EXTENSION plpgsql ADD TABLE parts_1",
            # replicated, as any table of people's own
            "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2)",
        )
    both.run(both.source, "INSERT INTO parts VALUES (1), (2)")
    assert await both.copy() == ()
    assert both.rows(both.destination, "parts") == [(1,)]
    assert set(await both.compared()) == {"public.parts_1"}


async def test_text_without_an_encoding_is_copied_as_it_is(
    clean_source: Postgres, clean_destination: Postgres
) -> None:
    options = "TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"
    both = Both(clean_source, clean_destination, options)
    both.table('"größe"', "i int, t text")
    both.run(both.source, "INSERT INTO \"größe\" VALUES (1, convert_from('\\xff41', 'SQL_ASCII'))")
    assert await both.copy() == ()
    compared = await both.compared()
    [(here, there)] = compared.values()
    assert here == there
    assert here.rows == 1


async def test_a_source_that_goes_away_is_no_fault_of_a_table(both: Both) -> None:
    both.table("a", "i int, note text")
    both.run(both.source, "INSERT INTO a VALUES (1, 'x')")
    both.run(
        both.source,
        NO_TABLES,
        OURS.format("a", "WHERE pg_terminate_backend(pg_backend_pid()) OR pg_sleep(9) IS NULL"),
    )
    with pytest.raises(Unreachable, match="source"):
        await both.copy()
    assert both.rows(both.destination, "a") == []


@pytest.mark.parametrize("side", ["source", "destination"])
async def test_a_lock_is_waited_for(both: Both, side: str) -> None:
    both.table("a", "i int, note text")
    both.table("b", "i int, note text")
    both.run(both.source, "INSERT INTO a VALUES (1, 'x')", "INSERT INTO b VALUES (1, 'x')")
    server = both.source if side == "source" else both.destination
    with psycopg.connect(server.dsn(both.database)) as holder:
        holder.execute("LOCK TABLE a")
        compared = await both.compared()
        assert "lock timeout" in "".join(table.error for table in compared["public.a"])
        assert not any(table.error for table in compared["public.b"])
        later = threading.Timer(3, holder.rollback)
        later.start()
        assert await both.copy() == ()
        later.join()
    assert both.rows(both.destination, "a") == [(1, "x")]


async def test_a_slow_table_hides_no_other(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extension_rows, "COMPARED_SECONDS", 1.0)
    both.table("a", "i int, note text", "WHERE pg_sleep(5) IS NOT NULL")
    both.table("b", "i int, note text")
    both.run(both.source, MANY.format("a"), "INSERT INTO b VALUES (1, 'x')", "ANALYZE a")
    started = time.monotonic()
    compared = await both.compared()
    assert time.monotonic() - started < 4
    assert "takes over 1 s" in compared["public.a"][0].error
    assert compared["public.b"][0].rows == 1
