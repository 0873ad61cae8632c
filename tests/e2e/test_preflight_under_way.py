"""The checks that look at a migration under way fire on one; its findings carry their ids."""

import shlex
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.databases import drop_slot
from tests.fixtures.servers import Pair, PairFactory


@pytest.fixture
def pair(fresh_pair: PairFactory) -> Pair:
    made = fresh_pair(source=shop.SOURCE)
    shop.create(made.source, rows=100)
    return made


def finding(running: Daemon, check: str) -> dict[str, Any]:
    """Wait until a check fires, and return what it found."""

    def findings(document: Any) -> list[dict[str, Any]]:
        return [p for p in document["problems"] if p["id"].startswith(f"{check}:")]

    document = running.wait(lambda d: bool(findings(d)), check, "/status/orders/shop")
    found = findings(document)[0]
    assert found["reason"]
    assert found["fix"]
    return found


def test_what_goes_wrong_on_the_way(pair: Pair, daemon: Callable[..., Daemon]) -> None:
    running = daemon(orders(pair, COMPLETE="true"))
    running.start()
    running.wait_phase("ready")
    variable = "PGMIGRATOR_MAPPINGS__ORDERS__COMPLETE"
    assert finding(running, "complete_too_early")["object"] == variable

    shop.execute(pair.source, "CREATE SEQUENCE late")
    assert finding(running, "sequences_missing")["object"] == 'sequence "public"."late"'

    shop.execute(
        pair.destination, "CREATE TABLE mine (id int PRIMARY KEY)", "INSERT INTO mine VALUES (1)"
    )
    shop.execute(pair.source, "CREATE TABLE mine (id int PRIMARY KEY)")
    assert finding(running, "tables_not_followed")["object"] == 'table "public"."mine"'

    with ExitStack() as stack:
        ours = stack.enter_context(
            psycopg.connect(pair.source.dsn("shop"), application_name="pgmigrator/orders/test")
        )
        ours.execute("LOCK TABLE nothing IN SHARE MODE")
        waits = threading.Thread(
            target=shop.execute, args=(pair.source, "INSERT INTO nothing VALUES (7)")
        )
        waits.start()
        stack.callback(waits.join)
        stack.callback(ours.rollback)
        assert finding(running, "blocks_source")["object"] == "source"

    shop.execute(pair.source, "ALTER PUBLICATION pgmigrator_orders SET (publish = 'insert')")
    found = finding(running, "publication_is_whole")
    assert found["object"] == "publication pgmigrator_orders"
    shop.execute(pair.source, "ALTER PUBLICATION pgmigrator_orders DROP TABLE nothing")
    assert finding(running, "tables_left_publication")["object"] == 'table "public"."nothing"'
    assert not running.database("shop")["ready"]


def test_an_altered_publication_is_mended_by_what_is_named(
    pair: Pair, daemon: Callable[..., Daemon]
) -> None:
    """What it missed meanwhile is not forgotten once it is whole again."""
    running = daemon(orders(pair))
    running.start()
    running.wait_phase("ready")
    shop.execute(pair.source, "ALTER PUBLICATION pgmigrator_orders SET (publish = 'insert')")
    found = finding(running, "publication_is_whole")
    shop.execute(pair.source, "UPDATE customers SET name = 'missed' WHERE id = 1")
    sql = found["fix"].partition("in this database: ")[2].rpartition(" The problems ")[0]
    shop.execute(pair.source, sql)
    published = "SELECT count(*) FROM pg_publication_rel"
    assert shop.value(pair.source, published) == 0
    left = running.wait(
        lambda d: (
            not any(p["id"].startswith("publication_is_whole") for p in d["problems"])
            and any(p["id"].startswith("tables_left_publication") for p in d["problems"])
        ),
        "tables that left",
        "/status/orders/shop",
    )
    for problem in left["problems"]:
        if problem["id"].startswith("tables_left_publication"):
            command = shlex.split(problem["fix"].rpartition(": pgmigrator ")[2])
            assert running.command(*command).returncode == 0, problem
    running.wait_phase("ready")
    assert shop.differences(pair.source, pair.destination) == []


def test_what_goes_wrong_after_the_switch(pair: Pair, daemon: Callable[..., Daemon]) -> None:
    running = daemon(orders(pair))
    running.start()
    running.wait_phase("ready")
    status, outcome = running.post("switch")
    assert status == 200, outcome
    shop.execute(pair.source, "INSERT INTO nothing VALUES (8)")
    assert finding(running, "late_writes")["object"] == "shop"
    slot = shop.value(pair.source, "SELECT slot_name FROM pg_replication_slots")
    with psycopg.connect(pair.source.dsn("shop"), autocommit=True) as connection:
        drop_slot(connection, slot)
    assert finding(running, "slot_gone_after_switch")["object"] == "shop"
