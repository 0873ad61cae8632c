"""The schema of real servers: identity first, the rest under load, and nothing left running."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from pgmigrator.core.model import SchemaItem
from pgmigrator.core.names import names
from pgmigrator.errors import Refused
from pgmigrator.postgres import fingerprint, restore, triggers
from pgmigrator.postgres.archive import dump
from pgmigrator.postgres.children import Tools, find_tools, version
from pgmigrator.postgres.connect import session
from pgmigrator.postgres.inventory import Inventory
from pgmigrator.postgres.pair import DatabasePair
from tests.fixtures.databases import create_database, execute
from tests.fixtures.providers import Postgres
from tests.fixtures.servers import PairFactory
from tests.integration.replicating import endpoint, until

RICH = (Path(__file__).parent / "rich_schema.sql").read_bytes()
IDENTITY = {
    "Parti\ntioned_pkey",
    "pk\n0",
    "pk\nof ☃",
    "by_code",
    "customer_pkey",
    "full_identity_btree",
    "line_unique",
    "orders_2024_may_pkey",
    "orders_2024_pkey",
    "orders_2024_rest_pkey",
    "orders_default_pkey",
    "orders_pkey",
    "using_index_identity",
}
INDEXES = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE i.indisvalid AND c.relnamespace::regnamespace::text !~ '^(pg_|pgmigrator)'
"""
#: name, mode
MANY_VIEWS: LiteralString = """
DO $$
BEGIN
    FOR i IN 1..2000 LOOP
        EXECUTE format('CREATE TABLE t%s (i int)', i);
        EXECUTE format('CREATE VIEW v%s AS SELECT i FROM t%s', i, i);
        COMMIT;
    END LOOP;
END $$
"""
TRIGGERS = """
SELECT tgrelid::regclass::text, tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
 ORDER BY 1, 2
"""


class Ends:
    """A database on both sides."""

    def __init__(self, source: Postgres, destination: Postgres, tools: Tools) -> None:
        self.source, self.destination, self.tools = source, destination, tools
        for server in (source, destination):
            execute(server.dsn(), "CREATE ROLE app_owner", "CREATE ROLE app_reader")
        database = create_database(source)
        create_database(destination, database)
        self.pair = DatabasePair(
            endpoint("source", source),
            endpoint("destination", destination),
            database,
            names("orders", 1, 1),
        )
        self.lock = asyncio.Lock()

    async def schema(self, *, created: bool = True) -> tuple[tuple[str, str], ...]:
        return await restore.restore_schema(
            self.pair, self.tools, created=created, dump_lock=self.lock
        )

    async def rest(self) -> tuple[tuple[str, str], ...]:
        return await restore.restore_rest(self.pair, self.tools, created=True, dump_lock=self.lock)

    def on_source(self, *statements: LiteralString) -> None:
        execute(self.source.dsn(self.pair.database), *statements)

    def read(self, side: Postgres, query: LiteralString) -> list[Any]:
        with psycopg.connect(side.dsn(self.pair.database), autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def replicate(self) -> None:
        """Publish what has an identity, subscribe, wait until it is copied."""
        self.on_source(
            """DO $$ BEGIN EXECUTE (SELECT 'CREATE PUBLICATION test FOR TABLE '
                || string_agg('ONLY ' || oid::regclass, ', ') FROM pg_class
                WHERE relkind = 'r' AND relnamespace >= 16384 AND relname <> 'audit'); END $$"""
        )
        subscribe = SQL("CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION test").format(
            Identifier(self.pair.database), self.source.peer_dsn(self.pair.database)
        )
        execute(self.destination.dsn(self.pair.database), subscribe)
        until(lambda: not self.read(self.destination, STILL_COPYING))

    async def differences(self) -> list[object]:
        """What an inventory or the fingerprint of tables finds different."""
        async with (
            session(self.pair.source, self.pair.database, "test") as here,
            session(self.pair.destination, self.pair.database, "test") as there,
        ):
            theirs, ours = await Inventory.read(here), await Inventory.read(there)
            differing = {
                name
                for name in theirs.by_name.keys() | ours.by_name.keys()
                # 18 lists not-null constraints
                if theirs.by_name.get(name) != ours.by_name.get(name) and "not_null" not in name[3]
            }
            return [*differing, *await fingerprint.compare(here, there)]


STILL_COPYING: LiteralString = "SELECT FROM pg_subscription_rel WHERE srsubstate <> 'r'"


@pytest.fixture
def ends(clean_source: Postgres, clean_destination: Postgres, client_bin_dir: Path) -> Ends:
    return Ends(
        clean_source,
        clean_destination,
        find_tools(client_bin_dir, version(client_bin_dir) // 10000),
    )


@pytest.fixture
def rich(ends: Ends) -> Ends:
    with psycopg.connect(ends.source.dsn(ends.pair.database), autocommit=True) as connection:
        connection.execute(RICH)
    return ends


@contextmanager
def writing(ends: Ends) -> Iterator[list[int]]:
    """Writes to many tables at once, in changing order; yields the number of commits."""
    stop = threading.Event()
    commits = [0]

    def write() -> None:
        with psycopg.connect(ends.source.dsn(ends.pair.database)) as connection:
            while not stop.is_set():
                number = 1000 + commits[0]
                connection.execute(
                    "INSERT INTO shop.customer (email) VALUES (%s)", [f"{number}@example.org"]
                )
                connection.execute(
                    "INSERT INTO shop.orders SELECT %s, '2024-05-07', max(id) FROM shop.customer",
                    [number],
                )
                connection.execute(
                    "INSERT INTO shop.line VALUES (%s, '2024-05-07', 1, 'load')", [number]
                )
                connection.execute("UPDATE shop.customer SET tags = '{x}' WHERE id = 1")
                connection.execute("UPDATE shop.full_identity SET a = 'y' WHERE b = 7")
                connection.commit()
                commits[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield commits
    finally:
        stop.set()
        thread.join()


async def test_identity_comes_first_and_the_rest_under_load(rich: Ends) -> None:
    assert await rich.schema() == ()
    assert {row[0] for row in rich.read(rich.destination, INDEXES)} == IDENTITY
    await asyncio.to_thread(rich.replicate)
    with writing(rich) as commits:
        await asyncio.sleep(0.5)
        assert await rich.rest() == ()
        assert commits[0] > 10
    (errors,) = rich.read(
        rich.destination,
        "SELECT sum(apply_error_count) FROM pg_stat_subscription_stats s JOIN pg_database d"
        " ON d.datname = current_database() JOIN pg_subscription u ON u.oid = s.subid"
        " AND u.subdbid = d.oid",
    )
    assert errors == (0,)
    count: LiteralString = "SELECT count(*) FROM shop.line"
    until(lambda: rich.read(rich.source, count) == rich.read(rich.destination, count))
    assert await rich.differences() == []
    assert rich.read(rich.destination, "SELECT count(*) FROM shop.audit") == [(0,)]
    assert await rich.rest() == ()
    assert await rich.differences() == []


async def test_held_triggers_get_their_mode_at_the_switch(rich: Ends) -> None:
    await rich.schema()
    await rich.rest()
    wanted = rich.read(rich.source, TRIGGERS)
    held = rich.read(rich.destination, TRIGGERS)
    assert {mode for _, _, mode in held} == {"O", "D"}
    async with session(rich.pair.destination, rich.pair.database, "test") as connection:
        assert await triggers.enable_held_triggers(connection) == 7
        assert rich.read(rich.destination, TRIGGERS) == wanted
        assert await triggers.enable_held_triggers(connection) == 0


async def test_statistics_and_materialized_views_are_filled(rich: Ends) -> None:
    await rich.schema()
    await asyncio.to_thread(rich.replicate)
    # what a faulty index build leaves behind is taken for no statistics at all
    execute(
        rich.destination.dsn(rich.pair.database),
        "UPDATE pg_class SET reltuples = CASE relkind WHEN 'r' THEN 'NaN' ELSE 'Infinity' END::real"
        " WHERE relkind IN ('r', 'p') AND oid >= 16384",
    )
    await rich.rest()
    populated: LiteralString = "SELECT matviewname, ispopulated FROM pg_matviews ORDER BY 1"
    assert rich.read(rich.destination, populated) == rich.read(rich.source, populated)
    contents: LiteralString = "TABLE shop.a_summary"
    assert rich.read(rich.destination, contents) == rich.read(rich.source, contents)
    assert not rich.read(
        rich.destination,
        "SELECT oid::regclass FROM pg_class c WHERE relkind IN ('r', 'p') AND oid >= 16384"
        " AND relnamespace <> to_regnamespace('pgmigrator') AND (NOT reltuples BETWEEN 0 AND"
        " 1e18 OR relpages > 0"
        " AND NOT EXISTS (SELECT FROM pg_statistic WHERE starelid = c.oid))",
    )


async def test_an_interrupted_restore_goes_on(rich: Ends) -> None:
    await rich.schema()
    for milliseconds in (150, 250, 300, 350, 400):
        task = asyncio.create_task(rich.rest())
        await asyncio.wait([task], timeout=milliseconds / 1000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await rich.rest() == ()
    assert await rich.differences() == []


async def test_a_failing_object_is_named_and_the_rest_goes_on(rich: Ends) -> None:
    execute(rich.source.dsn(), "CREATE ROLE only_here")
    rich.on_source("ALTER TABLE shop.using_index OWNER TO only_here")
    ((thing, reason),) = await rich.schema()
    assert "TABLE shop using_index" in thing
    assert reason == 'role "only_here" does not exist'
    execute(
        rich.destination.dsn(rich.pair.database),
        "INSERT INTO shop.using_index VALUES ('a', 1), ('b', 1)",
    )
    ((thing, reason),) = await rich.rest()
    assert thing == "INDEX shop using_index_other"
    assert "could not create unique index" in reason
    # the index, by inventory and by fingerprint; and the owner, which a restart would not remember
    different = [
        item.kind if isinstance(item, SchemaItem) else "inventory"
        for item in await rich.differences()
    ]
    assert sorted(different) == ["index", "inventory", "owner", "owner"]


@pytest.mark.parametrize("created", [True, False], ids=["created", "adopted"])
async def test_column_options_that_no_other_server_takes_are_left_out(
    ends: Ends, created: bool
) -> None:
    ends.on_source(
        "CREATE TABLE a (id int PRIMARY KEY, b text)",
        "CREATE TABLE other (id int PRIMARY KEY, b text)",
        "ALTER TABLE a ALTER COLUMN b SET (n_distinct = 5)",
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (1) TO (9)",
        "CREATE MATERIALIZED VIEW m AS SELECT * FROM a",
        # as 15.20 and its siblings keep books; and what only a server of another make knows
        """UPDATE pg_attribute SET attoptions = '{pg_attver=7}' || coalesce(attoptions, '{}')
            WHERE attnum > 0 AND attrelid IN (SELECT oid FROM pg_class
                                               WHERE relnamespace = 'public'::regnamespace
                                                 AND relkind IN ('r', 'p', 'm'))""",
        """UPDATE pg_attribute SET attoptions = '{foreign_to_it=1}'
            WHERE attrelid = 'other'::regclass AND attnum > 0""",
    )
    ((thing, reason),) = await ends.schema(created=created)
    assert thing == "column option foreign_to_it of TABLE public other"
    resets = reason.partition("on the source: ")[2]
    options = "SELECT attname, attoptions FROM pg_attribute WHERE attoptions IS NOT NULL"
    found = ends.read(ends.destination, f"{options} AND attrelid >= 16384")
    assert found == [("b", ["n_distinct=5"])]
    assert await ends.rest() == ()
    differing = [item for item in await ends.differences() if isinstance(item, SchemaItem)]
    assert {item.kind for item in differing} == {"option"}
    assert "pg_attver" not in str(differing)
    with psycopg.connect(ends.source.dsn(ends.pair.database), autocommit=True) as connection:
        connection.execute(resets.encode())
    assert await ends.differences() == []


async def test_an_adopted_database_gets_all_or_nothing(rich: Ends) -> None:
    execute(rich.destination.dsn(rich.pair.database), "CREATE TYPE public.x AS ENUM ()")
    rich.on_source("CREATE TYPE public.x AS ENUM ()")
    with pytest.raises(Refused, match=r'TYPE public x.*"x" already exists'):
        await rich.schema(created=False)
    assert not rich.read(
        rich.destination, "SELECT FROM pg_namespace WHERE nspname IN ('shop', 'Odd')"
    )
    execute(rich.destination.dsn(rich.pair.database), "DROP TYPE public.x")
    assert await rich.schema(created=False) == ()


async def test_a_dump_waits_politely_shows_no_secret_and_ends_when_cancelled(
    rich: Ends, tmp_path: Path
) -> None:
    password = rich.pair.source.password
    assert password
    with psycopg.connect(rich.source.dsn(rich.pair.database)) as blocker:
        blocker.execute("LOCK TABLE shop.customer")
        task = asyncio.create_task(dump(rich.pair.source, rich.pair.database, tmp_path, rich.tools))
        child = await asyncio.to_thread(_dump_child)
        assert password not in " ".join(child.cmdline())
        assert password not in " ".join(child.environ().values())
        file = child.environ()["PGPASSFILE"]
        assert _mode(file) == 0o600
        assert _mode(str(Path(file).parent)) == 0o700
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not child.is_running()
        assert _mode(file) is None
        until(lambda: not _sessions(rich), 5)
        with pytest.raises(Refused, match="tables are locked by others"):
            await dump(rich.pair.source, rich.pair.database, tmp_path, rich.tools)


def _mode(file: str) -> int | None:
    try:
        return Path(file).stat().st_mode & 0o777
    except FileNotFoundError:
        return None


def _dump_child(parent: int | None = None) -> psutil.Process:
    found: list[psutil.Process] = []

    def there() -> bool:
        found[:] = [c for c in psutil.Process(parent).children() if "pg_dump" in c.name()]
        return bool(found)

    until(there, 10)
    return found[0]


def _sessions(ends: Ends) -> list[Any]:
    return ends.read(
        ends.source,
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgmigrator/orders/Dump'",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="children die with their parent on Linux only")
def test_children_die_with_their_parent(rich: Ends, tmp_path: Path) -> None:
    instance = rich.pair.source.instance
    program = f"""
import asyncio
from pathlib import Path
from pgmigrator.postgres.archive import dump
from pgmigrator.postgres.children import Tools
from pgmigrator.postgres.connect import Endpoint
from pgmigrator.settings import Instance
password = {rich.pair.source.password!r}
source = Instance(host={instance.host!r}, port={instance.port}, password=password)
tools = Tools(Path({str(rich.tools.bin_dir)!r}), 18)
endpoint = Endpoint("source", "orders", "source", source)
asyncio.run(dump(endpoint, {rich.pair.database!r}, Path({str(tmp_path)!r}), tools))
"""
    with psycopg.connect(rich.source.dsn(rich.pair.database)) as blocker:
        blocker.execute("LOCK TABLE shop.customer")
        with subprocess.Popen([sys.executable, "-c", program]) as parent:
            child = _dump_child(parent.pid)
            os.kill(parent.pid, signal.SIGKILL)
        until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 5)
        until(lambda: not _sessions(rich), 5)


async def test_a_dump_that_would_fill_the_lock_table_is_refused(
    fresh_pair: PairFactory, client_bin_dir: Path, tmp_path: Path
) -> None:
    servers = fresh_pair(
        source={
            "max_locks_per_transaction": "10",
            "max_connections": "20",
            "max_wal_senders": "5",
            "max_prepared_transactions": "0",
        }
    )
    with psycopg.connect(servers.source.dsn(), autocommit=True) as connection:
        for number in range(51):
            connection.execute(SQL("CREATE TABLE {} ()").format(Identifier(f"t{number}")))
    tools = find_tools(client_bin_dir, version(client_bin_dir) // 10000)
    with pytest.raises(Refused, match="raise max_locks_per_transaction on the source to 11"):
        await dump(endpoint("source", servers.source), "postgres", tmp_path, tools)
    execute(servers.source.dsn(), "DROP TABLE t0")
    assert (await dump(endpoint("source", servers.source), "postgres", tmp_path, tools)).exists()


async def test_comparing_many_views_leaves_room_in_the_lock_table(
    fresh_pair: PairFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One statement that prints them all would lock each table of theirs until its end."""
    few = {"max_locks_per_transaction": "64", "max_connections": "50"}
    pair = fresh_pair(source=few, destination=few)
    for server in (pair.source, pair.destination):
        create_database(server, "wide")
        execute(server.dsn("wide"), MANY_VIEWS)
    execute(pair.source.dsn("wide"), "CREATE OR REPLACE VIEW v77 AS SELECT i + 1 AS i FROM t77")
    source, destination = endpoint("source", pair.source), endpoint("destination", pair.destination)

    async def locks_at_once() -> int:
        async with session(source, "wide", "t") as here, session(destination, "wide", "t") as there:
            with _most_locks(pair.source, here.info.backend_pid) as seen:
                found = await fingerprint.compare(here, there, at_once=8)
        assert {item.object for item in found} == {'"public"."v77"'}
        return max(seen)

    assert await locks_at_once() < 300
    monkeypatch.setattr(fingerprint, "_SLICES_MAX", 1)
    assert await locks_at_once() > 1000  # it would have been seen


@contextmanager
def _most_locks(server: Postgres, pid: int) -> Iterator[list[int]]:
    """Collect how many locks a session holds, again and again until the block ends."""
    seen, ended = [0], threading.Event()

    def look() -> None:
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            while not ended.is_set():
                cursor = connection.execute("SELECT count(*) FROM pg_locks WHERE pid = %s", [pid])
                seen.extend(count for (count,) in cursor.fetchall())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
