"""Kill -9 at every boundary: whatever moment it dies at, the next daemon goes on, and rightly.

One migration of two databases for each moment ("before", "after"): the daemon dies at one action
after the other, and in the middle of the long ones. Each next start must get by itself to where
the one after it dies.
"""

from collections.abc import Callable
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from pgmigrator.runtime import handlers
from tests.chaos.helpers import TUPLES, activity, rows, statement, until
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, instance, mapping
from tests.fixtures.servers import Pair, PairFactory

#: "small" stands on the destination already, empty: it is adopted
DATABASES = ("shop", "small")
#: enough for a copy and an index build to be caught in the act
ROWS = 150_000

#: the actions up to the light, in the order in which they come; "!" marks a moment within
ADOPTION = (
    "CreateRoles",
    "AdoptDatabase",
    "!during:pgmigrator.postgres.restore.restore_pre_data",
)
BEFORE_COPY = (
    "CreateDatabase",
    "!during:pgmigrator.postgres.restore.restore_pre_data",
    "DropUnfinishedDatabase",
    "RestoreSchema",
    "CreatePublication",
    "CreateSlot",
    "CreateSubscription",
)
AFTER_COPY = ("SynchronizeSequences", "VerifyRowCounts")
PAUSED = ("!during:pgmigrator.postgres.pause.stop", "EnableSubscription")
END = (
    "BeginCompletion",
    "!during:pgmigrator.postgres.remove._clean_destination",
    "!during:pgmigrator.postgres.remove._drop_slot",
    "!during:pgmigrator.postgres.remove._clean_source",
    "RemoveReplication",
)
#: what the test makes happen in between
CAUSED = (
    "MarkCopied",
    "RestoreRest",
    "RestoreTables",
    "AddToPublication",
    "RefreshSubscription",
    "WithdrawTables",
    "EmptyTables",
    "RenameTables",
    "RenamePartitioned",
    "AttachPartitions",
    "DetachPartitions",
    "DropTables",
    "DropFromPublication",
)
#: what the destination's server says while it copies, and while it builds an index
COPYING: LiteralString = (
    "SELECT FROM pg_stat_progress_copy WHERE relid = 'orders'::regclass AND tuples_processed > 0"
)
BUILDING: LiteralString = (
    "SELECT FROM pg_stat_progress_create_index WHERE relid = 'orders'::regclass"
)
#: actions that no migration without a mishap has, and where they are tested
ELSEWHERE = {
    "RememberStart": "after a restart of a server: who dies before it has not watched",
    "DisableSubscription": "one statement, and only if somebody enables it after the switch",
    "RememberConflicts": "one transaction, and only after a conflict: again is a no-op",
    "ForgetCounts": "one statement, and only if the source stops counting: again is a no-op",
    "DropSlot": "one statement that ends the migration: the slot is there or it is not",
}


def test_every_action_is_in_the_matrix() -> None:
    lists = ADOPTION + BEFORE_COPY + AFTER_COPY + PAUSED + END
    killed = {name for name in lists if name[0] != "!"}
    assert killed | set(CAUSED) | ELSEWHERE.keys() == {kind.__name__ for kind in handlers.HANDLERS}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_every_action(
    moment: str, fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair = _pair(fresh_pair)
    before = shop.dump(client_bin_dir, pair.source, *DATABASES)
    victim = daemon(
        instance("old", pair.source),
        instance("new", pair.destination),
        mapping("orders", "old", "new", DATABASES='["small"]'),
    )

    def killed_at(*points: str) -> None:
        for point in points:
            victim.start(point[1:] if point[0] == "!" else f"{moment}:{point}")
            victim.wait_dead()

    killed_at(*ADOPTION)
    victim.settings["PGMIGRATOR_MAPPINGS__ORDERS__DATABASES"] = '["shop", "small"]'
    killed_at(*BEFORE_COPY)
    if moment == "before":  # else it died while the servers were copying
        _kill_while(victim, pair, COPYING)
    killed_at("MarkCopied")
    _kill_while(victim, pair, BUILDING)
    killed_at("RestoreRest")
    _write(pair)  # sequences, too, which are then behind
    killed_at(*AFTER_COPY, *PAUSED)
    _tables_come_and_go(victim, pair, killed_at)
    statement(pair.source, "ALTER TABLE late DROP CONSTRAINT late_pkey")
    killed_at("DropFromPublication")
    _until_updatable(victim, pair)
    _write(pair)
    _switch(victim)
    assert shop.differences(pair.source, pair.destination, *DATABASES) == []
    _assert_copied_once(pair)

    shop.write(pair.destination)
    victim.kill()
    victim.settings["PGMIGRATOR_MAPPINGS__ORDERS__COMPLETE"] = "true"
    killed_at(*END)
    victim.start()
    victim.wait_phase("completed")
    assert victim.stop() == 0
    assert shop.dump(client_bin_dir, pair.source, *DATABASES) == before
    assert shop.value(pair.source, "SELECT count(*) FROM pg_replication_slots") == 0
    assert activity(pair.destination) == []


def _pair(fresh_pair: PairFactory) -> Pair:
    pair = fresh_pair(source={"max_slot_wal_keep_size": "1GB"})
    shop.create(pair.source, rows=ROWS)
    shop.create(pair.source, "small", rows=100)
    statement(pair.source, "CREATE ROLE reader")
    statement(pair.source, "GRANT SELECT ON customers TO reader")
    statement(pair.destination, "CREATE DATABASE small", "postgres")
    return pair


def _write(pair: Pair) -> None:
    for database in DATABASES:
        shop.write(pair.source, database)


def _kill_while(victim: Daemon, pair: Pair, under_way: LiteralString) -> None:
    """Kill it while the destination's server is at work for it."""
    with psycopg.connect(pair.destination.dsn("shop"), autocommit=True) as connection:
        victim.start()
        until(lambda: connection.execute(under_way).fetchall(), under_way)
        victim.kill()


def _new_tables(pair: Pair) -> None:
    statement(pair.source, "CREATE TABLE late (id int PRIMARY KEY)")
    statement(
        pair.source,
        "CREATE TABLE events_late PARTITION OF events FOR VALUES FROM ('2030-01-01') TO (MAXVALUE)",
    )
    statement(
        pair.source,
        "CREATE TABLE joined (id bigint, at date, what text, PRIMARY KEY (id, at))",
    )
    statement(pair.source, "CREATE TABLE spans (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    statement(pair.source, "INSERT INTO late SELECT generate_series(1, 100)")


def _tables_come_and_go(victim: Daemon, pair: Pair, killed_at: Callable[..., None]) -> None:
    """A table and a partition come; the one is copied anew, the other is renamed and goes."""
    _new_tables(pair)
    killed_at("RestoreTables", "AddToPublication", "RefreshSubscription")
    _get_ready(victim)
    _assert_copied_once(pair)
    _want_resync(pair)
    killed_at("WithdrawTables", "EmptyTables")
    statement(
        pair.source,
        "ALTER TABLE events ATTACH PARTITION joined"
        " FOR VALUES FROM ('2028-01-01') TO ('2029-01-01')",
    )
    killed_at("AttachPartitions")
    statement(pair.source, "ALTER TABLE events_late RENAME TO events_latest")
    killed_at("RenameTables")
    statement(pair.source, "ALTER TABLE spans RENAME TO ranges")
    killed_at("RenamePartitioned")
    statement(pair.source, "DROP TABLE events_latest, joined")
    killed_at("DetachPartitions", "DropTables")
    _get_ready(victim)


def _want_resync(pair: Pair) -> None:
    """What the verb notes down."""
    statement(
        pair.destination, "UPDATE pgmigrator.tables SET resync = true WHERE table_name = 'late'"
    )


def _get_ready(victim: Daemon) -> None:
    victim.start()
    victim.wait_phase("ready")
    victim.kill()


def _until_updatable(victim: Daemon, pair: Pair) -> None:
    """The table that lost its identity hurts nobody any more; then it goes."""

    def updatable() -> bool:
        try:
            statement(pair.source, "UPDATE late SET id = id WHERE id = 1")
        except psycopg.errors.ObjectNotInPrerequisiteState:
            return False
        return True

    victim.start()
    until(updatable, "table that can be updated again")
    victim.kill()
    for server in (pair.source, pair.destination):
        statement(server, "DROP TABLE late, ranges")


def _switch(victim: Daemon) -> None:
    """Kill it with the subscriptions stopped, then with one database switched; switch at last."""
    for step in ("stop", "commit"):
        victim.start(f"during:pgmigrator.postgres.switch.{step}")
        victim.wait_phase("ready")
        with pytest.raises(OSError):  # noqa: PT011  the line goes dead in one way or another
            victim.post("switch")
        victim.wait_dead()
    victim.start()
    victim.wait_phase("ready")
    status, outcome = victim.post("switch")
    assert status == 200, outcome
    victim.wait_phase("switched")


def _assert_copied_once(pair: Pair) -> None:
    """Rows that were copied twice would have been inserted twice, even if rolled back."""
    for database in DATABASES:
        for server in (pair.source, pair.destination):
            statement(server, "SELECT pg_stat_force_next_flush()", database)

        def same(database: str = database) -> bool:
            return rows(pair.source, TUPLES, database) == rows(pair.destination, TUPLES, database)

        until(same, f"equal numbers of inserted rows in {database}")
