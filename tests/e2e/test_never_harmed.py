"""Whatever a table looks like, and whenever it came: the application's writes go on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from pgmigrator.demo.servers import Server
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders, problems_of
from tests.fixtures.servers import PairFactory

REFRESH_SECONDS = 2.0

#: tables that cannot be published as they are, and one that is fit beside them
AWKWARD = """
CREATE TABLE heap (id int, v text);
CREATE TABLE later_key (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text);
CREATE TABLE anonymous (id int PRIMARY KEY, v text);
ALTER TABLE anonymous REPLICA IDENTITY NOTHING;
CREATE TABLE by_index (id int NOT NULL, v text);
CREATE UNIQUE INDEX by_index_id ON by_index (id);
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_id;
DROP INDEX by_index_id;
CREATE TABLE incomparable (id int, v text, doc json DEFAULT '{}');
ALTER TABLE incomparable REPLICA IDENTITY FULL;
CREATE TABLE parent (id int PRIMARY KEY, v text);
CREATE TABLE child () INHERITS (parent);
CREATE TABLE parts (id int, v text) PARTITION BY RANGE (id);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (500);
INSERT INTO child VALUES (100, 'inherited');
"""
UNFIT = ("heap", "later_key", "anonymous", "by_index", "incomparable", "child", "parts_low")


def writes(table: str, *, key: bool = True) -> tuple[str, ...]:
    """Return INSERT, UPDATE, DELETE, MERGE and upsert on a table (id, v)."""
    upsert = (
        f"INSERT INTO {table} VALUES (2, 'u') ON CONFLICT (id) DO UPDATE SET v = excluded.v"
        if key
        else f"INSERT INTO {table} SELECT 2 WHERE NOT EXISTS (SELECT FROM {table} WHERE id = 2)"
    )
    return (
        f"DELETE FROM {table} WHERE id = 1",
        f"INSERT INTO {table} VALUES (1, 'i')",
        f"UPDATE {table} SET v = v || '+' WHERE id IN (1, 100)",
        f"MERGE INTO {table} t USING (VALUES (1), (3)) s (i) ON t.id = s.i"
        " WHEN MATCHED THEN UPDATE SET v = 'm' WHEN NOT MATCHED THEN INSERT VALUES (s.i, 'm')",
        upsert,
        f"DELETE FROM {table} WHERE id = 3",
    )


def test_tables_without_identity_stay_writable(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    shop.execute(pair.source, AWKWARD)
    keyed = ("anonymous", "parent")
    statements = [w for t in (*UNFIT, "parent", "parts") for w in writes(t, key=t in keyed)]
    running = daemon(orders(pair))
    with shop.Application(pair.source, (*shop.WRITES, *statements)) as application:
        running.start()
        running.wait_phase("catching_up")
        problems = _wait_problems(running, "replica_identity", UNFIT)
        assert running.fetch("/cutover/orders")[0] == 503
        _wait_streaming(running, "parent", "customers")
        _wait_rounds(application)
    assert application.errors == []
    assert "REPLICA IDENTITY FULL" in problems['table "public"."heap"']["fix"]
    assert shop.value(pair.source, PUBLISHED.format("child")) == 0

    # what the problems say is what mends them
    for server in (pair.source, pair.destination):
        shop.execute(server, "ALTER TABLE incomparable DROP COLUMN doc")
        shop.execute(server, *(f"ALTER TABLE {name} REPLICA IDENTITY FULL" for name in UNFIT))
    with shop.Application(pair.source, (*shop.WRITES, *statements)) as application:
        _wait_rounds(application)
        running.wait_phase("ready")
    assert application.errors == []
    assert running.post("switch")[0] == 200
    assert shop.differences(pair.source, pair.destination) == []


def test_tables_that_come_later_are_named_and_followed(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    running = daemon(orders(pair))
    running.start()
    with shop.Application(pair.source) as application:
        running.wait_phase("ready")
        created = (
            "CREATE TABLE late (id int PRIMARY KEY, v text)",
            "CREATE TABLE late_heap (id int, v text)",
            "CREATE TABLE events_2027 (LIKE events INCLUDING ALL EXCLUDING IDENTITY)",
        )
        attach = (
            "ALTER TABLE events ATTACH PARTITION events_2027"
            " FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')"
        )
        shop.execute(pair.source, *created, attach)
        into_partition = (
            "INSERT INTO events (at, what) VALUES ('2027-05-05', 'x')",
            "UPDATE events SET at = at + 366 WHERE id = (SELECT min(id) FROM events)",
            "UPDATE events_2027 SET what = what || '.'",
        )
        application.statements += (
            *writes("late"),
            *writes("late_heap", key=False),
            *into_partition,
        )
        names = ("late", "late_heap", "events_2027")
        coming = _wait_problems(running, "tables_not_followed", ("late",))
        assert "by itself" in coming['table "public"."late"']["fix"]
        unfit = _wait_problems(running, "replica_identity", ("late_heap",))
        assert "REPLICA IDENTITY" in unfit['table "public"."late_heap"']["fix"]
        assert running.fetch("/cutover/orders")[0] == 503
        _wait_rounds(application)
        assert application.errors == []

        _wait_streaming(running, "late", "events_2027")
        running.wait(
            lambda _: shop.value(pair.destination, "SELECT to_regclass('late_heap')") is not None,
            "late_heap on the destination",
        )
        shop.execute(pair.source, "ALTER TABLE late_heap REPLICA IDENTITY FULL")
        shop.execute(pair.destination, "ALTER TABLE late_heap REPLICA IDENTITY FULL")
        _wait_streaming(running, *names)
        running.wait_phase("ready")
        _wait_rounds(application)
    assert application.errors == []
    assert running.post("switch")[0] == 200
    assert shop.differences(pair.source, pair.destination) == []


def test_a_table_that_loses_its_identity_is_let_go_within_two_ticks(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    running = daemon(orders(pair), PGMIGRATOR_REFRESH_INTERVAL_SECONDS=str(REFRESH_SECONDS))
    running.start()
    running.wait_phase("ready")
    drop_key = "ALTER TABLE orders DROP CONSTRAINT orders_pkey"
    with _locked_right_after(pair.source, drop_key):
        running.wait(_locked_out, "a lock in the way", "/status/orders/shop")
        # it is asked for in every tick, and sequences are followed all the same
        shop.execute(pair.source, "SELECT setval('cached', 7000)")
        _wait_sequence(running, pair.destination, 7000)
        assert _locked_out(running.database("shop"))
    blocked_seconds = _until_it_works(pair.source, "UPDATE orders SET total = 7 WHERE id = 700")
    # a tick's own work comes on top of the interval
    assert blocked_seconds < 2 * REFRESH_SECONDS + 1
    problems = _wait_problems(running, "replica_identity", ("orders",))
    assert "REPLICA IDENTITY" in problems['table "public"."orders"']["fix"]
    assert running.fetch("/cutover/orders")[0] == 503

    # its changes are lost meanwhile: an identity alone does not bring the light back
    shop.execute(pair.source, "ALTER TABLE orders ADD PRIMARY KEY (id)")
    with _everything_writable(pair.source):
        running.wait(_missed, "the lost changes", "/status/orders/shop")
        time.sleep(3 * REFRESH_SECONDS)
        assert running.fetch("/cutover/orders")[0] == 503
    status, outcome = running.post("switch", timeout_seconds=5)
    assert status == 409, outcome


@contextmanager
def _locked_right_after(server: Server, statement: str) -> Iterator[None]:
    """Run a statement, and hold a lock on its table as VACUUM does, from its commit on."""
    with psycopg.connect(server.dsn("shop")) as holder:
        with psycopg.connect(server.dsn("shop")) as connection:
            connection.execute(statement)
            holder.execute("SELECT")
            holder.pgconn.send_query(b"LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE")
            time.sleep(0.1)  # first in the queue
        while holder.pgconn.get_result() is not None:
            pass
        yield


def _locked_out(document: Any) -> bool:
    return any("a lock keeps us from" in p["reason"] for p in document["problems"])


def _wait_sequence(running: Daemon, server: Server, at_least: int) -> None:
    value = "SELECT last_value FROM cached"
    running.wait(
        lambda _: shop.value(server, value) >= at_least, "the sequence", "/status/orders/shop"
    )


PUBLISHED = "SELECT count(*) FROM pg_publication_tables WHERE tablename = '{}'"


def _wait_problems(running: Daemon, check: str, tables: tuple[str, ...]) -> dict[str, Any]:
    """Wait until a check has found all of these tables, in one report."""
    objects = {f'table "public"."{name}"' for name in tables}
    found = running.wait(
        lambda d: objects <= problems_of(d, check).keys(),
        f"{check} of {objects}",
        "/status/orders/shop",
    )
    return problems_of(found, check)


def _missed(document: Any) -> bool:
    return any("its changes since are missing" in p["reason"] for p in document["problems"])


def _wait_streaming(running: Daemon, *tables: str) -> None:
    def streaming(document: Any) -> bool:
        return {item["table"] for item in document["items"]} >= set(tables)

    path = "/status/orders/shop/tables?limit=1000&state=streaming"
    running.wait(streaming, f"stream of {tables}", path)


def _wait_rounds(application: shop.Application, rounds: int = 3) -> None:
    """Wait until every statement ran so many times more."""
    wanted = {s: application.done[s] + rounds for s in application.statements}
    deadline = time.monotonic() + 60
    while any(application.done[s] < n for s, n in wanted.items()):
        assert not application.errors, application.errors[:5]
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _until_it_works(server: Server, statement: str) -> float:
    """Repeat a statement until it succeeds; return for how many seconds it did not."""
    started = time.monotonic()
    with shop.Application(server, (statement,)) as application:
        while not application.done[statement]:
            assert time.monotonic() - started < 60, application.errors[-1]
            time.sleep(0.02)
    return time.monotonic() - started


@contextmanager
def _everything_writable(server: Server) -> Iterator[None]:
    with shop.Application(server) as application:
        yield
    assert application.errors == []
