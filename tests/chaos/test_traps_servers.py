"""Traps around servers: a source that failed over, and servers that are older copies of themselves.

In each, every view of PostgreSQL says that all is well, and rows are missing.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, LiteralString

import psycopg
import pytest

from pgmigrator.demo.servers import Server
from tests.chaos.helpers import rows, statement, until
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import Pair, PairFactory

Own = Callable[[Server], Server]
Side = Literal["source", "destination"]
STARTED: LiteralString = "SELECT extract(epoch FROM pg_postmaster_start_time())::float8"
#: of which start of either server the destination knows that a daemon watched it
REMEMBERED: dict[Side, LiteralString] = {
    "source": "SELECT source_started_at FROM pgmigrator.start",
    "destination": "SELECT extract(epoch FROM started_at)::float8 FROM pgmigrator.start",
}


@pytest.fixture
def pair(fresh_pair: PairFactory) -> Pair:
    found = fresh_pair(source={"max_slot_wal_keep_size": "1GB"})
    shop.create(found.source, rows=100)
    return found


@pytest.fixture
def migrating(pair: Pair, daemon: Callable[..., Daemon]) -> Daemon:
    """A migration with a green light."""
    made = daemon(orders(pair))
    made.start()
    made.wait_phase("ready")
    return made


def _looks_drained(source: Server, destination: Server) -> bool:
    """What a person would look at: all streams, and the slot has confirmed everything."""
    [(streaming,)] = rows(
        destination,
        "SELECT (SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL) > 0"
        " AND (SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel)"
        " AND (SELECT bool_and(subenabled) FROM pg_subscription)",
    )
    [(confirmed,)] = rows(
        source,
        "SELECT coalesce(bool_and(active AND confirmed_flush_lsn >= pg_current_wal_flush_lsn()),"
        " false) FROM pg_replication_slots",
    )
    return bool(streaming and confirmed)


def _failed(daemon: Daemon, reason: str) -> None:
    """The light is off, the reason is told, and neither drain nor switch proves anything."""
    daemon.wait(
        lambda document: document["phase"] == "failed" and reason in document["reason"],
        f"phase failed because: {reason}",
        "/status/orders/shop",
    )
    assert daemon.get("/cutover/orders")["ready"] is False
    for verb in ("drain", "switch"):
        status, outcome = daemon.post(verb, timeout_seconds=5)
        assert status == 409, outcome


def _failed_for_good(daemon: Daemon, reason: str, reason_later: str) -> None:
    """It has failed, and stays so for the next daemon, which has not seen why."""
    _failed(daemon, reason)
    daemon.kill()
    daemon.start()
    _failed(daemon, reason_later)


def _ready_for_good(daemon: Daemon) -> None:
    """The light is on again, and what one daemon has seen, the next one believes."""
    daemon.wait_phase("catching_up")
    daemon.wait_phase("ready")
    daemon.kill()
    daemon.start()
    daemon.wait_phase("ready")


def _older_copy_takes_its_place(
    pair: Pair, side: Side, own_server: Own, *, watched: bool
) -> Server:
    """Copy a server, let the destination apply and confirm an UPDATE, and put the copy there."""
    server: Server = getattr(pair, side)
    server.stop()
    older = own_server(server.copy(port=server.port))
    server.start()
    if watched:  # else it may well see neither of the two starts
        until(
            lambda: rows(server, STARTED) == rows(pair.destination, REMEMBERED[side]),
            "look at the restart",
        )
    statement(pair.source, 'UPDATE "Großes Lager" SET "Menge" = "Menge" + 1000')
    until(lambda: shop.differences(pair.source, pair.destination) == [], "the update")
    until(lambda: _looks_drained(pair.source, pair.destination), "its confirmation")
    server.stop()
    older.start()
    return older


def _grow_wal(server: Server) -> None:
    """Write beyond where the WAL began."""
    with psycopg.connect(server.dsn("shop"), autocommit=True) as connection:
        for _ in range(2):
            connection.execute("SELECT pg_switch_wal()")
            connection.execute("SELECT txid_current()")


def _vouch(pair: Pair, reason: str) -> None:
    """Run the statement that the status shows."""
    with psycopg.connect(pair.destination.dsn("shop"), autocommit=True) as connection:
        connection.execute(reason[reason.index("UPDATE ") :].encode())


# --- the destination ---------------------------------------------------------------------------


@pytest.mark.parametrize("watching", [True, False], ids=["watched", "unwatched"])
def test_the_destination_is_replaced_by_an_older_copy(
    watching: bool, pair: Pair, migrating: Daemon, own_server: Own
) -> None:
    if not watching:
        migrating.kill()
    older = _older_copy_takes_its_place(pair, "destination", own_server, watched=watching)

    # it streams on, and drains, and counts equal rows: yet an update is missing for good
    statement(pair.source, "INSERT INTO nothing VALUES (7)")
    until(lambda: rows(older, "SELECT FROM nothing WHERE id = 7"), "later change")
    until(lambda: _looks_drained(pair.source, older), "confirmation of everything")
    assert len(shop.differences(pair.source, older)) == 1

    if not watching:
        migrating.start()
    found = "restored to an older state" if watching else "no daemon watched"
    _failed_for_good(migrating, found, "no daemon watched")


@pytest.mark.parametrize("end", [Server.stop, Server.kill], ids=["restart", "crash"])
def test_a_restart_of_the_destination_is_no_older_copy(
    end: Callable[[Server], Any], pair: Pair, migrating: Daemon
) -> None:
    end(pair.destination)
    shop.write(pair.source)
    pair.destination.start()
    _ready_for_good(migrating)


def test_a_person_can_vouch_for_a_restart_that_nobody_watched(
    pair: Pair, migrating: Daemon
) -> None:
    migrating.kill()
    pair.destination.restart()
    migrating.start()
    document = migrating.wait_phase("failed")
    reason = document["databases"][0]["reason"]
    statement(pair.destination, "UPDATE pgmigrator.start SET started_at = now()")  # not this one
    _vouch(pair, reason)
    migrating.wait_phase("ready")
    assert migrating.post("drain")[0] == 200


# --- the source --------------------------------------------------------------------------------


@pytest.mark.parametrize("watching", [True, False], ids=["watched", "unwatched"])
def test_the_source_is_replaced_by_an_older_copy(
    watching: bool, pair: Pair, migrating: Daemon, own_server: Own
) -> None:
    if not watching:
        migrating.kill()
    older = _older_copy_takes_its_place(pair, "source", own_server, watched=watching)

    # apply skips what it commits below what was applied, until its WAL has grown beyond that
    statement(older, "UPDATE nothing SET id = id + 1")
    statement(older, "INSERT INTO nothing VALUES (6)")
    statement(older, "SELECT pg_switch_wal()")
    statement(older, "INSERT INTO nothing VALUES (7)")
    until(lambda: rows(pair.destination, "SELECT FROM nothing WHERE id = 7"), "later change")
    until(lambda: _looks_drained(older, pair.destination), "confirmation of everything")
    assert len(shop.differences(older, pair.destination)) == 2

    if not watching:
        migrating.start()
    found = "the source's WAL went back" if watching else "no daemon watched"
    _failed_for_good(migrating, found, "the source was restarted while no daemon watched")


@pytest.mark.parametrize("end", [Server.stop, Server.kill], ids=["restart", "crash"])
def test_a_restart_of_the_source_is_no_older_copy(
    end: Callable[[Server], Any], pair: Pair, migrating: Daemon
) -> None:
    shop.write(pair.source)
    end(pair.source)
    migrating.wait_phase("unknown")
    pair.source.start()
    shop.write(pair.source)
    _ready_for_good(migrating)
    assert migrating.post("drain")[0] == 200


def test_a_checkpoint_does_not_hide_an_older_copy(
    pair: Pair, migrating: Daemon, own_server: Own
) -> None:
    older = _older_copy_takes_its_place(pair, "source", own_server, watched=True)
    _grow_wal(older)
    statement(older, "CHECKPOINT")
    migrating.wait(lambda report: report["phase"] == "failed", "the doubt", "/status/orders/shop")
    assert migrating.post("drain", timeout_seconds=5)[0] == 409


def test_a_daemon_that_starts_while_the_source_is_down_has_not_seen_its_start(
    pair: Pair, migrating: Daemon, own_server: Own
) -> None:
    migrating.kill()
    older = _older_copy_takes_its_place(pair, "source", own_server, watched=False)
    _grow_wal(older)
    older.stop()
    migrating.start()
    migrating.wait_phase("unknown")
    older.start()
    _failed(migrating, "the source was restarted while no daemon watched")


def test_a_person_can_vouch_for_a_restart_of_the_source(pair: Pair, migrating: Daemon) -> None:
    migrating.kill()
    pair.source.restart()
    migrating.start()
    document = migrating.wait_phase("failed")
    reason = document["databases"][0]["reason"]
    pair.source.restart()  # not this one
    _vouch(pair, reason)
    _failed(migrating, "no daemon watched")
    [(started,)] = rows(pair.source, STARTED)
    migrating.wait(
        lambda report: repr(started) in report["reason"], "this start", "/status/orders/shop"
    )
    _vouch(pair, migrating.get("/status/orders/shop")["reason"])
    migrating.wait_phase("ready")
    assert migrating.post("drain")[0] == 200


def test_the_source_fails_over_to_a_lagging_standby(
    pair: Pair, migrating: Daemon, own_server: Own
) -> None:
    standby = own_server(pair.source.standby())
    standby.start()
    standby.stop()  # from here on it lags
    statement(
        pair.source,
        "INSERT INTO orders (customer, total) SELECT 1, 1 FROM generate_series(1, 5000)",
    )
    until(lambda: _looks_drained(pair.source, pair.destination), "confirmation")
    [(slot,)] = rows(pair.source, "SELECT slot_name FROM pg_replication_slots")
    pair.source.stop("immediate")
    standby.configure({"port": str(pair.source.port)})
    promoted = replace(standby, port=pair.source.port)
    promoted.start()
    promoted.promote()
    with psycopg.connect(promoted.dsn("shop"), autocommit=True) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
    statement(promoted, "INSERT INTO nothing SELECT generate_series(1, 11)")

    # committed rows never arrive: the subscription has seen a later LSN, of another timeline
    until(lambda: _looks_drained(promoted, pair.destination), "everything said to be confirmed")
    assert rows(pair.destination, "SELECT count(*) FROM nothing") == [(0,)]

    _failed(migrating, "timeline 1 to 2")
