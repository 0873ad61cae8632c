"""Traps of timing: locks under load, writers that do not show, work that outlives its daemon."""

import asyncio
import functools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from pgmigrator.postgres import drain, rest
from pgmigrator.postgres.confirm import flush_lsn, until_confirmed
from pgmigrator.postgres.connect import session, source_writer
from tests.chaos.helpers import rows, statement, until
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.databases import execute
from tests.fixtures.providers import Postgres
from tests.fixtures.servers import Pair, PairFactory
from tests.integration.replicating import Replicated, replicate

# --- foreign keys added under load -------------------------------------------------------------

#: "gate" is where the test holds apply: between the table that the key points to, and its own
FAMILY: tuple[LiteralString, ...] = (
    "CREATE TABLE shop.gate (id int PRIMARY KEY)",
    "CREATE TABLE shop.referrer (id int PRIMARY KEY, item bigint)",
)
WRITE: LiteralString = (
    "INSERT INTO shop.item VALUES (-1); INSERT INTO shop.gate VALUES (1);"
    " INSERT INTO shop.referrer VALUES (1, -1)"
)
ADD_KEY: LiteralString = (
    "ALTER TABLE shop.referrer ADD CONSTRAINT referrer_item"
    " FOREIGN KEY (item) REFERENCES shop.item NOT VALID"
)
#: PostgreSQL looks for a deadlock once per wait: by then ours has looked, and found none yet
HELD_SECONDS = 0.4
KEY_WAITS: LiteralString = (
    "SELECT FROM pg_locks WHERE NOT granted AND relation = 'shop.item'::regclass"
)


@pytest.fixture
def family(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination, FAMILY)
    return found


@contextmanager
def _apply_held(replicated: Replicated) -> Iterator[None]:
    """Apply has locked the table that the key points to, and waits for the gate."""
    dsn = replicated.destination.dsn(replicated.pair.database)
    waiting: LiteralString = (
        "SELECT FROM pg_locks WHERE NOT granted AND relation = 'shop.gate'::regclass"
    )
    with psycopg.connect(dsn) as gate:
        gate.execute("LOCK TABLE shop.gate IN ACCESS EXCLUSIVE MODE")
        replicated.on_source(WRITE)
        until(lambda: replicated.read_destination(waiting), "apply at the gate")
        yield


async def _until_deadlock_was_looked_for(replicated: Replicated) -> None:
    """The key waits for the table that it points to, and has done so for a while."""
    waits = functools.partial(replicated.read_destination, KEY_WAITS)
    await asyncio.to_thread(until, waits, "the key's wait")
    await asyncio.sleep(HELD_SECONDS)


async def _add_key(replicated: Replicated) -> tuple[int, int]:
    """Add the key as the daemon does; return how often apply failed, and how many keys failed."""
    workers = rest._Workers(replicated.pair.destination, replicated.pair.database)
    with _apply_held(replicated):
        job = rest._statement("the key", SQL(ADD_KEY).format())
        adding = asyncio.create_task(workers.run([job], at_once=1))
        await _until_deadlock_was_looked_for(replicated)
    await adding
    arrived: LiteralString = "SELECT FROM shop.referrer"
    until(lambda: replicated.read_destination(arrived), "change that was held")
    [(failed,)] = replicated.read_destination(
        "SELECT apply_error_count FROM pg_stat_subscription_stats WHERE subname = %s",
        replicated.names.subscription,
    )
    return failed, len(workers.failures)


async def test_foreign_keys_under_load(family: Replicated) -> None:
    assert await _add_key(family) == (0, 0)


async def test_foreign_keys_under_load_fail_apply_if_we_wait_longer_than_it(
    family: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(rest.OPTIONS, "lock_timeout", "5s")
    failed, _ = await _add_key(family)
    assert failed >= 1


async def test_foreign_keys_under_load_are_lost_with_default_settings(family: Replicated) -> None:
    def add() -> None:
        execute(family.destination.dsn(family.pair.database), ADD_KEY)

    with _apply_held(family):
        adding = asyncio.create_task(asyncio.to_thread(add))
        await _until_deadlock_was_looked_for(family)
    with pytest.raises(psycopg.errors.DeadlockDetected):
        await adding


# --- an open transaction without xid at the drain ----------------------------------------------


async def test_an_open_transaction_without_xid_at_the_drain(
    clean_source: Postgres, clean_destination: Postgres
) -> None:
    replicated: Replicated = replicate(clean_source, clean_destination)
    pair = replicated.pair
    with psycopg.connect(clean_source.dsn(pair.database)) as client:
        client.execute("SELECT 1")
        # nobody has an xid, and everything flushed is confirmed: drained, by the usual measure
        assert (
            replicated.read_source(
                "SELECT FROM pg_stat_activity WHERE datname = current_database()"
                " AND backend_xid IS NOT NULL"
            )
            == []
        )
        async with (
            source_writer(pair.source, pair.database, "test") as writer,
            session(pair.destination, pair.database, "test") as there,
        ):
            lsn = await flush_lsn(writer)
            confirmed = await until_confirmed(writer, there, pair.names.subscription, lsn, 10)
            assert confirmed is not None
            assert confirmed >= lsn

        proof = await drain.drain(pair, replicated.marker, timeout_seconds=5, allow_idle=True)
        assert not proof.proved
        assert any(f"pid {client.info.backend_pid}" in missing for missing in proof.missing)

        execute(
            clean_destination.dsn(pair.database),
            SQL("ALTER SUBSCRIPTION {} DISABLE").format(Identifier(pair.names.subscription)),
        )
        client.execute("INSERT INTO shop.item VALUES (-7)")
        client.commit()  # after the "proof"
    assert replicated.read_destination("SELECT FROM shop.item WHERE id = -7") == []


# --- an index build that outlives the daemon ---------------------------------------------------

#: an index that takes five seconds to build
SLOW: tuple[LiteralString, ...] = (
    "CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM pg_catalog.pg_sleep(0.05); RETURN $1; END'",
    "CREATE TABLE heavy (id int PRIMARY KEY)",
    "INSERT INTO heavy SELECT generate_series(1, 100)",
)
INDEX: LiteralString = "CREATE INDEX heavy_slow ON public.heavy (public.slow(id))"
BUILDING: LiteralString = (
    "SELECT application_name FROM pg_stat_activity JOIN pg_stat_progress_create_index USING (pid)"
    " WHERE relid = 'heavy'::regclass"
)
#: a client that builds the index, and is then killed
CLIENT = """
import sys, psycopg
psycopg.connect(sys.argv[1], autocommit=True).execute(sys.argv[2])
"""


@pytest.fixture
def slow_pair(fresh_pair: PairFactory) -> Pair:
    pair = fresh_pair(source={"max_slot_wal_keep_size": "1GB"})
    shop.create(pair.source, rows=100)
    for text in (*SLOW, INDEX):
        statement(pair.source, text)
    return pair


def _wait_ready_building_once_at_a_time(migrating: Daemon, pair: Pair) -> None:
    def ready(document: Any) -> bool:
        assert len(rows(pair.destination, BUILDING)) <= 1
        return bool(document["phase"] == "ready")

    migrating.wait(ready, "a green light")
    assert "action failed" not in migrating.log.read_text()
    [(definition,)] = rows(
        pair.destination,
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'heavy' AND indexname <> 'heavy_pkey'",
    )
    assert definition.startswith("CREATE INDEX heavy_slow ")


def test_a_build_does_not_outlive_its_daemon_for_long(
    slow_pair: Pair, daemon: Callable[..., Daemon]
) -> None:
    migrating = daemon(orders(slow_pair))
    migrating.start(failpoint="after:MarkCopied")
    migrating.wait_dead()
    migrating.start()
    until(lambda: rows(slow_pair.destination, BUILDING), "index build")
    migrating.kill()
    until(lambda: not rows(slow_pair.destination, BUILDING), "end of the build", seconds=2.5)
    migrating.start()
    _wait_ready_building_once_at_a_time(migrating, slow_pair)


def test_the_next_daemon_waits_for_a_build_that_outlives(
    slow_pair: Pair, daemon: Callable[..., Daemon]
) -> None:
    migrating = daemon(orders(slow_pair))
    migrating.start(failpoint="before:RestoreRest")
    migrating.wait_dead()
    # without client_connection_check_interval, a server goes on for a client that is dead
    dsn = slow_pair.destination.dsn("shop")
    name = "application_name=pgmigrator/orders/RestoreRest"
    client = subprocess.Popen([sys.executable, "-c", CLIENT, f"{dsn} {name}", INDEX])
    until(lambda: rows(slow_pair.destination, BUILDING), "index build")
    client.kill()
    client.wait()
    time.sleep(1)
    assert rows(slow_pair.destination, BUILDING) == [("pgmigrator/orders/RestoreRest",)]

    started = migrating.log.stat().st_size
    migrating.start()
    migrating.wait(lambda document: document["lease"] == "waiting", "waiting for the build")
    if rows(slow_pair.destination, BUILDING):
        assert "action started" not in migrating.log.read_text()[started:]
    _wait_ready_building_once_at_a_time(migrating, slow_pair)


def test_two_builds_of_one_index_fail(slow_pair: Pair) -> None:
    """What would come of not waiting."""
    for text in SLOW:
        statement(slow_pair.destination, text, "postgres")
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, slow_pair.destination.dsn("postgres"), INDEX]
    )
    building: LiteralString = "SELECT FROM pg_stat_progress_create_index"
    until(lambda: rows(slow_pair.destination, building, "postgres"), "index build")
    with pytest.raises((psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable)):
        statement(slow_pair.destination, INDEX, "postgres")
    assert client.wait(timeout=30) == 0
