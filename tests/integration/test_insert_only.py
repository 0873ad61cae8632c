"""Tables that are replicated by their inserts alone: what PostgreSQL counts, publishes, forgets."""

import asyncio
from typing import LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from pgmigrator.core.facts import Baseline, SourceTable
from pgmigrator.core.insert_only import doubt
from pgmigrator.core.model import Observation
from pgmigrator.core.names import TableName
from pgmigrator.postgres import drain as drains
from pgmigrator.postgres import publication, subscription, verify
from pgmigrator.postgres.connect import session
from pgmigrator.postgres.source import read_publications
from tests.chaos.looking import look
from tests.fixtures.databases import execute
from tests.fixtures.providers import Postgres
from tests.fixtures.servers import PairFactory
from tests.integration.replicating import Replicated, replicate, storage, until

HEAP = TableName("shop", "heap")
#: keyless, with a column without equality, and with an identity of nothing
TABLES: tuple[LiteralString, ...] = (
    "CREATE TABLE shop.heap (id int, doc json)",
    "CREATE TABLE shop.odd (id int PRIMARY KEY, p point)",
    "ALTER TABLE shop.odd REPLICA IDENTITY NOTHING",
)
#: what the application goes on doing, as ever
WRITES: tuple[LiteralString, ...] = (
    "INSERT INTO shop.heap VALUES (1, '{}'), (2, '{}')",
    "UPDATE shop.heap SET id = id + 1",
    "DELETE FROM shop.heap WHERE id = 2",
    "MERGE INTO shop.odd t USING (VALUES (1), (2)) s (i) ON t.id = s.i"
    " WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.i)",
    "INSERT INTO shop.odd VALUES (1) ON CONFLICT (id) DO UPDATE SET p = '(1,1)'",
)


@pytest.fixture
def replicated(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination)
    found.on_source(*TABLES)
    found.on_destination(*TABLES)
    return found


async def _publish(replicated: Replicated) -> None:
    """Publish the tables' inserts, as the daemon does, and follow them."""
    seen = await look(replicated)
    assert seen.source is not None
    tables = tuple((t.oid, t.name) for t in seen.source.tables if not t.identity_usable)
    baselines = {t.oid: Baseline(t.changes, seen.source.counting_since) for t in seen.source.tables}
    pair, names = replicated.pair, replicated.names
    await publication.create(pair.source, pair.database, names, tables, insert_only=True)
    execute(
        replicated.destination.dsn(pair.database),
        SQL("ALTER SUBSCRIPTION {} ADD PUBLICATION {} WITH (refresh = false)").format(
            Identifier(names.subscription), Identifier(names.insert_only_publication)
        ),
    )
    await subscription.refresh(
        pair.destination, pair.database, names, list(tables), baselines, storage(replicated)
    )
    until(
        lambda: (
            replicated.read_destination(
                "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'"
            )
            == [(len(replicated.tables) + len(tables),)]
        )
    )


def _heap(seen: Observation) -> SourceTable:
    assert seen.source is not None
    [table] = [table for table in seen.source.tables if table.name == HEAP]
    return table


async def _why(replicated: Replicated) -> str:
    """Judge the table as a tick does."""
    seen = await look(replicated)
    assert seen.source is not None
    assert seen.destination is not None
    [there] = [table for table in seen.destination.tables if table.name == HEAP]
    return doubt(_heap(seen).changes, seen.source.counting_since, there.baseline)


async def test_the_application_is_never_hindered_and_inserts_arrive(
    replicated: Replicated,
) -> None:
    replicated.on_source("INSERT INTO shop.heap VALUES (0, '[]')")
    await _publish(replicated)
    replicated.on_source("INSERT INTO shop.heap VALUES (7, '[7]')", "TRUNCATE shop.odd")
    until(lambda: replicated.read_destination("SELECT count(*) FROM shop.heap") == [(2,)])
    replicated.on_source("TRUNCATE shop.heap", "INSERT INTO shop.heap VALUES (8, '[8]')")
    until(lambda: replicated.read_destination("SELECT id FROM shop.heap") == [(8,)])
    assert await _why(replicated) == ""
    replicated.on_source(*WRITES)
    # the stream goes on, too
    replicated.on_source("INSERT INTO shop.item VALUES (-5)")
    until(lambda: bool(replicated.read_destination("SELECT FROM shop.item WHERE id = -5")))


async def test_publications_are_read_as_what_they_are(replicated: Replicated) -> None:
    await _publish(replicated)
    name = Identifier(replicated.names.insert_only_publication)
    for statement, whole in (
        (SQL("ALTER PUBLICATION {} SET (publish = 'insert, truncate, update')"), False),
        (SQL("ALTER PUBLICATION {} SET (publish = 'insert')"), False),
        (SQL("ALTER PUBLICATION {} SET (publish = 'insert, truncate')"), True),
    ):
        execute(replicated.source.dsn(replicated.pair.database), statement.format(name))
        async with session(replicated.pair.source, replicated.pair.database, "test") as source:
            main, by_inserts = await read_publications(source, replicated.names)
        assert main is not None
        assert main.whole
        assert by_inserts is not None
        assert by_inserts.whole is whole
        assert by_inserts.comment == replicated.names.publication_comment
        assert set(by_inserts.tables.values()) == {HEAP, TableName("shop", "odd")}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE shop.heap SET id = id",
        "DELETE FROM shop.heap",
        "BEGIN; UPDATE shop.heap SET id = id; ROLLBACK",
        "MERGE INTO shop.heap USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
    ],
)
async def test_every_change_is_counted(replicated: Replicated, statement: LiteralString) -> None:
    replicated.on_source("INSERT INTO shop.heap VALUES (0, '[]')")
    await _publish(replicated)
    assert await _why(replicated) == ""
    replicated.on_source(statement)  # a session that ends has reported
    assert "1 updates and deletes" in await _why(replicated)
    proof = await drains.drain(replicated.pair, replicated.marker)
    assert not proof.proved
    assert [m for m in proof.missing if str(HEAP) in m and "1 updates and deletes" in m]


async def test_a_drain_proves_what_only_grew(replicated: Replicated) -> None:
    await _publish(replicated)
    replicated.on_source("INSERT INTO shop.heap VALUES (0, '[]')")
    proof = await drains.drain(replicated.pair, replicated.marker)
    assert proof.missing == ()
    assert proof.proved


@pytest.mark.parametrize(
    "statement",
    ["SELECT pg_stat_reset()", "SELECT pg_stat_reset_single_table_counters('shop.heap'::regclass)"],
)
async def test_a_reset_is_never_good_news(replicated: Replicated, statement: LiteralString) -> None:
    await _publish(replicated)
    replicated.on_source(statement)
    assert "reset" in await _why(replicated)


async def test_resetting_other_statistics_says_nothing(replicated: Replicated) -> None:
    await _publish(replicated)
    replicated.on_source(
        "SELECT pg_stat_reset_shared('bgwriter')", "SELECT pg_stat_clear_snapshot()"
    )
    assert await _why(replicated) == ""


@pytest.mark.parametrize(
    "setting",
    [
        "ALTER ROLE uncounted SET track_counts = off",
        "ALTER DATABASE {} SET track_counts = 'false'",
    ],
)
async def test_what_may_not_be_counted_is_not_believed(
    replicated: Replicated, setting: LiteralString
) -> None:
    await _publish(replicated)
    database = Identifier(replicated.pair.database)
    execute(
        replicated.source.dsn(replicated.pair.database),
        "CREATE ROLE uncounted",
        SQL(setting).format(database),
    )
    assert "track_counts" in await _why(replicated)
    await subscription.forget_counts(replicated.pair.destination, replicated.pair.database)
    execute(
        replicated.source.dsn(replicated.pair.database),
        "ALTER ROLE uncounted RESET ALL",
        SQL("ALTER DATABASE {} RESET ALL").format(database),
    )
    assert "not known" in await _why(replicated)


async def test_row_counts_cover_deletes(replicated: Replicated) -> None:
    replicated.on_source("INSERT INTO shop.heap VALUES (0, '[]'), (1, '[]')")
    await _publish(replicated)
    oid = _heap(await look(replicated)).oid

    async def deltas() -> list[tuple[int, int]]:

        counts = await verify.count_rows(
            replicated.pair, [*replicated.tables, (oid, HEAP)], pause=asyncio.Lock()
        )
        assert HEAP in counts.tables
        return [(d.source_rows, d.destination_rows) for d in counts.deltas]

    assert await deltas() == []
    replicated.on_source("DELETE FROM shop.heap WHERE id = 0")
    assert await deltas() == [(1, 2)]


async def test_a_restart_keeps_the_counts_and_a_crash_does_not(fresh_pair: PairFactory) -> None:
    pair = fresh_pair()
    replicated: Replicated = replicate(pair.source, pair.destination)
    replicated.on_source(*TABLES)
    replicated.on_destination(*TABLES)
    replicated.on_source("INSERT INTO shop.heap VALUES (0, '[]')", "UPDATE shop.heap SET id = 1")
    await _publish(replicated)
    assert _heap(await look(replicated)).changes == 1
    for mode, word in (("fast", ""), ("immediate", "reset")):
        pair.source.stop(mode)
        pair.source.start()
        _until_it_answers(replicated)
        assert bool(word) == bool(why := await _why(replicated))
        assert word in why


def _until_it_answers(replicated: Replicated) -> None:
    def answers() -> bool:
        try:
            psycopg.connect(replicated.source.dsn(replicated.pair.database)).close()
        except psycopg.OperationalError:
            return False
        return True

    until(answers)
