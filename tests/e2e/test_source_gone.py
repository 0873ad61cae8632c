"""A source that is gone after the switch prevents the end only until a person says that it is."""

from collections.abc import Callable
from contextlib import ExitStack

import psycopg

from pgmigrator.demo.servers import Server
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import PairFactory

OURS = "SELECT (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_publication)"


def test_a_switched_mapping_completes_without_its_source_and_tidies_up_when_it_is_back(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source={"max_slot_wal_keep_size": "1GB"})
    shop.create(pair.source)
    running = daemon(orders(pair))
    running.start()
    running.wait_phase("ready")
    status, outcome = running.post("switch")
    assert status == 200, outcome

    running.kill()
    pair.source.stop("immediate")
    running.settings["PGMIGRATOR_MAPPINGS__ORDERS__COMPLETE"] = "true"
    running.start()
    (waiting,) = running.wait_phase("switched")["databases"][0]["problems"]
    assert waiting["id"].startswith("complete_waits:"), waiting
    assert "pgmigrator complete orders --force --reason" in waiting["fix"]
    status, outcome = running.post("complete")
    assert status == 409, outcome
    (blocker,) = outcome["blocking"]
    assert (blocker["object"], blocker["status"]) == ("late_writes", "unknown")
    assert "--force --reason" in blocker["fix"]
    assert running.database("shop")["phase"] == "switched"
    status, outcome = running.post("complete", force=True, reason="its disk burnt")
    assert status == 200, outcome
    assert "DROP PUBLICATION" in outcome["message"]
    left = running.wait_phase("completed")["databases"][0]["problems"]
    assert {problem["id"].split(":")[0] for problem in left} == {"leftovers"}

    pair.source.start()
    running.wait(
        lambda _: shop.value(pair.source, OURS) == 0,
        "source without slot and publication",
    )
    running.wait(lambda status: not status["databases"][0]["problems"], "end of the problems")


def test_a_source_that_turns_us_away_is_not_gone(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE | {"max_connections": "20"})
    shop.create(pair.source, rows=100)
    running = daemon(orders(pair))
    running.start()
    running.wait_phase("ready")
    status, outcome = running.post("switch")
    assert status == 200, outcome

    # it comes back full of applications that nobody stopped, and one of them writes
    running.kill()
    pair.source.stop("immediate")
    pair.source.start()
    with ExitStack() as stack:
        held = _fill(pair.source, stack)
        held[0].execute("INSERT INTO customers (name) VALUES ('late')")
        running.start()
        running.wait_phase("switched")
        status, outcome = running.post("complete")
        assert status == 409, outcome
        assert "too many clients" in outcome["blocking"][0]["reason"]
        slots = held[0].execute("SELECT count(*) FROM pg_replication_slots").fetchone()
        assert slots == (1,)
    running.wait(
        lambda document: (document["switched"] or {}).get("late_writes") == 1,
        "the late write",
        "/status/orders/shop",
    )
    status, outcome = running.post("complete")
    assert status == 409, outcome
    assert outcome["blocking"][0]["reason"].startswith("1 transactions were written")


def _fill(server: Server, stack: ExitStack) -> list[psycopg.Connection]:
    """Open sessions until the server has no room for another one."""
    held: list[psycopg.Connection] = []
    while True:
        try:
            held.append(stack.enter_context(psycopg.connect(server.dsn("shop"), autocommit=True)))
        except psycopg.OperationalError:
            return held
