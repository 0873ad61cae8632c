"""Detaching and dropping: only what we created, only what the source has let go, never more."""

from typing import LiteralString

import psycopg
import pytest

from pgmigrator.core.names import TableName
from pgmigrator.postgres import bookkeeping, fingerprint, partitions, retire
from pgmigrator.postgres.connect import session
from pgmigrator.postgres.failures import Failure
from tests.fixtures.providers import Postgres
from tests.integration.replicating import Replicated, replicate

ITEM, EVENT = TableName("shop", "item"), TableName("shop", "event_1")
PARTITIONS: LiteralString = (
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'shop.event'::regclass"
    " ORDER BY 1"
)


@pytest.fixture
def replicated(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination)
    return found


async def test_a_detached_partition_stays_as_a_table(replicated: Replicated) -> None:
    replicated.on_source("ALTER TABLE shop.event DETACH PARTITION shop.event_1")
    assert await partitions.detach_partitions(replicated.pair, [EVENT]) == ()
    assert replicated.read_destination(PARTITIONS) == [("shop.event_2",)]
    assert replicated.read_destination("SELECT count(*) FROM shop.event_1") == [(250,)]
    assert await partitions.detach_partitions(replicated.pair, [EVENT]) == ()  # again: a no-op


async def test_a_partition_of_the_source_stays_one(replicated: Replicated) -> None:
    assert await partitions.detach_partitions(replicated.pair, [EVENT]) == ()
    assert replicated.read_destination(PARTITIONS) == [("shop.event_1",), ("shop.event_2",)]


async def test_a_partition_that_became_partitioned_itself_goes(replicated: Replicated) -> None:
    """Its own partitions come like any new table, and need its place."""
    replicated.on_source(
        "DROP TABLE shop.event_1",
        "CREATE TABLE shop.event_1 PARTITION OF shop.event FOR VALUES IN (1)"
        " PARTITION BY RANGE (id)",
    )
    assert await partitions.detach_partitions(replicated.pair, [EVENT]) == ()
    assert replicated.read_destination(PARTITIONS) == [("shop.event_2",)]
    assert await retire.drop_tables(replicated.pair, [EVENT]) == ()
    assert replicated.read_destination("SELECT to_regclass('shop.event_1')") == [(None,)]


@pytest.mark.parametrize(
    "instead",
    [
        "CREATE UNLOGGED TABLE shop.event_1 PARTITION OF shop.event FOR VALUES IN (1)",
        "CREATE VIEW shop.event_1 AS SELECT 1 AS id",
    ],
)
async def test_a_partition_whose_name_means_something_else_is_told(
    replicated: Replicated, instead: LiteralString
) -> None:
    """Else it would be tried again in every tick, without effect."""
    replicated.on_source("DROP TABLE shop.event_1", instead)
    [failure] = await partitions.detach_partitions(replicated.pair, [EVENT])
    assert failure.object == f"table {EVENT}"
    assert "something else under this name" in failure.reason
    assert replicated.read_destination(PARTITIONS) == [("shop.event_1",), ("shop.event_2",)]


async def test_a_partitioned_table_that_was_renamed_is_told_with_what_helps(
    replicated: Replicated,
) -> None:
    replicated.on_source(
        'CREATE SCHEMA "Größe"',
        'ALTER TABLE shop.event SET SCHEMA "Größe"',
        'ALTER TABLE "Größe".event RENAME TO happened',
    )
    [failure] = await partitions.detach_partitions(replicated.pair, [EVENT])
    assert replicated.read_destination(PARTITIONS) == [("shop.event_1",), ("shop.event_2",)]
    replicated.on_destination('CREATE SCHEMA "Größe"')
    with psycopg.connect(
        replicated.destination.dsn(replicated.pair.database), autocommit=True
    ) as connection:
        connection.execute(failure.reason[failure.reason.index("ALTER TABLE") :].encode())
    count: LiteralString = 'SELECT count(*) FROM "Größe".happened'
    assert replicated.read_destination(count) == replicated.read_source(count)
    assert await partitions.detach_partitions(replicated.pair, [EVENT]) == ()


async def test_a_table_is_attached_as_on_the_source(
    clean_source: Postgres, clean_destination: Postgres
) -> None:
    alone: LiteralString = (
        "CREATE TABLE shop.event_3 (day int, id bigint, CONSTRAINT odd PRIMARY KEY (id, day))"
    )
    replicated: Replicated = replicate(clean_source, clean_destination, (alone,))
    three = TableName("shop", "event_3")
    pair = replicated.pair
    assert await partitions.attach_partitions(pair, [three]) == ()  # it is none there either
    replicated.on_source(
        "INSERT INTO shop.event_3 VALUES (3, 1)",
        "ALTER TABLE shop.event ATTACH PARTITION shop.event_3 FOR VALUES IN (3)",
        "INSERT INTO shop.event VALUES (2, 3)",
    )
    assert await partitions.attach_partitions(pair, [three]) == ()
    assert replicated.read_destination(PARTITIONS) == replicated.read_source(PARTITIONS)
    async with (
        session(pair.source, pair.database, "test") as source,
        session(pair.destination, pair.database, "test") as destination,
    ):
        assert await fingerprint.compare(source, destination) == ()
    assert replicated.read_destination("SELECT id FROM shop.event WHERE day = 3 ORDER BY 1") == [
        (1,),
        (2,),
    ]
    assert await partitions.attach_partitions(pair, [three]) == ()  # again: a no-op


async def test_a_table_that_the_source_has_again_stays(replicated: Replicated) -> None:
    stays = (Failure(f"table {ITEM}", "the source has something under this name: it stays here"),)
    assert await retire.drop_tables(replicated.pair, [ITEM]) == stays
    # whatever has the name: here it is a view by now
    replicated.on_source("DROP TABLE shop.item", "CREATE VIEW shop.item AS SELECT 1 AS id")
    assert await retire.drop_tables(replicated.pair, [ITEM]) == stays
    assert replicated.read_destination("SELECT count(*) FROM shop.item") == [(1000,)]


async def test_what_depends_on_it_stays_and_so_does_the_table(replicated: Replicated) -> None:
    replicated.on_source("DROP TABLE shop.item", "DROP TABLE shop.event_1")
    replicated.on_destination("CREATE VIEW shop.shown AS SELECT id FROM shop.item")
    [failure] = await retire.drop_tables(replicated.pair, [ITEM, EVENT])
    assert failure.object == f"table {ITEM}"
    assert "view shop.shown depends on" in failure.reason
    assert replicated.read_destination("SELECT count(*) FROM shop.shown") == [(1000,)]
    assert replicated.read_destination(PARTITIONS) == [("shop.event_2",)]
    pair = replicated.pair
    async with session(pair.destination, pair.database, "test") as connection:
        assert EVENT not in await bookkeeping.read(connection)


@pytest.mark.parametrize(
    "statements",
    [
        ("DELETE FROM pgmigrator.tables",),
        ("UPDATE pgmigrator.tables SET created = false",),
        # another table has taken its name
        ("DROP TABLE shop.item", "CREATE TABLE shop.item AS SELECT 1 AS id"),
    ],
)
async def test_what_we_did_not_create_is_left_alone(
    replicated: Replicated, statements: tuple[LiteralString, ...]
) -> None:
    replicated.on_source("DROP TABLE shop.item")
    replicated.on_destination(*statements)
    before = replicated.read_destination("SELECT count(*) FROM shop.item")
    [failure] = await retire.drop_tables(replicated.pair, [ITEM])
    assert "not one that we created" in failure.reason
    assert replicated.read_destination("SELECT count(*) FROM shop.item") == before
