"""Exact counts at one LSN, while writes flow."""

import asyncio
import random
import statistics
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from typing import LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from pgmigrator.core.model import RowCounts
from pgmigrator.core.names import TableName
from pgmigrator.core.pgoutput import net_changes
from pgmigrator.errors import Refused
from pgmigrator.postgres import verify
from pgmigrator.postgres.pgoutput import exported_slot, peek
from pgmigrator.postgres.queries import query
from pgmigrator.postgres.verify import count_rows
from tests.fixtures.databases import execute
from tests.fixtures.providers import Postgres
from tests.integration.replicating import Replicated, replicate, until

ROUNDS = 30
ITEM = TableName("shop", "item")


@pytest.fixture
def replicated(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination)
    return found


class Pauses:
    """Measures how long the subscription was stopped."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        started = time.monotonic()
        yield
        self.seconds.append(time.monotonic() - started)


def _transaction(connection: psycopg.Connection[tuple[object, ...]], number: int) -> None:
    """One of many kinds of transaction; `number` makes its keys its own."""
    pick = random.Random(number)
    with suppress(psycopg.Rollback), connection.transaction():
        for step in range(pick.randrange(1, 6)):
            key = number * 10 + step
            connection.execute("INSERT INTO shop.item VALUES (%s, 'new')", [key])
            connection.execute("INSERT INTO shop.event VALUES (%s, 1)", [key])
        if pick.random() < 0.5:  # a savepoint that is rolled back
            with suppress(psycopg.Rollback), connection.transaction() as inner:
                connection.execute(
                    "DELETE FROM shop.item WHERE id % 7 = 0 AND id BETWEEN 1 AND 5000"
                )
                raise psycopg.Rollback(inner)
        if pick.random() < 0.5:  # rows move between partitions
            connection.execute(
                "UPDATE shop.event SET day = 3 - day WHERE id %% 97 = %s", [key % 97]
            )
        if pick.random() < 0.5:
            connection.execute("DELETE FROM shop.item WHERE id = %s", [key - 50])
            connection.execute("UPDATE shop.item SET note = 'x' WHERE id = %s", [key])
        if pick.random() < 0.05:  # large enough to be streamed before it commits
            connection.execute(
                "INSERT INTO shop.item SELECT -%s * 1000::bigint - i, 'large'"
                " FROM generate_series(1, 900) i",
                [number],
            )
        if pick.random() < 0.2:
            raise psycopg.Rollback()


@contextmanager
def traffic(replicated: Replicated, writers: int = 4) -> Iterator[list[int]]:
    """Write in several sessions at once; yields the number of transactions of each."""
    done = threading.Event()
    written = [0] * writers

    def write(writer: int) -> None:
        with psycopg.connect(
            replicated.source.dsn(replicated.pair.database), autocommit=True
        ) as connection:
            while not done.is_set():
                number = (writer + 1) * 1_000_000 + written[writer]
                with suppress(psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                    _transaction(connection, number)
                written[writer] += 1
                time.sleep(0.005)  # no faster than the destination applies

    threads = [threading.Thread(target=write, args=[n]) for n in range(writers)]
    for thread in threads:
        thread.start()
    try:
        yield written
    finally:
        done.set()
        for thread in threads:
            thread.join()


async def test_counts_are_equal_while_writes_flow(replicated: Replicated) -> None:
    pauses = Pauses()
    with traffic(replicated) as written:
        for _ in range(ROUNDS):
            counts = await count_rows(replicated.pair, replicated.tables, pause=pauses())
            assert counts.deltas == ()
            assert len(counts.tables) == len(replicated.tables)
        assert sum(written) > ROUNDS
    milliseconds = sorted(1000 * pause for pause in pauses.seconds)
    print(  # noqa: T201
        f"{sum(written)} transactions; paused: median {statistics.median(milliseconds):.0f} ms,"
        f" worst {milliseconds[-1]:.0f} ms"
    )


@pytest.mark.parametrize(
    "plant", ["INSERT INTO shop.item VALUES (-1)", "DELETE FROM shop.item WHERE id = 7"]
)
async def test_one_row_too_many_or_too_few_is_found_under_load(
    replicated: Replicated, plant: LiteralString
) -> None:
    # nobody else writes it, and apply skips what it does not find
    replicated.on_source("DELETE FROM shop.item WHERE id BETWEEN 8 AND 100")
    replicated.on_destination(plant)
    with traffic(replicated):
        for _ in range(5):
            counts = await count_rows(replicated.pair, replicated.tables, pause=nullcontext())
            assert [delta.table for delta in counts.deltas] == [ITEM]
            [delta] = counts.deltas
            wanted = 1 if plant.startswith("INSERT") else -1
            assert delta.destination_rows - delta.source_rows == wanted


async def test_truncated_tables_are_equal_or_left_out(replicated: Replicated) -> None:
    done = threading.Event()

    def truncate() -> None:
        with psycopg.connect(
            replicated.source.dsn(replicated.pair.database), autocommit=True
        ) as connection:
            while not done.is_set():
                with connection.transaction():
                    connection.execute('TRUNCATE shop."odd Näme"')
                    connection.execute('INSERT INTO shop."odd Näme" SELECT generate_series(1, 9)')
                time.sleep(0.02)

    thread = threading.Thread(target=truncate)
    thread.start()
    compared = 0
    try:
        for _ in range(20):
            counts = await count_rows(replicated.pair, replicated.tables, pause=nullcontext())
            assert counts.deltas == ()
            compared += len(counts.tables)
    finally:
        done.set()
        thread.join()
    assert compared >= 20 * (len(replicated.tables) - 1)
    counts = await count_rows(replicated.pair, replicated.tables, pause=nullcontext())
    assert len(counts.tables) == len(replicated.tables)


async def test_a_table_truncated_between_both_snapshots_is_counted_exactly(
    replicated: Replicated,
) -> None:
    """Its number is what was inserted since, whatever was there before."""

    @asynccontextmanager
    async def truncating() -> AsyncIterator[None]:
        replicated.on_source(
            'TRUNCATE shop."odd Näme"', 'INSERT INTO shop."odd Näme" VALUES (1), (2), (3)'
        )
        until(lambda: replicated.read_destination('SELECT count(*) FROM shop."odd Näme"') == [(3,)])
        yield

    counts = await count_rows(replicated.pair, replicated.tables, pause=truncating())
    assert counts.deltas == ()
    # the source's snapshot is older than the table's file
    assert len(counts.tables) == len(replicated.tables) - 1


async def test_a_long_transaction_pauses_nothing(replicated: Replicated) -> None:
    pauses = Pauses()
    with psycopg.connect(replicated.source.dsn()) as other:  # in another database
        other.execute("SELECT pg_current_xact_id()")
        with pytest.raises(Refused, match="transactions that write have been open"):
            await count_rows(replicated.pair, replicated.tables, pause=pauses(), timeout_seconds=1)
    assert pauses.seconds == []
    assert replicated.subscription() == (True, True)


async def test_a_locked_table_is_left_out(replicated: Replicated) -> None:
    with psycopg.connect(replicated.source.dsn(replicated.pair.database)) as connection:

        @asynccontextmanager
        async def locking() -> AsyncIterator[None]:
            yield
            connection.execute("LOCK TABLE shop.item IN ACCESS EXCLUSIVE MODE")

        counts = await count_rows(replicated.pair, replicated.tables, pause=locking())
    assert counts.deltas == ()
    assert len(counts.tables) == len(replicated.tables) - 1


async def test_a_disabled_subscription_stays_disabled(replicated: Replicated) -> None:
    name = Identifier(replicated.names.subscription)
    dsn = replicated.destination.dsn(replicated.pair.database)
    execute(dsn, SQL("ALTER SUBSCRIPTION {} DISABLE").format(name))
    with pytest.raises(Refused):
        await count_rows(replicated.pair, replicated.tables, pause=nullcontext(), timeout_seconds=2)
    assert replicated.subscription() == (False, False)


async def test_whenever_it_is_cancelled_the_subscription_runs_afterwards(
    replicated: Replicated,
) -> None:
    with traffic(replicated, writers=1):
        for step in range(25):
            task = asyncio.create_task(
                count_rows(replicated.pair, replicated.tables, pause=nullcontext())
            )
            await asyncio.sleep(0.01 * step)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            until(lambda: replicated.subscription() == (True, True), timeout_seconds=10)
    # the last walsender may still be on its way out
    temporary: LiteralString = "SELECT slot_name FROM pg_replication_slots WHERE temporary"
    until(lambda: replicated.read_source(temporary) == [], timeout_seconds=10)


# --- rows themselves -----------------------------------------------------------------------------

WIDE = TableName("shop", "wide")
LOOSE = TableName("shop", "loose")
SAME = TableName("shop", "same")
MORE: tuple[LiteralString, ...] = (
    # an order of columns, names and types that would trip a careless comparison
    'CREATE TABLE shop.wide (r numeric, touched text, "odd ""%s" text, at timestamptz,'
    ' span interval, f float8, b bytea, m money, PRIMARY KEY ("odd ""%s", r))',
    "CREATE TABLE shop.loose (a int, b text)",
    "CREATE TABLE shop.same (a int, b text)",
    "ALTER TABLE shop.same REPLICA IDENTITY FULL",
)
ROWS: tuple[LiteralString, ...] = (
    "INSERT INTO shop.wide SELECT i, 't', 'k' || i, now() - i * '1 hour'::interval,"
    " i * '1 minute'::interval, i / 3.0, decode('00ff', 'hex'), i::numeric::money"
    " FROM generate_series(1, 500) i",
    "INSERT INTO shop.loose SELECT i, NULL FROM generate_series(1, 100) i",
    "INSERT INTO shop.same SELECT i % 3, CASE WHEN i % 2 = 0 THEN '' END"
    " FROM generate_series(1, 100) i",
)


@pytest.fixture
def wide(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination, MORE)
    found.on_source(*ROWS)
    until(
        lambda: all(
            found.read_destination(f"SELECT count(*) FROM shop.{name}") == [(number,)]
            for name, number in (("wide", 500), ("loose", 100), ("same", 100))
        )
    )
    return found


@contextmanager
def busy(replicated: Replicated) -> Iterator[None]:
    """Touch rows of each table all the time."""
    done = threading.Event()

    def write() -> None:
        number = 1000
        with psycopg.connect(
            replicated.source.dsn(replicated.pair.database), autocommit=True
        ) as connection:
            while not done.is_set():
                number += 1
                for statement in (
                    "INSERT INTO shop.wide (r, touched, \"odd \"\"%%s\") VALUES (%s, 'x', 'new')",
                    "UPDATE shop.wide SET r = r + 100000, touched = 'y' WHERE r = %s - 1",
                    'DELETE FROM shop.wide WHERE "odd ""%%s" = \'new\' AND r = %s + 99998',
                    "INSERT INTO shop.loose VALUES (%s, NULL)",
                    "INSERT INTO shop.same VALUES (%s, NULL)",
                    "UPDATE shop.same SET b = repeat('ä,\"\\', 2000) WHERE a = %s - 1",
                    "UPDATE shop.same SET a = a + 1000000 WHERE a = %s - 2",
                ):
                    connection.execute(statement, [number])
                time.sleep(0.002)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


async def compare_rows(replicated: Replicated) -> RowCounts:
    names = [name for _, name in replicated.tables]
    return await count_rows(replicated.pair, replicated.tables, pause=nullcontext(), rows_of=names)


async def test_rows_are_equal_while_writes_flow(wide: Replicated) -> None:
    compared: Counter[TableName] = Counter()
    with busy(wide):
        for _ in range(ROUNDS):
            counts = await compare_rows(wide)
            assert counts.deltas == ()
            assert counts.differing == {}
            compared.update(counts.equal.keys())
    assert compared == {name: ROUNDS for _, name in wide.tables}


@pytest.mark.parametrize(
    ("table", "plant"),
    [
        (WIDE, "UPDATE shop.wide SET f = f + 1e-9 WHERE r = 7"),
        (WIDE, "UPDATE shop.wide SET touched = NULL WHERE r = 7"),
        (LOOSE, "UPDATE shop.loose SET b = '' WHERE a = 7"),
        (SAME, "UPDATE shop.same SET b = 'x' WHERE ctid = (SELECT min(ctid) FROM shop.same)"),
        (ITEM, "UPDATE shop.item SET note = note || ' ' WHERE id = 7"),
    ],
)
async def test_one_other_row_is_found_under_load(
    wide: Replicated, table: TableName, plant: LiteralString
) -> None:
    wide.on_destination(plant)
    with busy(wide):
        for _ in range(3):
            counts = await compare_rows(wide)
            assert counts.deltas == ()
            assert counts.differing.keys() == {table}
            assert counts.equal.keys() == {name for _, name in wide.tables} - {table}


async def test_rows_that_are_not_asked_for_are_counted_only(wide: Replicated) -> None:
    wide.on_destination("UPDATE shop.item SET note = '' WHERE id = 7")
    counts = await count_rows(wide.pair, wide.tables, pause=nullcontext(), rows_of=[WIDE])
    assert counts.differing == {}
    assert counts.equal.keys() == {WIDE}
    assert len(counts.tables) == len(wide.tables)


@pytest.mark.parametrize(
    ("changes", "statements"),
    [
        (True, ["TRUNCATE shop.item"]),
        (True, ["VACUUM (FULL) shop.item"]),
        (True, ["ALTER TABLE shop.item ALTER note TYPE text USING upper(note)"]),
        (True, ["ALTER TABLE shop.item ADD x int"]),
        (True, ["ALTER TABLE shop.item DROP note", "ALTER TABLE shop.item ADD note text"]),
        (True, ["ALTER TABLE shop.item ADD x timestamptz DEFAULT clock_timestamp()"]),
        (False, ["ALTER TABLE shop.item ALTER note SET DEFAULT 'x'"]),
        (False, ["UPDATE shop.item SET note = 'x'", "VACUUM shop.item", "ANALYZE shop.item"]),
        (
            False,
            ["CREATE INDEX ON shop.item (note)", "ALTER TABLE shop.item ALTER note SET NOT NULL"],
        ),
        (False, ["ALTER TABLE shop.item ALTER note TYPE varchar"]),
        (
            False,
            ["ALTER TABLE shop.item RENAME note TO remark", "GRANT ALL ON shop.item TO PUBLIC"],
        ),
        # changes of another table may have gone into it meanwhile
        (True, ["ALTER TABLE shop.item RENAME TO x", "ALTER TABLE shop.x RENAME TO item"]),
        (False, ["DELETE FROM shop.item", "VACUUM shop.item"]),
    ],
)
@pytest.mark.parametrize("side", ["source", "destination"])
def test_storage_changes_with_whatever_may_change_rows_unseen(
    replicated: Replicated, side: str, changes: bool, statements: list[LiteralString]
) -> None:
    on, read = (
        (replicated.on_source, replicated.read_source)
        if side == "source"
        else (replicated.on_destination, replicated.read_destination)
    )
    look = f"SELECT storage FROM ({query('storage')}) s WHERE schema = 'shop' AND name = 'item'"
    before = read(look)
    on(*statements)
    assert (read(look) != before) is changes


async def test_what_is_generated_is_not_compared(wide: Replicated) -> None:
    """Both sides compute it, each in its own version's way."""
    wide.on_source("ALTER TABLE shop.item ADD made int GENERATED ALWAYS AS (1) STORED")
    wide.on_destination("ALTER TABLE shop.item ADD made int GENERATED ALWAYS AS (2) STORED")
    counts = await compare_rows(wide)
    assert counts.differing == {}
    assert ITEM in counts.equal


async def test_a_value_that_an_update_left_out_of_line_is_not_taken_for_equal(
    wide: Replicated,
) -> None:
    """The update carries all of its row but the long value, which may differ."""
    long: LiteralString = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 500) i)"
    wide.on_source(
        "ALTER TABLE shop.wide ALTER touched SET STORAGE EXTERNAL",
        f"UPDATE shop.wide SET touched = {long} WHERE r = 7",
    )
    found: LiteralString = "SELECT length(touched) FROM shop.wide WHERE r = 7"
    until(lambda: wide.read_destination(found) == [(16_000,)])
    wide.on_destination("UPDATE shop.wide SET touched = upper(touched) WHERE r = 7")

    @asynccontextmanager
    async def updating() -> AsyncIterator[None]:
        wide.on_source("UPDATE shop.wide SET f = 1 WHERE r = 7")
        until(lambda: wide.read_destination("SELECT f FROM shop.wide WHERE r = 7") == [(1,)])
        yield

    counts = await count_rows(wide.pair, wide.tables, pause=updating(), rows_of=[WIDE, ITEM])
    assert WIDE in counts.tables
    assert WIDE not in counts.equal
    assert ITEM in counts.equal
    assert (await compare_rows(wide)).differing.keys() == {WIDE}


async def test_rows_are_not_read_from_a_flood(
    wide: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "MAX_TOUCHED_WAL_BYTES", -(2**62))
    wide.on_destination("UPDATE shop.item SET note = '' WHERE id = 7")
    counts = await compare_rows(wide)
    assert len(counts.tables) == len(wide.tables)
    assert counts.differing == {}
    assert counts.equal == {}


#: what audits DDL and logins, as far as it is ours: the table is replicated like any other
AUDIT: tuple[LiteralString, ...] = (
    "CREATE FUNCTION shop.audit() RETURNS event_trigger LANGUAGE plpgsql AS"
    " $$ BEGIN IF current_setting('application_name') LIKE 'pgmigrator/%' THEN"
    " INSERT INTO shop.item SELECT coalesce(max(id), 0) + 1, tg_tag FROM shop.item;"
    " END IF; END $$",
    "CREATE EVENT TRIGGER ddl ON ddl_command_end EXECUTE FUNCTION shop.audit()",
    "CREATE EVENT TRIGGER login ON login EXECUTE FUNCTION shop.audit()",
)


async def test_no_event_trigger_of_the_destination_runs_on_what_we_do(
    replicated: Replicated,
) -> None:
    replicated.on_destination(*AUDIT)
    counts = await count_rows(replicated.pair, replicated.tables, pause=nullcontext())
    assert (counts.deltas, replicated.read_destination("SELECT count(*) FROM shop.item")) == (
        (),
        [(1000,)],
    )


async def test_many_changes_take_little_memory(replicated: Replicated) -> None:
    async with exported_slot(replicated.pair.source, replicated.pair.database, "t", 30) as slot:
        replicated.on_source(
            "INSERT INTO shop.item SELECT -i, 'x' FROM generate_series(1, 100000) i"
        )
        tracemalloc.start()
        try:
            found = await peek(slot.connection, slot.name, [replicated.names.publication])
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    item = {name: oid for oid, name in replicated.tables}[ITEM]
    assert net_changes(found, 2**62)[item].net_rows == 100_000
    # a pointer for each, and a portion's rows
    assert peak_bytes < 60 * len(found)
