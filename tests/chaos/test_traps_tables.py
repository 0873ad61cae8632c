"""Traps around tables that come and go while changes stream: without the guard, then with it."""

import asyncio
from pathlib import Path
from typing import LiteralString

import pytest

from pgmigrator.core.names import TableName
from pgmigrator.errors import Refused
from pgmigrator.postgres import (
    confirm,
    partitions,
    publication,
    renew,
    restore,
    retire,
    subscription,
    tables,
)
from pgmigrator.postgres.children import Tools, find_tools, version
from pgmigrator.postgres.failures import Failure
from tests.fixtures.providers import Postgres
from tests.integration.replicating import Replicated, apply_errors, apply_held, replicate, until

#: "gate" is where the test holds apply
LOG: tuple[LiteralString, ...] = (
    "CREATE TABLE shop.gate (id int PRIMARY KEY)",
    "CREATE TABLE shop.log (id int, day int, PRIMARY KEY (id, day)) PARTITION BY LIST (day)",
    "CREATE TABLE shop.log_rest PARTITION OF shop.log DEFAULT",
)
NEW_PARTITION: tuple[LiteralString, ...] = (
    "INSERT INTO shop.log VALUES (1, 7)",  # goes to the DEFAULT partition
    "BEGIN; DELETE FROM shop.log_rest WHERE day = 7;"
    " CREATE TABLE shop.log_7 PARTITION OF shop.log FOR VALUES IN (7);"
    " INSERT INTO shop.log VALUES (1, 7); COMMIT",
)
#: the same, by one that has no partition yet
NEW_BRANCH: tuple[LiteralString, ...] = (
    "INSERT INTO shop.log VALUES (1, 7)",
    "BEGIN; DELETE FROM shop.log_rest WHERE day = 7;"
    " CREATE TABLE shop.log_7 PARTITION OF shop.log FOR VALUES IN (7) PARTITION BY LIST (id);"
    " COMMIT",
)
NEW = pytest.mark.parametrize("new", [NEW_PARTITION, NEW_BRANCH], ids=["leaf", "branch"])
PARTITION = TableName("shop", "log_7")


@pytest.fixture
def replicated(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination, LOG)
    return found


@pytest.fixture
def tools(client_bin_dir: Path) -> Tools:
    return find_tools(client_bin_dir, version(client_bin_dir) // 10000)


async def create_partition(replicated: Replicated, tools: Tools) -> tuple[Failure, ...]:
    [(oid,)] = replicated.read_source("SELECT 'shop.log_7'::regclass::oid::bigint")
    return await restore.restore_tables(
        replicated.pair, tools, [(oid, PARTITION)], dump_lock=asyncio.Lock()
    )


def arrived(replicated: Replicated) -> bool:
    """Whether a change after everything else has arrived."""
    return bool(replicated.read_destination("SELECT FROM shop.item WHERE id = -1"))


# --- rows that moved from a DEFAULT partition to a new one -------------------------------------


@NEW
async def test_a_partition_created_while_apply_lags_halts_it_for_ever(
    new: tuple[LiteralString, ...],
    replicated: Replicated,
    tools: Tools,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def at_once(*_: object) -> None:
        return None

    monkeypatch.setattr(tables, "until_passed", at_once)
    with apply_held(replicated):
        replicated.on_source(*new, "INSERT INTO shop.item VALUES (-1)")
        assert await create_partition(replicated, tools) == ()
    until(lambda: apply_errors(replicated) >= 2)  # again and again
    assert not arrived(replicated)


@NEW
async def test_a_partition_is_created_only_once_apply_has_passed_it(
    new: tuple[LiteralString, ...],
    replicated: Replicated,
    tools: Tools,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with apply_held(replicated):
        replicated.on_source(*new, "INSERT INTO shop.item VALUES (-1)")
        monkeypatch.setattr(confirm, "CONFIRM_TIMEOUT_S", 0.5)
        [failure] = await create_partition(replicated, tools)
        assert "lags" in failure.reason
        monkeypatch.undo()
        exists: LiteralString = "SELECT FROM pg_class WHERE relname = 'log_7'"
        assert replicated.read_destination(exists) == []
    assert await create_partition(replicated, tools) == ()
    assert replicated.read_destination(exists)
    until(lambda: arrived(replicated))
    assert apply_errors(replicated) == 0


# --- changes that are on their way to a table that is to be copied anew ------------------------

ITEM = TableName("shop", "item")
ROWS: LiteralString = "SELECT count(*) FROM shop.item"


async def take_out(replicated: Replicated) -> None:
    """Withdraw a table, and let the subscription forget it."""
    pair, names = replicated.pair, replicated.names
    [item] = [table for table in replicated.tables if table[1] == ITEM]
    await publication.drop_tables(pair.source, pair.database, names, (item,))
    await subscription.refresh(pair.destination, pair.database, names, [], {}, {})


def known_to_apply(replicated: Replicated) -> None:
    """Apply has seen the tables streaming; it does not look again."""
    replicated.on_source(
        "INSERT INTO shop.gate VALUES (0)",
        "INSERT INTO shop.item VALUES (-2)",
        'INSERT INTO shop."odd Näme" VALUES (-2)',
    )
    until(lambda: replicated.read_destination('SELECT FROM shop."odd Näme" WHERE id = -2'))


def passed_gate(replicated: Replicated) -> bool:
    return bool(replicated.read_destination('SELECT FROM shop."odd Näme" WHERE id = -1'))


async def test_changes_on_their_way_reach_a_table_that_was_emptied_too_early(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: object) -> None:
        return None

    monkeypatch.setattr(renew, "until_passed_or_failing", at_once)
    known_to_apply(replicated)
    with apply_held(replicated):
        replicated.on_source(
            "INSERT INTO shop.item VALUES (-1)", 'INSERT INTO shop."odd Näme" VALUES (-1)'
        )
        await take_out(replicated)
        assert await renew.empty_tables(replicated.pair, [ITEM]) == ()
        assert replicated.read_destination(ROWS) == [(0,)]
    until(lambda: passed_gate(replicated))
    assert replicated.read_destination(ROWS) == [(1,)]  # a copy would meet it


async def test_a_table_is_emptied_only_once_nothing_is_on_its_way(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_to_apply(replicated)
    with apply_held(replicated):
        replicated.on_source(
            "INSERT INTO shop.item VALUES (-1)", 'INSERT INTO shop."odd Näme" VALUES (-1)'
        )
        await take_out(replicated)
        monkeypatch.setattr(confirm, "CONFIRM_TIMEOUT_S", 0.5)
        with pytest.raises(Refused, match="on their way"):
            await renew.empty_tables(replicated.pair, [ITEM])
        monkeypatch.undo()
    assert await renew.empty_tables(replicated.pair, [ITEM]) == ()
    until(lambda: passed_gate(replicated))
    assert replicated.read_destination(ROWS) == [(0,)]


# --- a partition that the source has dropped ---------------------------------------------------

OLD = TableName("shop", "event_1")
#: what retention does, and what the application writes then
DROP_OLD: tuple[LiteralString, ...] = (
    "CREATE TABLE shop.event_rest PARTITION OF shop.event DEFAULT",
    "INSERT INTO shop.event VALUES (-1, 1)",
    "DROP TABLE shop.event_1",
    "INSERT INTO shop.event VALUES (-2, 1)",  # the DEFAULT partition takes it now
    "INSERT INTO shop.item VALUES (-1)",
)
REST: LiteralString = "SELECT id FROM shop.event_rest"


async def follow_rest(replicated: Replicated) -> None:
    """The DEFAULT partition is published and subscribed."""
    pair, names = replicated.pair, replicated.names
    rest = TableName("shop", "event_rest")
    replicated.on_source(DROP_OLD[0])
    replicated.on_destination(DROP_OLD[0])
    [(oid,)] = replicated.read_source("SELECT 'shop.event_rest'::regclass::oid::bigint")
    await publication.add_tables(pair.source, pair.database, names, ((oid, rest),))
    await subscription.refresh(pair.destination, pair.database, names, [(oid, rest)], {}, {})
    streaming: LiteralString = (
        "SELECT FROM pg_subscription_rel"
        " WHERE srrelid = 'shop.event_rest'::regclass AND srsubstate = 'r'"
    )
    until(lambda: replicated.read_destination(streaming))


async def test_a_partition_that_stays_attached_halts_apply_until_it_is_detached(
    replicated: Replicated,
) -> None:
    await follow_rest(replicated)
    replicated.on_source(*DROP_OLD[1:])
    until(lambda: apply_errors(replicated) >= 2)  # again and again: no waiting would help
    assert not arrived(replicated)
    assert await partitions.detach_partitions(replicated.pair, [OLD]) == ()
    until(lambda: arrived(replicated))
    assert replicated.read_destination(REST) == [(-2,)]
    assert await retire.drop_tables(replicated.pair, [OLD]) == ()
    assert replicated.read_destination("SELECT to_regclass('shop.event_1')") == [(None,)]


async def test_a_table_dropped_while_changes_to_it_are_on_their_way_halts_apply_for_ever(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: object) -> None:
        return None

    monkeypatch.setattr(retire, "until_passed", at_once)
    with apply_held(replicated):
        replicated.on_source(DROP_OLD[1], DROP_OLD[2], DROP_OLD[4])
        assert await retire.drop_tables(replicated.pair, [OLD]) == ()
    until(lambda: apply_errors(replicated) >= 2)
    assert not arrived(replicated)


async def test_a_table_is_dropped_only_once_nothing_is_on_its_way(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    with apply_held(replicated):
        replicated.on_source(DROP_OLD[1], DROP_OLD[2], DROP_OLD[4])
        assert await partitions.detach_partitions(replicated.pair, [OLD]) == ()  # harms nobody
        monkeypatch.setattr(confirm, "CONFIRM_TIMEOUT_S", 0.5)
        with pytest.raises(Refused, match="on their way"):
            await retire.drop_tables(replicated.pair, [OLD])
        monkeypatch.undo()
    until(lambda: arrived(replicated))
    assert apply_errors(replicated) == 0
    assert replicated.read_destination("SELECT FROM shop.event_1 WHERE id = -1")
    assert await retire.drop_tables(replicated.pair, [OLD]) == ()


# --- a table that becomes a partition ----------------------------------------------------------

JOIN: tuple[LiteralString, ...] = (
    "INSERT INTO shop.log VALUES (1, 7)",  # goes to the DEFAULT partition
    "BEGIN; DELETE FROM shop.log_rest WHERE day = 7; INSERT INTO shop.log_7 VALUES (1, 7);"
    " ALTER TABLE shop.log ATTACH PARTITION shop.log_7 FOR VALUES IN (7); COMMIT",
    "INSERT INTO shop.item VALUES (-1)",
)
ALONE: LiteralString = "CREATE TABLE shop.log_7 (id int, day int, PRIMARY KEY (id, day))"


@pytest.fixture
def alone(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination, (*LOG, ALONE))
    return found


async def test_a_partition_attached_while_apply_lags_halts_it_for_ever(
    alone: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: object) -> None:
        return None

    monkeypatch.setattr(partitions, "until_passed", at_once)
    with apply_held(alone):
        alone.on_source(*JOIN)
        assert await partitions.attach_partitions(alone.pair, [PARTITION]) == ()
    until(lambda: apply_errors(alone) >= 2)
    assert not arrived(alone)


async def test_a_partition_is_attached_only_once_apply_has_passed_that(
    alone: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    with apply_held(alone):
        alone.on_source(*JOIN)
        monkeypatch.setattr(confirm, "CONFIRM_TIMEOUT_S", 0.5)
        with pytest.raises(Refused, match="lags"):
            await partitions.attach_partitions(alone.pair, [PARTITION])
        monkeypatch.undo()
    assert await partitions.attach_partitions(alone.pair, [PARTITION]) == ()
    until(lambda: arrived(alone))
    assert apply_errors(alone) == 0
    assert alone.read_destination("SELECT tableoid::regclass::text FROM shop.log") == [
        ("shop.log_7",)
    ]


# --- a partition with other columns, while apply fails -----------------------------------------

#: the destination lacks the column: apply fails at the next row
WIDER: tuple[LiteralString, ...] = (
    "ALTER TABLE shop.event ADD extra int",
    "INSERT INTO shop.event VALUES (-1, 2, 7)",
)


async def test_a_partition_is_not_dropped_while_apply_fails(replicated: Replicated) -> None:
    """Its creation would wait for apply, and apply for what only a person can mend."""
    pair, names = replicated.pair, replicated.names
    replicated.on_source(*WIDER)
    until(lambda: apply_errors(replicated) >= 1)
    gone = tuple(table for table in replicated.tables if table[1] == OLD)
    await publication.drop_tables(pair.source, pair.database, names, gone)
    await subscription.refresh(pair.destination, pair.database, names, [], {}, {})
    [failure] = await renew.empty_tables(pair, [OLD])
    assert "mend its partitioned table first" in failure.reason
    assert replicated.read_destination("SELECT count(*) FROM shop.event_1") == [(250,)]
    # mended as it says
    replicated.on_destination(WIDER[0])
    until(lambda: replicated.read_destination("SELECT FROM shop.event WHERE extra = 7"))
    assert await renew.empty_tables(pair, [OLD]) == ()
    assert replicated.read_destination("SELECT count(*) FROM shop.event_1") == [(0,)]
