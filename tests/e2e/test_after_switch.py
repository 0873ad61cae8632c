"""After the switch the destination is the application's: we watch, and end only when asked."""

import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from pgmigrator.demo.servers import Server
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import Pair, PairFactory

WRITING_SECONDS = 60.0
REFRESH_SECONDS = 2.0
MARKER = """SELECT substr(s, 18)::jsonb FROM pg_db_role_setting, unnest(setconfig) s
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = 'shop') AND setrole = 0
      AND s LIKE 'pgmigrator.state=%'"""
#: log_statement=mod: who changed something, and when
CHANGE = re.compile(
    r"^(?P<at>\S+ \S+ UTC) \[\d+\] \S*/(?P<application>pgmigrator/\S+) LOG: +"
    r"statement: (?P<what>.*)",
    re.MULTILINE,
)
#: rows that only the destination has, and every way in which a sequence hands out a number
OURS = (
    "INSERT INTO customers (name) VALUES ('after')",
    "INSERT INTO orders (customer, total) VALUES (1, 3)",
    "INSERT INTO events (at, what) VALUES ('2026-06-06', 'after')",
    "CREATE TABLE IF NOT EXISTS numbers (d bigint UNIQUE, c bigint UNIQUE)",
    "INSERT INTO numbers VALUES (nextval('down'), nextval('cached'))",
    "UPDATE orders SET total = total + 1 WHERE id IN (500, 1000)",
    "DELETE FROM events WHERE id IN (SELECT min(id) FROM events)",
)
COUNTED = {
    "customers_id_seq": 1,
    "orders_id_seq": 1,
    "events_id_seq": 1,
    "down": -1,
    "cached": 1,
}


def test_nothing_of_ours_touches_a_switched_destination(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE, destination={"log_statement": "mod"})
    running = _switched(pair, daemon)
    assert shop.differences(pair.source, pair.destination) == []
    marker = shop.value(pair.destination, MARKER)
    # by which the slots of its table synchronisation are known to be ours
    oid = "SELECT oid::bigint FROM pg_subscription WHERE subname LIKE 'pgmigrator%'"
    assert marker["subscription_oid"] == shop.value(pair.destination, oid)
    switched_at = shop.value(pair.destination, "SELECT clock_timestamp()")
    positions = _positions(pair.destination)

    with shop.Application(pair.destination, OURS) as application:
        deadline = time.monotonic() + WRITING_SECONDS
        while time.monotonic() < deadline:
            time.sleep(1)
            now = _positions(pair.destination)
            for name, direction in COUNTED.items():
                assert now[name] * direction >= positions[name] * direction, name
            positions = now
    # a number given twice would have violated a key; a row overwritten would be counted twice
    assert application.errors == []
    for table, what in (("customers", "name = 'after'"), ("orders", "total = 3")):
        kept = shop.value(pair.destination, f"SELECT count(*) FROM {table} WHERE {what}".encode())
        assert kept == application.done[next(s for s in OURS if f"INTO {table} " in s)]
    assert shop.value(pair.destination, MARKER) == marker
    assert _changes_since(pair.destination, switched_at) == []
    document = running.database("shop")
    assert document["phase"] == "switched"
    assert document["switched"]["late_writes"] == 0
    assert document["problems"] == []

    status, outcome = running.post("complete")
    assert status == 200, outcome
    running.wait_phase("completed")
    assert shop.value(pair.destination, "SELECT count(*) FROM pg_subscription") == 0
    assert "completed" in shop.value(pair.destination, MARKER)["steps"]
    assert running.post("complete")[0] == 200


def test_a_late_write_shows_within_two_ticks_and_holds_complete_back(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    running = _switched(pair, daemon, PGMIGRATOR_REFRESH_INTERVAL_SECONDS=str(REFRESH_SECONDS))
    running.wait(_late(0), "a look at the slot", "/status/orders/shop")
    started = time.monotonic()
    shop.write(pair.source)
    running.wait(_late(1), "the late write", "/status/orders/shop")
    # a tick's own work comes on top of the interval
    assert time.monotonic() - started < 2 * REFRESH_SECONDS + 1
    document = running.database("shop")
    assert any(
        "written to the source after the switch" in p["reason"] for p in document["problems"]
    )
    assert running.metric("pgmigrator_late_writes", mapping="orders", database="shop") == 1

    status, outcome = running.post("complete")
    assert status == 409, outcome
    assert [blocker["object"] for blocker in outcome["blocking"]] == ["late_writes"]
    assert running.post("complete", force=True)[0] == 400  # force needs a reason
    assert running.command("complete", "orders").returncode == 1
    forced = running.command("complete", "orders", "--force", "--reason", "carried over by hand")
    assert forced.returncode == 0, forced.stderr
    running.wait_phase("completed")
    assert shop.value(pair.destination, MARKER)["reason"] == "carried over by hand"
    assert shop.value(pair.source, "SELECT count(*) FROM pg_replication_slots") == 0


def test_late_writes_that_no_slot_shows_are_named_and_hold_complete_back(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    running = _switched(pair, daemon)
    running.wait(_late(0), "a look at the source", "/status/orders/shop")
    shop.execute(
        pair.source,
        "CREATE TABLE invoices AS SELECT generate_series(1, 1000) AS id",
        "SELECT nextval('cached') FROM generate_series(1, 100)",
        'ALTER PUBLICATION pgmigrator_orders DROP TABLE ONLY "Großes Lager"',
    )
    said = ('"invoices" is new', '"cached" moved', '"Großes Lager" is published no more')
    document = running.wait(
        lambda document: all(word in str(document["problems"]) for word in said),
        "the late writes",
        "/status/orders/shop",
    )
    assert document["switched"]["late_writes"] == 1
    assert running.metric("pgmigrator_late_writes", mapping="orders", database="shop") == 1
    status, outcome = running.post("complete")
    assert status == 409, outcome
    (blocker,) = outcome["blocking"]
    assert (blocker["object"], blocker["status"]) == ("late_writes", "fail")
    assert all(word in blocker["reason"] for word in said)
    assert running.post("complete", force=True, reason="seen")[0] == 200
    assert shop.value(pair.destination, "SELECT to_regnamespace('pgmigrator') IS NULL")


def test_what_the_last_count_found_holds_drain_and_switch_back(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source, rows=100)
    running = daemon(orders(pair))
    running.start()
    running.wait_phase("ready")
    shop.execute(pair.destination, "DELETE FROM logged WHERE ctid = '(0,1)'")
    running.kill()  # the next one counts at once
    running.start()
    running.wait(
        lambda document: any(
            (gate["name"], gate["status"]) == ("row_counts_match", "fail")
            for gate in document["gates"]
        ),
        "a count that differs",
        "/status/orders/shop",
    )
    for verb in ("drain", "switch"):
        status, outcome = running.post(verb)
        assert status == 409, outcome
        (blocker,) = outcome["blocking"]
        assert '"logged" had 50 rows on the source and 49' in blocker["reason"]
    shop.execute(pair.destination, "INSERT INTO logged VALUES ('line 1')")
    running.wait_phase("ready")
    status, outcome = running.post("switch")
    assert status == 200, outcome


def test_the_setting_complete_waits_for_the_switch(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    for database in ("shop", "second"):
        shop.create(pair.source, database, rows=100)
    running = daemon(orders(pair, COMPLETE="true"))
    running.start()
    document = running.wait_phase("ready")
    [problem] = [
        problem
        for problem in document["databases"][0]["problems"]
        if not problem["id"].startswith("minor_releases:")  # as old as the servers at hand are
    ]
    assert (problem["object"], problem["severity"]) == (
        "PGMIGRATOR_MAPPINGS__ORDERS__COMPLETE",
        "note",
    )
    status, outcome = running.post("complete")
    assert status == 409, outcome
    assert shop.value(pair.source, "SELECT count(*) FROM pg_replication_slots WHERE active") == 2
    # for the mapping as a whole
    assert running.post("switch", databases=["shop"])[0] == 200
    running.wait(_late(0), "a look at the source", "/status/orders/shop")
    running.wait_ticks(4)
    assert running.database("shop")["phase"] == "switched"
    assert running.post("unswitch", databases=["shop"])[0] == 200
    assert running.post("switch")[0] == 200
    running.wait_phase("completed")
    assert shop.value(pair.source, "SELECT count(*) FROM pg_replication_slots") == 0


def test_the_way_back_is_open_until_the_destination_is_written_to(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    running = _switched(pair, daemon)
    status, outcome = running.post("unswitch")
    assert status == 200, outcome
    shop.write(pair.source)
    running.wait_phase("ready")
    assert running.post("switch")[0] == 200
    assert shop.differences(pair.source, pair.destination) == []
    shop.execute(pair.destination, OURS[0])
    status, outcome = running.post("unswitch")
    assert status == 409, outcome
    assert "written to" in outcome["blocking"][0]["reason"]
    running.wait_phase("switched")


def _switched(pair: Pair, daemon: Callable[..., Daemon], **settings: str) -> Daemon:
    """Migrate the shop up to the switch, under writes until just before it."""
    shop.create(pair.source)
    running = daemon(orders(pair), **settings)
    running.start()
    with shop.Application(pair.source) as application:
        running.wait_phase("ready")
    assert application.errors == []
    status, outcome = running.post("switch")
    assert status == 200, outcome
    return running


def _late(number: int) -> Callable[[Any], bool]:
    return lambda document: (document["switched"] or {}).get("late_writes") == number


def _positions(server: Server) -> dict[str, int]:
    return {name: shop.value(server, f"SELECT last_value FROM {name}".encode()) for name in COUNTED}


def _changes_since(server: Server, then: datetime) -> Sequence[str]:
    """Return what sessions of ours changed, by the server's own log."""
    log = server.log_path.read_text(errors="replace")
    found = list(CHANGE.finditer(log))
    assert found, "the log shows what came before"
    return [
        f"{match['application']}: {match['what']}"
        for match in found
        if datetime.fromisoformat(match["at"].replace(" UTC", "+00:00")) > then
    ]
