"""Renaming: once nothing is on its way under the old name, only what we created, rows and all."""

import asyncio
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from pgmigrator.core import drift
from pgmigrator.core.actions import Renaming
from pgmigrator.core.names import TableName
from pgmigrator.errors import Refused
from pgmigrator.postgres import (
    bookkeeping,
    confirm,
    fingerprint,
    publication,
    rename,
    restore,
    subscription,
)
from pgmigrator.postgres.children import find_tools, version
from pgmigrator.postgres.connect import session
from pgmigrator.postgres.failures import Failure
from tests.fixtures.providers import Postgres
from tests.integration.replicating import Replicated, apply_errors, apply_held, replicate, until

ITEM, GOODS, WARES = (TableName("shop", name) for name in ("item", "goods", "wares"))
GATE: tuple[LiteralString, ...] = ("CREATE TABLE shop.gate (id int PRIMARY KEY)",)
RENAME: LiteralString = "ALTER TABLE shop.item RENAME TO goods"
OLD_ROW: LiteralString = "INSERT INTO shop.item VALUES (-1)"
NEW_ROW: LiteralString = "INSERT INTO shop.goods VALUES (-2)"
LATE_ROWS: LiteralString = "SELECT id FROM shop.goods WHERE id < 0 ORDER BY 1 DESC"


@pytest.fixture
def replicated(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination, GATE)
    return found


def fails(replicated: Replicated) -> None:
    before = apply_errors(replicated)
    until(lambda: apply_errors(replicated) > before)


def oid_of(replicated: Replicated, table: TableName) -> int:
    return next(oid for oid, name in replicated.tables if name == table)


async def follow(
    replicated: Replicated, new: TableName = GOODS, old: TableName = ITEM
) -> tuple[Failure, ...]:
    renamings = [Renaming(oid_of(replicated, ITEM), old, new)]
    return await rename.rename_tables(replicated.pair, renamings)


async def notes(replicated: Replicated) -> dict[TableName, bookkeeping.Note]:
    pair = replicated.pair
    async with session(pair.destination, pair.database, "test") as connection:
        return await bookkeeping.read(connection)


async def test_a_quiet_table_is_renamed(replicated: Replicated) -> None:
    before = (await notes(replicated))[ITEM]
    replicated.on_source(OLD_ROW, RENAME)
    assert await follow(replicated) == ()
    found = await notes(replicated)
    assert ITEM not in found
    assert found[GOODS] == before
    assert replicated.read_destination(LATE_ROWS) == [(-1,)]
    # the stream goes on under the new name; nothing was copied anew
    replicated.on_source(NEW_ROW, "UPDATE shop.goods SET note = 'x' WHERE id = 1")
    until(lambda: replicated.read_destination(LATE_ROWS) == [(-1,), (-2,)])
    until(lambda: replicated.read_destination("SELECT FROM shop.goods WHERE note = 'x'"))
    assert apply_errors(replicated) == 0


async def test_a_busy_table_halts_apply_until_it_is_renamed(replicated: Replicated) -> None:
    replicated.on_source(OLD_ROW, RENAME, NEW_ROW)
    fails(replicated)
    assert await follow(replicated) == ()
    until(lambda: replicated.read_destination(LATE_ROWS) == [(-1,), (-2,)])


# --- the order: what was written under the old name comes first -----------------------------------


async def test_renamed_while_old_changes_are_on_their_way_apply_halts_for_ever(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: object) -> bool:
        return True

    monkeypatch.setattr(rename, "until_passed_or_failing", at_once)
    with apply_held(replicated):
        replicated.on_source(OLD_ROW, RENAME, NEW_ROW)
        assert await follow(replicated) == ()
    fails(replicated)
    fails(replicated)  # again and again
    assert replicated.read_destination(LATE_ROWS) == []


async def test_it_is_renamed_only_once_old_changes_are_applied(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    with apply_held(replicated):
        replicated.on_source(OLD_ROW, RENAME, NEW_ROW)
        monkeypatch.setattr(confirm, "CONFIRM_TIMEOUT_S", 0.5)
        with pytest.raises(Refused, match="on their way"):
            await follow(replicated)
        monkeypatch.undo()
    fails(replicated)
    assert replicated.read_destination("SELECT id FROM shop.item WHERE id < 0") == [(-1,)]
    assert await follow(replicated) == ()
    until(lambda: replicated.read_destination(LATE_ROWS) == [(-1,), (-2,)])


async def test_apply_that_fails_at_something_else_before_is_mended_first(
    replicated: Replicated,
) -> None:
    replicated.on_destination('INSERT INTO shop."odd Näme" VALUES (-7)')
    replicated.on_source('INSERT INTO shop."odd Näme" VALUES (-7)', OLD_ROW, RENAME, NEW_ROW)
    fails(replicated)
    with pytest.raises(Refused, match="mend that first"):
        await follow(replicated)
    # the same transaction speaks of it by its old name
    replicated.on_destination('DELETE FROM shop."odd Näme" WHERE id = -7')
    fails(replicated)
    assert await follow(replicated) == ()
    until(lambda: replicated.read_destination(LATE_ROWS) == [(-1,), (-2,)])


async def test_a_failing_transaction_that_bears_the_old_name_is_waited_for(
    replicated: Replicated,
) -> None:
    replicated.on_destination('INSERT INTO shop."odd Näme" VALUES (-7)')
    replicated.on_source(
        f'BEGIN; {OLD_ROW}; INSERT INTO shop."odd Näme" VALUES (-7); COMMIT', RENAME, NEW_ROW
    )
    fails(replicated)
    [failure] = await follow(replicated)
    assert "under its old name are still on their way" in failure.reason
    assert ITEM in await notes(replicated)


async def test_renamed_twice_it_takes_one_name_after_the_other(replicated: Replicated) -> None:
    replicated.on_source(
        RENAME,
        NEW_ROW,
        "ALTER TABLE shop.goods RENAME TO wares",
        "INSERT INTO shop.wares VALUES (-3)",
    )
    fails(replicated)
    assert await follow(replicated, WARES) == ()
    assert GOODS in await notes(replicated)
    fails(replicated)
    assert await follow(replicated, WARES, GOODS) == ()
    rows: LiteralString = "SELECT id FROM shop.wares WHERE id < 0 ORDER BY 1 DESC"
    until(lambda: replicated.read_destination(rows) == [(-2,), (-3,)])


async def test_one_transaction_with_both_names_is_told_with_what_helps(
    replicated: Replicated,
) -> None:
    replicated.on_source(f"BEGIN; {OLD_ROW}; {RENAME}; {NEW_ROW}; COMMIT")
    fails(replicated)
    [failure] = await follow(replicated)
    assert failure.object == f"table {ITEM}"
    assert "several names" in failure.reason
    statement = failure.reason[failure.reason.index("CREATE TABLE") :]
    with psycopg.connect(
        replicated.destination.dsn(replicated.pair.database), autocommit=True
    ) as connection:
        connection.execute(statement[: statement.index(";")].encode())
    replicated.on_source("INSERT INTO shop.gate VALUES (-1)")
    until(lambda: replicated.read_destination("SELECT FROM shop.gate WHERE id = -1"))


# --- whose it is, and where it goes ---------------------------------------------------------------


async def test_it_moves_to_a_schema_that_the_destination_lacks(replicated: Replicated) -> None:
    replicated.on_source(
        'CREATE SCHEMA "Größe"',
        "ALTER TABLE shop.item RENAME TO goods",
        'ALTER TABLE shop.goods SET SCHEMA "Größe"',
        'INSERT INTO "Größe".goods VALUES (-2)',
    )
    fails(replicated)
    assert await follow(replicated, TableName("Größe", "goods")) == ()
    rows: LiteralString = 'SELECT id FROM "Größe".goods WHERE id < 0'
    until(lambda: replicated.read_destination(rows) == [(-2,)])
    owner: LiteralString = (
        "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'Größe'"
    )
    assert replicated.read_source(owner) == replicated.read_destination(owner)


async def test_it_moves_past_namesakes_in_both_schemas(replicated: Replicated) -> None:
    namesakes: tuple[LiteralString, ...] = (
        "CREATE SCHEMA archive",
        "CREATE TABLE archive.item (id int)",
        "CREATE TABLE shop.goods (id int)",
    )
    replicated.on_source(*namesakes)
    replicated.on_destination(*namesakes)
    replicated.on_source(
        "ALTER TABLE shop.item RENAME TO between",
        "ALTER TABLE shop.between SET SCHEMA archive",
        "ALTER TABLE archive.between RENAME TO goods",
        "INSERT INTO archive.goods VALUES (-2)",
    )
    fails(replicated)
    assert await follow(replicated, TableName("archive", "goods")) == ()
    rows: LiteralString = "SELECT id FROM archive.goods WHERE id < 0"
    until(lambda: replicated.read_destination(rows) == [(-2,)])


async def test_a_partition_keeps_its_place(replicated: Replicated) -> None:
    replicated.on_source(
        "ALTER TABLE shop.event_1 RENAME TO first", "INSERT INTO shop.event VALUES (-1, 1)"
    )
    fails(replicated)
    event, first = TableName("shop", "event_1"), TableName("shop", "first")
    renaming = Renaming(oid_of(replicated, event), event, first)
    assert await rename.rename_tables(replicated.pair, [renaming]) == ()
    rows: LiteralString = "SELECT tableoid::regclass::text FROM shop.event WHERE id = -1"
    until(lambda: replicated.read_destination(rows) == [("shop.first",)])


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE pgmigrator.tables SET created = false", "not one that we created"),
        ("UPDATE pgmigrator.tables SET source_oid = 1", "not one that we created"),
        ("CREATE TABLE shop.goods (id bigint)", "already exists"),
    ],
)
async def test_what_is_not_ours_is_left_alone(
    replicated: Replicated, statement: LiteralString, words: str
) -> None:
    replicated.on_source(RENAME)
    replicated.on_destination(statement)
    [failure] = await follow(replicated)
    assert words in failure.reason
    assert replicated.read_destination("SELECT count(*) FROM shop.item") == [(1000,)]


async def test_a_name_that_the_source_has_again_stays(replicated: Replicated) -> None:
    """Changes to the other one may have gone into it."""
    replicated.on_source(RENAME, "CREATE TABLE shop.item (id bigint PRIMARY KEY)")
    [failure] = await follow(replicated)
    assert "stays here" in failure.reason


async def test_two_that_change_places_are_noted_to_be_copied_anew(replicated: Replicated) -> None:
    """Even while apply fails, for the changes to the one went into the other."""
    odd = TableName("shop", "odd Näme")
    replicated.on_source(RENAME, 'ALTER TABLE shop."odd Näme" RENAME TO item')
    replicated.on_source("INSERT INTO shop.item VALUES (1000)")  # a row that the other one has
    fails(replicated)
    first = Renaming(oid_of(replicated, ITEM), ITEM, GOODS, anew=True)
    assert await rename.rename_tables(replicated.pair, [first]) == ()
    found = await notes(replicated)
    assert {found[GOODS].resync, found[odd].resync} == {True}
    second = Renaming(oid_of(replicated, odd), odd, ITEM, anew=True)
    assert await rename.rename_tables(replicated.pair, [second]) == ()
    assert replicated.read_destination("SELECT count(*) >= 50 FROM shop.item") == [(True,)]


async def test_what_was_never_copied_is_not_copied_anew(replicated: Replicated) -> None:
    statement: LiteralString = (
        "UPDATE pgmigrator.tables SET filled = false WHERE table_name = 'item'"
    )
    replicated.on_source(RENAME, "CREATE TABLE shop.item (id bigint PRIMARY KEY)")
    pair, names = replicated.pair, replicated.names
    await publication.drop_tables(
        pair.source, pair.database, names, ((oid_of(replicated, ITEM), GOODS),)
    )
    await subscription.refresh(pair.destination, pair.database, names, [], {}, {})
    replicated.on_destination(statement)
    renaming = Renaming(oid_of(replicated, ITEM), ITEM, GOODS, anew=True)
    assert await rename.rename_tables(pair, [renaming]) == ()
    assert not (await notes(replicated))[GOODS].resync


# --- partitioned tables -------------------------------------------------------------------------

EVENT, HAPPENING = TableName("shop", "event"), TableName("shop", "happening")
RENAME_ROOT: LiteralString = "ALTER TABLE shop.event RENAME TO happening"
ROWS: LiteralString = "SELECT count(*) FROM shop.happening"


async def follow_root(replicated: Replicated) -> tuple[Failure, ...]:
    """As what a daemon does that created it."""
    [(oid,)] = replicated.read_source(
        "SELECT oid::bigint FROM pg_class WHERE relname IN ('event', 'happening') AND relkind = 'p'"
    )
    pair = replicated.pair
    async with session(pair.destination, pair.database, "test") as connection:
        await bookkeeping.remember_partitioned(connection, [(oid, EVENT)])
    return await rename.rename_partitioned(pair, [Renaming(oid, EVENT, HAPPENING)])


async def test_a_partitioned_table_waits_for_no_change(replicated: Replicated) -> None:
    with apply_held(replicated):
        replicated.on_source(
            "INSERT INTO shop.event VALUES (-1, 1)",
            RENAME_ROOT,
            "INSERT INTO shop.happening VALUES (-2, 1)",
            "TRUNCATE shop.happening",
            "INSERT INTO shop.happening VALUES (-3, 2)",
        )
        assert await follow_root(replicated) == ()
        assert replicated.read_destination(ROWS) == [(500,)]
    until(lambda: replicated.read_destination(ROWS) == [(1,)])
    assert apply_errors(replicated) == 0


async def test_a_partitioned_table_moves_to_a_schema_that_the_destination_lacks(
    replicated: Replicated,
) -> None:
    replicated.on_source(
        "CREATE SCHEMA archive", RENAME_ROOT, "ALTER TABLE shop.happening SET SCHEMA archive"
    )
    assert await follow_root(replicated) == ()
    assert replicated.read_destination("SELECT count(*) FROM archive.happening") == [(500,)]


@pytest.mark.parametrize(
    ("side", "statement", "words"),
    [
        # another one, which somebody made in its place
        (
            "destination",
            "ALTER TABLE shop.event RENAME TO theirs; CREATE TABLE shop.event (LIKE shop.theirs)"
            " PARTITION BY LIST (day)",
            "not one that we created",
        ),
        ("destination", "CREATE VIEW shop.happening AS SELECT 1", "already exists"),
        ("source", "CREATE VIEW shop.event AS SELECT 1", "stays here"),
    ],
)
async def test_a_partitioned_table_that_may_be_another_is_left_alone(
    side: str,
    statement: LiteralString,
    words: str,
    replicated: Replicated,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remember = bookkeeping.remember_partitioned

    async def then_changed(*arguments: Any) -> None:
        await remember(*arguments)
        run = replicated.on_source if side == "source" else replicated.on_destination
        run(statement)

    monkeypatch.setattr(bookkeeping, "remember_partitioned", then_changed)
    replicated.on_source(RENAME_ROOT)
    [failure] = await follow_root(replicated)
    assert failure.object == f"table {EVENT}"
    assert words in failure.reason


# --- what is renamed beside it ------------------------------------------------------------------


async def test_a_renamed_index_is_not_built_twice_and_its_renaming_is_told(
    replicated: Replicated, client_bin_dir: Path
) -> None:
    more: tuple[LiteralString, ...] = (
        "CREATE INDEX notes ON shop.item (note)",
        "CREATE TABLE shop.line (id int PRIMARY KEY, item bigint REFERENCES shop.item)",
    )
    replicated.on_source(*more)
    replicated.on_destination(*more)
    replicated.on_source(
        "ALTER INDEX shop.item_pkey RENAME TO goods_pkey",
        'ALTER INDEX shop.notes RENAME TO "No ""tes"',
        "ALTER TABLE shop.line RENAME CONSTRAINT line_item_fkey TO line_goods_fkey",
        "CREATE INDEX later ON shop.line (item)",
    )
    pair, tools = replicated.pair, find_tools(client_bin_dir, version(client_bin_dir) // 10000)
    failed = await restore.restore_rest(pair, tools, created=True, dump_lock=asyncio.Lock())
    assert failed == ()
    indexes: LiteralString = (
        "SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid"
        " IN ('shop.item'::regclass, 'shop.line'::regclass) ORDER BY x.relname COLLATE \"C\""
    )
    names = ["item_pkey", "later", "line_pkey", "notes"]
    assert replicated.read_destination(indexes) == [(name,) for name in names]
    async with (
        session(pair.source, pair.database, "test") as source,
        session(pair.destination, pair.database, "test") as destination,
    ):
        found = drift.drifts(await fingerprint.compare(source, destination))
        assert len(found) == 3
        for each in found:
            assert each.statement is not None
            await destination.execute(each.statement.encode())
        assert await fingerprint.compare(source, destination) == ()
