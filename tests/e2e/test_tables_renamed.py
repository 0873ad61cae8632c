"""An application renames its tables, or puts others in their place, while it is migrated."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from tests.e2e import shop
from tests.e2e.following import arrives, dump, migrating, streams
from tests.fixtures.daemon import Daemon
from tests.fixtures.servers import Pair, PairFactory

LEDGER = (
    "CREATE TABLE ledger (id serial PRIMARY KEY, note text)",
    "CREATE INDEX ON ledger (note)",
    "INSERT INTO ledger (note) SELECT 'n' || i FROM generate_series(1, 1000) i",
)


def oid(pair: Pair, name: str) -> object:
    """Of a table on the destination; None: there is none of that name."""
    return shop.value(pair.destination, f"SELECT to_regclass('{name}')::oid")


def test_tables_that_are_renamed_keep_their_rows(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon, *LEDGER)
    running.wait_phase("ready")
    before = (oid(pair, "ledger"), oid(pair, "events_2026"))
    with shop.Application(pair.source) as application:
        shop.execute(
            pair.source,
            "INSERT INTO ledger (note) VALUES ('before')",
            "CREATE SCHEMA archive",
            "ALTER TABLE ledger SET SCHEMA archive",
            "INSERT INTO archive.ledger (note) VALUES ('after')",
            "ALTER TABLE events_2026 RENAME TO events_of_2026",
            "INSERT INTO archive.ledger (note) VALUES ('last')",
        )
        after = dump(client_bin_dir, pair)
        running.wait(
            lambda _: (oid(pair, "archive.ledger"), oid(pair, "events_of_2026")) == before,
            "the new names",
        )
        streams(running, "ledger", "events_of_2026")
        running.wait_phase("ready")
    assert application.errors == []
    arrives(pair, running, client_bin_dir, after)


COUNTING_SESSIONS = """SELECT count(*) FROM pg_stat_activity
 WHERE application_name = 'pgmigrator/orders/VerifyRowCounts' AND backend_start < '{}'"""


def test_a_count_that_would_last_gives_way_to_a_rename(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    """Apply stands still from the rename on: the end of a long count must not be waited for."""
    pair, running = migrating(fresh_pair, daemon, *LEDGER)
    running.wait_phase("ready")
    running.stop()
    before = oid(pair, "ledger")
    with psycopg.connect(pair.source.dsn("shop")) as writer:
        # the count waits for the end of this transaction before it counts at all
        writer.execute("INSERT INTO nothing VALUES (7)")
        running.start()
        running.wait(lambda d: "VerifyRowCounts" in d["running"], "a count", "/status/orders/shop")
        at = shop.value(pair.source, "SELECT clock_timestamp()")
        shop.execute(
            pair.source,
            "ALTER TABLE ledger RENAME TO renamed",
            "INSERT INTO renamed (note) VALUES ('after')",
        )
        running.wait(lambda _: oid(pair, "renamed") == before, "the new name", seconds=40)
        for side in (pair.source, pair.destination):
            assert shop.value(side, COUNTING_SESSIONS.format(at)) == 0
    # it is counted again, and the light comes
    running.wait_phase("ready")


#: what does not name the partitioned table
OTHER_WRITES = tuple(each for each in shop.WRITES if "events" not in each)
LEAF = "INSERT INTO events_2026 OVERRIDING SYSTEM VALUE SELECT 100000, '2026-07-07', 'leaf'"


def test_a_partitioned_table_that_is_renamed_keeps_its_partitions(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(
        fresh_pair,
        daemon,
        "CREATE TABLE bare (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE years (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE first_years PARTITION OF years FOR VALUES FROM (0) TO (9)"
        " PARTITION BY RANGE (id)",
        "CREATE TABLE year_0 PARTITION OF first_years FOR VALUES FROM (0) TO (1)",
    )
    running.wait_phase("ready")
    before = [oid(pair, name) for name in ("events", "events_2026", "bare", "years", "first_years")]
    with shop.Application(pair.source, OTHER_WRITES) as application:
        shop.execute(
            pair.source,
            "CREATE SCHEMA archive",
            LEAF,
            "ALTER TABLE events SET SCHEMA archive",
            "ALTER TABLE archive.events RENAME TO happenings",
            "INSERT INTO archive.happenings (at, what) VALUES ('2026-08-08', 'after')",
            "CREATE TABLE late PARTITION OF archive.happenings"
            " FOR VALUES FROM ('2040-01-01') TO (MAXVALUE)",
            "INSERT INTO archive.happenings (at, what) VALUES ('2040-08-08', 'late')",
            "ALTER TABLE bare RENAME TO naked",
            # one below the other
            "BEGIN; ALTER TABLE years RENAME TO decades; ALTER TABLE first_years RENAME TO first;"
            " INSERT INTO decades VALUES (0); COMMIT",
        )
        after = dump(client_bin_dir, pair)
        names = ("archive.happenings", "events_2026", "naked", "decades", "first")
        running.wait(lambda _: [oid(pair, name) for name in names] == before, "the new names")
        streams(running, "events_2026", "late", "year_0")
        running.wait_phase("ready")
    assert application.errors == []
    assert running.database("shop")["replication"]["apply_errors"] == 0
    arrives(pair, running, client_bin_dir, after)


def test_two_tables_that_change_places(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    """They are copied anew: changes have gone into the wrong one."""
    pair, running = migrating(
        fresh_pair,
        daemon,
        *LEDGER,
        "CREATE TABLE ledger_new (LIKE ledger INCLUDING ALL)",
        "INSERT INTO ledger_new SELECT i, 'm' || i FROM generate_series(500, 2000) i",
    )
    running.wait_phase("ready")
    with shop.Application(pair.source) as application:
        shop.execute(
            pair.source,
            "BEGIN; ALTER TABLE ledger RENAME TO ledger_old;"
            " ALTER TABLE ledger_new RENAME TO ledger; COMMIT",
            "UPDATE ledger SET note = 'x' WHERE id = 600",
            "INSERT INTO ledger VALUES (3000, 'y')",
            "UPDATE ledger_old SET note = 'z' WHERE id = 600",
        )
        after = dump(client_bin_dir, pair)
        running.wait(lambda document: not document["ready"], "the light off", "/cutover/orders")
        running.wait(
            lambda _: oid(pair, "ledger_old") is not None and oid(pair, "ledger_new") is None,
            "the names of the source",
        )
        streams(running, "ledger", "ledger_old")
        running.wait_phase("ready")
    assert application.errors == []
    arrives(pair, running, client_bin_dir, after)


# --- tables that take the place of others ------------------------------------------------------

#: what every ETL does: a new table takes the place of the old one
REPLACE = (
    'CREATE TABLE lager_new (LIKE "Großes Lager" INCLUDING ALL)',
    "INSERT INTO lager_new SELECT i, -i FROM generate_series(50, 400) i",
    'BEGIN; DROP TABLE "Großes Lager"; ALTER TABLE lager_new RENAME TO "Großes Lager"; COMMIT',
)
LAGER = 'SELECT count(*) FROM "Großes Lager" WHERE "Menge" < 0'


def new_rows_arrive(pair: Pair, running: Daemon) -> None:
    def arrived(_: object) -> bool:
        try:
            return bool(shop.value(pair.destination, LAGER) == 351)
        except psycopg.errors.UndefinedTable:  # it is being created anew
            return False

    running.wait(arrived, "the rows of the new table")


def test_a_table_that_is_replaced_is_copied_anew(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon)
    running.wait_phase("ready")
    with shop.Application(pair.source) as application:
        for _ in range(2):
            shop.execute(pair.source, *REPLACE)
            running.wait(lambda document: not document["ready"], "the light off", "/cutover/orders")
            new_rows_arrive(pair, running)
            after = dump(client_bin_dir, pair)
            running.wait_phase("ready")
            assert shop.value(pair.destination, LAGER) == shop.value(pair.source, LAGER)
    assert application.errors == []
    arrives(pair, running, client_bin_dir, after)


def only_conflicts_are_left(running: Daemon) -> str:
    """Wait until conflicts are all that keeps the light off; return how to acknowledge them."""
    found: list[Any] = []

    def left(document: Any) -> bool:
        found[:] = [gate for gate in document["gates"] if gate["status"] != "pass"]
        return [gate["name"] for gate in found] == ["no_conflicts"]

    running.wait(left, "a light that only conflicts keep off", "/status/orders/shop")
    return str(found[0]["fix"])


def test_a_replacement_that_was_followed_under_its_own_name_first(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon)
    running.wait_phase("ready")
    create, fill, swap = REPLACE
    with shop.Application(pair.source) as application:
        shop.execute(pair.source, create, fill)
        streams(running, "lager_new")
        # from here on its changes arrive under the name of the table that it replaces
        shop.execute(pair.source, swap)
        after = dump(client_bin_dir, pair)
        new_rows_arrive(pair, running)
        # they met the rows of the old one: whether that did harm, a person must say
        fix = only_conflicts_are_left(running)
        shop.execute(pair.destination, fix[fix.index("SELECT ") :])
        running.wait_phase("ready")
    assert application.errors == []
    arrives(pair, running, client_bin_dir, after)
