"""Emptying a table for a new copy: only what we filled, and only once nothing flows into it."""

from typing import LiteralString

import pytest

from pgmigrator.core.names import TableName
from pgmigrator.postgres import bookkeeping, publication, renew, subscription
from pgmigrator.postgres.connect import session
from tests.fixtures.providers import Postgres
from tests.integration.replicating import Replicated, replicate

ITEM, EVENT = TableName("shop", "item"), TableName("shop", "event_1")


@pytest.fixture
def replicated(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination)
    return found


async def take_out(replicated: Replicated, *tables: TableName) -> None:
    pair, names = replicated.pair, replicated.names
    gone = tuple(table for table in replicated.tables if table[1] in tables)
    await publication.drop_tables(pair.source, pair.database, names, gone)
    await subscription.refresh(pair.destination, pair.database, names, [], {}, {})


async def note(replicated: Replicated, table: TableName) -> bookkeeping.Note | None:
    pair = replicated.pair
    async with session(pair.destination, pair.database, "test") as connection:
        return (await bookkeeping.read(connection)).get(table)


async def test_what_we_filled_is_emptied(replicated: Replicated) -> None:
    await take_out(replicated, ITEM, EVENT)
    assert await renew.empty_tables(replicated.pair, [ITEM, EVENT]) == ()
    assert replicated.read_destination("SELECT FROM shop.item") == []
    assert replicated.read_destination("SELECT DISTINCT day FROM shop.event") == [(2,)]
    assert await note(replicated, ITEM) == bookkeeping.Note(None, created=True, filled=False)


async def test_a_table_that_a_foreign_key_points_to_is_emptied(replicated: Replicated) -> None:
    more: tuple[LiteralString, ...] = (
        "CREATE TABLE shop.line (id int PRIMARY KEY, item bigint REFERENCES shop.item)",
    )
    replicated.on_source(*more)
    replicated.on_destination(*more, "INSERT INTO shop.line VALUES (1, 1)")
    await take_out(replicated, ITEM)
    assert await renew.empty_tables(replicated.pair, [ITEM]) == ()
    assert replicated.read_destination("SELECT FROM shop.item") == []
    assert replicated.read_destination("SELECT item FROM shop.line") == [(1,)]


async def test_a_table_of_ours_with_other_columns_is_dropped(replicated: Replicated) -> None:
    replicated.on_source("ALTER TABLE shop.item ADD extra int DEFAULT 7")
    await take_out(replicated, ITEM)
    assert await renew.empty_tables(replicated.pair, [ITEM]) == ()
    assert replicated.read_destination("SELECT to_regclass('shop.item')") == [(None,)]
    assert await note(replicated, ITEM) is None


async def test_a_table_with_other_constraints_is_dropped_if_it_can_be(
    replicated: Replicated,
) -> None:
    renamed: LiteralString = "ALTER TABLE shop.{} RENAME CONSTRAINT {}_pkey TO other_{}"
    replicated.on_source(*(renamed.replace("{}", name) for name in ("item", "event_1")))
    replicated.on_destination("CREATE VIEW shop.shown AS SELECT id FROM shop.item")
    await take_out(replicated, ITEM, EVENT)
    assert await renew.empty_tables(replicated.pair, [ITEM, EVENT]) == ()
    assert replicated.read_destination("SELECT to_regclass('shop.event_1')") == [(None,)]
    assert replicated.read_destination("SELECT count(*) FROM shop.shown") == [(0,)]


async def test_what_depends_on_it_is_not_dropped_along(replicated: Replicated) -> None:
    replicated.on_source("ALTER TABLE shop.item ADD extra int DEFAULT 7")
    replicated.on_destination("CREATE VIEW shop.shown AS SELECT id FROM shop.item")
    await take_out(replicated, ITEM, EVENT)
    [failure] = await renew.empty_tables(replicated.pair, [ITEM, EVENT])
    assert failure.object == f"table {ITEM}"
    assert "view shop.shown depends on" in failure.reason
    assert replicated.read_destination("SELECT count(*) FROM shop.shown") == [(1000,)]
    assert replicated.read_destination("SELECT DISTINCT day FROM shop.event") == [(2,)]


async def test_what_took_its_name_stands_nowhere_else_afterwards(replicated: Replicated) -> None:
    """Changes to that one went by here under this name: no other table of ours has them."""
    odd = TableName("shop", "odd Näme")
    replicated.on_source("DROP TABLE shop.item", 'ALTER TABLE shop."odd Näme" RENAME TO item')
    pair, names = replicated.pair, replicated.names
    taken = tuple(table for table in replicated.tables if table[1] == odd)
    await publication.drop_tables(pair.source, pair.database, names, ((taken[0][0], ITEM),))
    await subscription.refresh(pair.destination, pair.database, names, [], {}, {})
    assert await renew.empty_tables(replicated.pair, [ITEM]) == ()
    assert await note(replicated, odd) == bookkeeping.Note(None, created=True, filled=True)


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (("DELETE FROM pgmigrator.tables WHERE table_name = 'item'",), "not one that we filled"),
        # another table has taken its name
        (
            ("DROP TABLE shop.item", "CREATE TABLE shop.item AS SELECT 1::bigint AS id"),
            "not one that we filled",
        ),
        (
            (
                "UPDATE pgmigrator.tables SET created = false",
                "ALTER TABLE shop.item ADD more int",
            ),
            "not created by us",
        ),
    ],
)
async def test_what_is_not_ours_is_left_alone(
    replicated: Replicated, statements: tuple[LiteralString, ...], words: str
) -> None:
    await take_out(replicated, ITEM)
    replicated.on_destination(*statements)
    before = replicated.read_destination("SELECT count(*) FROM shop.item")
    [failure] = await renew.empty_tables(replicated.pair, [ITEM])
    assert words in failure.reason
    assert replicated.read_destination("SELECT count(*) FROM shop.item") == before


async def test_a_table_that_is_still_subscribed_is_left_alone(replicated: Replicated) -> None:
    [failure] = await renew.empty_tables(replicated.pair, [ITEM])
    assert "subscribed" in failure.reason
    assert replicated.read_destination("SELECT count(*) FROM shop.item") == [(1000,)]


async def test_an_operator_asks_only_for_what_we_filled(replicated: Replicated) -> None:
    pair = replicated.pair
    async with session(pair.destination, pair.database, "test") as connection:
        assert await bookkeeping.request_resync(connection, ITEM)
        assert not await bookkeeping.request_resync(connection, TableName("shop", "other"))
    found = await note(replicated, ITEM)
    assert found is not None
    assert found.resync
