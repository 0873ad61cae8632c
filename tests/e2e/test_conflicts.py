"""Data and objects that are not ours are refused by name, and stay byte-identical."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import PairFactory

TICK_COUNT = 6


def test_what_is_not_ours_blocks_and_is_left_alone(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    databases = ("shop", "second")
    for database in databases:
        shop.create(pair.source, database, rows=50)
    shop.execute(pair.source, "CREATE ROLE clerk LOGIN", "CREATE ROLE plain")
    shop.execute(
        pair.source, 'CREATE PUBLICATION "pgmigrator_orders" FOR TABLE orders', database="second"
    )
    shop.create(pair.destination, rows=5)
    shop.execute(pair.destination, "CREATE ROLE clerk CREATEDB", database="postgres")
    before = (
        shop.dump(client_bin_dir, pair.source, *databases),
        shop.dump_all(client_bin_dir, pair.destination),
    )
    running = daemon(orders(pair))
    running.start()
    expected = {"shop": {"shop", "role clerk"}, "second": {"pgmigrator_orders", "role clerk"}}
    for database, objects in expected.items():
        path = f"/status/orders/{database}"
        document = running.wait(lambda d: d["phase"] == "blocked", "the refusal", path)
        blocking = {p["object"]: p for p in document["problems"] if p["severity"] == "blocks"}
        assert blocking.keys() == objects
        assert all(problem["fix"] for problem in blocking.values())
    running.wait_ticks(TICK_COUNT)
    assert running.fetch("/cutover/orders")[0] == 503
    assert before == (
        shop.dump(client_bin_dir, pair.source, *databases),
        shop.dump_all(client_bin_dir, pair.destination),
    )
    check = running.command("check")
    assert check.returncode == 1
    assert "role clerk" in check.stdout

    # each as the fix has it; the daemon goes on by itself
    shop.execute(pair.destination, "DROP DATABASE shop", "DROP ROLE clerk", database="postgres")
    shop.execute(pair.source, 'DROP PUBLICATION "pgmigrator_orders"', database="second")
    running.wait_phase("ready")


def test_a_database_that_fills_up_after_it_was_adopted_is_left_alone(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source, rows=50)
    shop.execute(pair.destination, "CREATE DATABASE shop", database="postgres")
    running = daemon(orders(pair))
    running.start(failpoint="after:AdoptDatabase")
    running.wait_dead()
    shop.execute(pair.destination, "CREATE TABLE theirs AS SELECT 1 AS i")
    before = shop.dump_all(client_bin_dir, pair.destination)
    running.start()
    running.wait(
        lambda d: any("adopted empty" in p["reason"] for p in d["problems"]),
        "the refusal",
        "/status/orders/shop",
    )
    running.wait_ticks(TICK_COUNT)
    assert shop.dump_all(client_bin_dir, pair.destination) == before


def test_a_conflict_is_not_forgotten_by_a_crash_and_a_restart(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    """The crash zeroes PostgreSQL's counters, and the restart what the daemon remembers."""
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source, rows=50)
    running = daemon(orders(pair))
    running.start()
    running.wait_phase("ready")
    shop.execute(pair.destination, 'DELETE FROM "Großes Lager" WHERE "Artikel Nr" = 7')
    shop.execute(pair.source, 'UPDATE "Großes Lager" SET "Menge" = 0 WHERE "Artikel Nr" = 7')
    noted = "SELECT to_regclass('pgmigrator.conflicts') IS NOT NULL"
    running.wait(lambda _: shop.value(pair.destination, noted) is True, "the note")
    pair.destination.kill()
    pair.destination.start()
    counted = "SELECT sum(confl_update_missing) FROM pg_stat_subscription_stats"
    assert shop.value(pair.destination, counted) == 0
    running.wait(
        lambda _: (
            shop.value(
                pair.destination,
                "SELECT started_at = pg_postmaster_start_time() FROM pgmigrator.start",
            )
            is True
        ),
        "the start that was watched",
    )
    running.kill()
    running.start()
    running.wait_phase("catching_up")
    gate = _gate(running, "no_conflicts")
    assert (gate["status"], "confl_update_missing" in gate["reason"]) == ("fail", True)
    status, outcome = running.post("drain", timeout_seconds=5)
    assert status == 409
    assert "confl_update_missing" in str(outcome)

    # a person repairs the row, and says so
    shop.execute(pair.destination, 'INSERT INTO "Großes Lager" VALUES (7, 0)')
    shop.execute(pair.destination, gate["fix"].partition("destination: ")[2])
    running.wait_phase("ready")
    running.kill()
    running.start()
    running.wait_phase("ready")


def _gate(running: Daemon, name: str) -> dict[str, Any]:
    gates = running.get("/status/orders/shop")["gates"]
    return next(gate for gate in gates if gate["name"] == name)


def test_the_first_change_of_a_copied_row_is_no_conflict(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    """The initial copy has another origin than what follows it, and PostgreSQL counts that."""
    pair = fresh_pair(source=shop.SOURCE, destination={"track_commit_timestamp": "on"})
    shop.create(pair.source, rows=50)
    running = daemon(orders(pair))
    running.start()
    running.wait_phase("ready")
    shop.execute(pair.source, "UPDATE customers SET name = name || '!'")
    counted = "SELECT confl_update_origin_differs > 0 FROM pg_stat_subscription_stats"
    running.wait(lambda _: shop.value(pair.destination, counted) is True, "PostgreSQL's count")
    running.wait_ticks(2)
    running.wait_phase("ready")
    status, outcome = running.post("drain")
    assert status == 200, outcome
    assert shop.differences(pair.source, pair.destination) == []
