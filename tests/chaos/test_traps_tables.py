"""Traps around tables that come and go while changes stream: without the guard, then with it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from pgmigrator.core.names import TableName
from pgmigrator.errors import Refused
from pgmigrator.postgres import restore, tables
from pgmigrator.postgres.children import Tools, find_tools
from tests.fixtures.providers import Postgres
from tests.integration.replicating import Replicated, replicate, until

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
PARTITION = TableName("shop", "log_7")


@pytest.fixture
def replicated(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination, LOG)
    return found


@pytest.fixture
def tools(client_bin_dir: Path) -> Tools:
    return find_tools(client_bin_dir, 18)


@contextmanager
def apply_held(replicated: Replicated) -> Iterator[None]:
    """Apply waits at the gate; what the source commits within the block comes after it."""
    waiting: LiteralString = (
        "SELECT FROM pg_locks WHERE NOT granted AND relation = 'shop.gate'::regclass"
    )
    with psycopg.connect(replicated.destination.dsn(replicated.pair.database)) as gate:
        gate.execute("LOCK TABLE shop.gate IN ACCESS EXCLUSIVE MODE")
        replicated.on_source("INSERT INTO shop.gate VALUES (1)")
        until(lambda: replicated.read_destination(waiting))
        yield


def apply_errors(replicated: Replicated) -> int:
    [(errors,)] = replicated.read_destination(
        "SELECT apply_error_count FROM pg_stat_subscription_stats WHERE subname = %s",
        replicated.names.subscription,
    )
    return int(errors)


async def create_partition(replicated: Replicated, tools: Tools) -> None:
    [(oid,)] = replicated.read_source("SELECT 'shop.log_7'::regclass::oid::bigint")
    failures = await restore.restore_tables(
        replicated.pair, tools, [(oid, PARTITION)], dump_lock=asyncio.Lock()
    )
    assert failures == ()


def arrived(replicated: Replicated) -> bool:
    """Whether a change after everything else has arrived."""
    return bool(replicated.read_destination("SELECT FROM shop.item WHERE id = -1"))


# --- rows that moved from a DEFAULT partition to a new one -------------------------------------


async def test_a_partition_created_while_apply_lags_halts_it_for_ever(
    replicated: Replicated, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: object) -> None:
        return None

    monkeypatch.setattr(tables, "_until_passed", at_once)
    with apply_held(replicated):
        replicated.on_source(*NEW_PARTITION, "INSERT INTO shop.item VALUES (-1)")
        await create_partition(replicated, tools)
    until(lambda: apply_errors(replicated) >= 2)  # again and again
    assert not arrived(replicated)


async def test_a_partition_is_created_only_once_apply_has_passed_it(
    replicated: Replicated, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    with apply_held(replicated):
        replicated.on_source(*NEW_PARTITION, "INSERT INTO shop.item VALUES (-1)")
        monkeypatch.setattr(tables, "CONFIRM_TIMEOUT_S", 0.5)
        with pytest.raises(Refused, match="lags"):
            await create_partition(replicated, tools)
        monkeypatch.undo()
        exists: LiteralString = "SELECT FROM pg_class WHERE relname = 'log_7'"
        assert replicated.read_destination(exists) == []
    await create_partition(replicated, tools)
    assert replicated.read_destination(exists)
    until(lambda: arrived(replicated))
    assert apply_errors(replicated) == 0
