"""The demo's application: it loads, its traffic runs without an error, and compare sees all."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from pgmigrator.demo.application import DATABASES, Application, DsnOf, create_application
from pgmigrator.demo.compare import open_snapshots
from pgmigrator.demo.traffic import Traffic
from pgmigrator.demo.workload import WRITERS
from tests.fixtures.databases import cleaned, create_database, execute
from tests.fixtures.providers import Postgres

SMALL = (
    'CREATE SCHEMA "Größe"',
    "CREATE TABLE item (id int GENERATED ALWAYS AS IDENTITY, price float8, made timestamptz)",
    "INSERT INTO item (price, made) SELECT i / 3.0, '2025-01-01' FROM generate_series(1, 100) i",
    'CREATE TABLE "Größe"."Nr. 1" AS SELECT * FROM item',
    "CREATE TABLE nothing ()",
    "CREATE SEQUENCE ticket INCREMENT -1",
)


@dataclass(frozen=True)
class Loaded:
    server: Postgres
    application: Application


@pytest.fixture(scope="module")
def loaded(source: Postgres) -> Iterator[Loaded]:
    """The application on the source, and a copy of each of its databases."""
    with cleaned(source):
        started = time.monotonic()
        application = create_application(source.dsn)
        assert time.monotonic() - started < 60
        yield Loaded(source, application)


@dataclass(frozen=True)
class SmallPair:
    name: str
    sides: tuple[DsnOf, DsnOf]


@pytest.fixture
def small(clean_source: Postgres, clean_destination: Postgres, source_database: str) -> SmallPair:
    """A small database on both servers, alike."""
    create_database(clean_destination, source_database)
    sides = (clean_source.dsn, clean_destination.dsn)
    for dsn in sides:
        execute(dsn(source_database), *SMALL)
    return SmallPair(source_database, sides)


def test_it_holds_at_least_300_mb(loaded: Loaded) -> None:
    with open_snapshots(loaded.server.dsn, loaded.server.dsn, DATABASES) as snapshots:
        comparison = snapshots.compare()
    assert comparison.differences == ()
    assert comparison.table_bytes >= 300 * 1024 * 1024
    assert comparison.tables == 18
    assert comparison.sequences == 10


def test_every_role_needs_its_password(loaded: Loaded) -> None:
    for kind in WRITERS:
        dsn = loaded.application.role_dsn(loaded.server.dsn)(kind.database, kind.role)
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT session_user").fetchone() == (kind.role,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(dsn, password="wrong")


def test_equal_databases_do_not_differ(small: SmallPair) -> None:
    with open_snapshots(*small.sides, [small.name]) as snapshots:
        comparison = snapshots.compare()
    assert comparison.differences == ()
    assert (comparison.tables, comparison.sequences, comparison.rows) == (3, 2, 200)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE item SET price = price + 1 WHERE id = 50", ("table", "public.item")),
        ("UPDATE item SET made = NULL WHERE id = 50", ("table", "public.item")),
        ('DELETE FROM "Größe"."Nr. 1" WHERE id = 7', ("table", "Größe.Nr. 1")),
        ("SELECT nextval('ticket')", ("sequence", "public.ticket")),
        ("DROP TABLE nothing", ("table", "public.nothing")),
        ("CREATE SEQUENCE more", ("sequence", "public.more")),
    ],
)
@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_planted_difference_is_found(
    small: SmallPair, statement: str, expected: tuple[str, str], side: str
) -> None:
    dsn = small.sides[side == "destination"]
    with psycopg.connect(dsn(small.name)) as connection:
        connection.execute(statement.encode())
    with open_snapshots(*small.sides, [small.name]) as snapshots:
        found = [(each.kind, each.name) for each in snapshots.compare().differences]
    assert found == [expected]


def test_what_is_written_after_the_opening_is_not_compared(small: SmallPair) -> None:
    with open_snapshots(*small.sides, [small.name]) as snapshots:
        execute(
            small.sides[1](small.name),
            "DELETE FROM item",
            "SELECT nextval('ticket')",
        )
        assert snapshots.compare().differences == ()


def test_the_traffic_makes_no_error_and_can_move(loaded: Loaded) -> None:
    role_dsn = loaded.application.role_dsn(loaded.server.dsn)
    traffic = Traffic(role_dsn, rate_per_second=400)
    traffic.start()
    assert traffic.wait_for_commit(10)
    time.sleep(5)
    traffic.stop()
    assert traffic.errors == []
    every = {each.__name__ for kind in WRITERS for each in kind.transactions}
    assert traffic.committed.keys() | traffic.rolled_back.keys() == every
    assert traffic.committed.total() > 500
    assert sessions(loaded) == 0
    before = traffic.committed.total()
    traffic.switch_to(role_dsn)
    assert traffic.wait_for_commit(10)
    traffic.stop()
    assert traffic.committed.total() > before
    assert traffic.errors == []
    assert traffic.pause_seconds is not None
    assert 0 < traffic.pause_seconds < 5


def sessions(loaded: Loaded) -> int:
    with psycopg.connect(loaded.server.dsn()) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shop'"
        row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])
