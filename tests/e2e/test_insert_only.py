"""TABLES_WITHOUT_IDENTITY=insert_only: complete while they only grow, refused once they do not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e import shop
from tests.e2e.test_never_harmed import AWKWARD, writes
from tests.e2e.test_never_harmed import UNFIT as EVERY_UNFIT
from tests.fixtures.daemon import Daemon, orders, problems_of
from tests.fixtures.servers import PairFactory

#: a dump cannot say that an identity index was dropped, so that this one's schemas differ
UNFIT = tuple(table for table in EVERY_UNFIT if table != "by_index")
SCHEMA = AWKWARD + "DROP TABLE by_index;"
CHANGED = tuple(table for table in UNFIT if table not in ("anonymous", "later_key"))
GROWS = (
    *(
        f"INSERT INTO {table} VALUES (300, 'grown')"
        for table in UNFIT
        if table not in ("anonymous", "later_key")
    ),
    "INSERT INTO later_key SELECT coalesce(max(id), 0) + 1 FROM later_key",
    "INSERT INTO anonymous SELECT coalesce(max(id), 0) + 1 FROM anonymous",
)
#: truncated and refilled, as by a nightly job
REFILL = "TRUNCATE parts; INSERT INTO parts SELECT i, 'new' FROM generate_series(1, 100) i"


def _by_inserts(document: Any) -> dict[str, Any]:
    return problems_of(document, "inserts_only")


def test_tables_that_only_grow_are_migrated_whole(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    shop.execute(pair.source, SCHEMA, "INSERT INTO heap SELECT i, 'x' FROM generate_series(1, 9) i")
    before = shop.dump(client_bin_dir, pair.source)
    running = daemon(orders(pair, TABLES_WITHOUT_IDENTITY="insert_only"))
    with shop.Application(pair.source, (*shop.WRITES, *GROWS)) as application:
        running.start()
        running.wait_phase("ready")
        shop.execute(pair.source, REFILL)
        running.wait_phase("ready")
    assert application.errors == []
    found = _by_inserts(running.database("shop"))
    for table in UNFIT:
        assert found[f'table "public"."{table}"']["severity"] == "note"
    # what was refilled is compared first
    running.wait(lambda _: running.post("drain")[0] == 200, "a proof")
    status, outcome = running.post("switch")
    assert status == 200, outcome
    assert shop.differences(pair.source, pair.destination) == []

    # a late update is in no slot, and is shown nevertheless
    shop.execute(pair.source, "UPDATE heap SET v = 'late' WHERE id = 1")
    late = running.wait(
        lambda d: _by_inserts(d).get('table "public"."heap"', {}).get("severity") == "degrades",
        "the late update",
        "/status/orders/shop",
    )
    assert "1 updates and deletes" in _by_inserts(late)['table "public"."heap"']["reason"]
    status, outcome = running.post("complete")
    assert status == 409, outcome
    status, outcome = running.post("complete", force=True, reason="a test row")
    assert status == 200, outcome
    assert shop.value(pair.source, "SELECT count(*) FROM pg_publication") == 0
    assert shop.value(pair.source, "SELECT count(*) FROM pg_replication_slots") == 0
    assert shop.dump(client_bin_dir, pair.source) == before


def test_an_update_puts_the_light_out_and_a_restart_does_not_forget_it(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    shop.execute(pair.source, SCHEMA, "INSERT INTO heap VALUES (1, 'x')")
    running = daemon(orders(pair, TABLES_WITHOUT_IDENTITY="insert_only"))
    running.start()
    running.wait_phase("ready")
    # a key that is deleted and inserted again would halt apply: it still is on the destination
    statements = [w for t in (*CHANGED, "parent", "parts") for w in writes(t, key=t == "parent")]
    with shop.Application(pair.source, (*shop.WRITES, *statements)) as application:
        running.wait_phase("catching_up")
        while not application.done[statements[-1]]:
            assert not application.errors
    assert application.errors == []
    found = _changed(running)
    assert "REPLICA IDENTITY FULL" in found["fix"]
    assert running.fetch("/cutover/orders")[0] == 503

    running.kill()
    running.start()
    running.wait_phase("catching_up")
    _changed(running)
    status, outcome = running.post("drain")
    assert status == 409, outcome
    assert any('"heap"' in missing for missing in outcome["drains"][0]["missing"]), outcome

    # a person who has seen to it says so, table by table
    for table in CHANGED:
        shop.execute(pair.destination, f"TRUNCATE {table}")
        fill = shop.value(pair.source, f"SELECT coalesce(json_agg(t), '[]')::text FROM {table} t")
        shop.execute(
            pair.destination,
            f"INSERT INTO {table} SELECT * FROM json_populate_recordset(null::{table}, '{fill}')",
        )
        thing = f'table "public"."{table}"'
        fix = _by_inserts(running.database("shop"))[thing]["fix"]
        shop.execute(pair.destination, fix.partition("in this database: ")[2])
    running.wait_phase("ready")
    running.wait(lambda _: running.post("drain")[0] == 200, "a proof")
    assert running.post("switch")[0] == 200
    assert shop.differences(pair.source, pair.destination) == []


def _changed(running: Daemon) -> Any:
    thing = 'table "public"."heap"'
    found = running.wait(
        lambda d: _by_inserts(d).get(thing, {}).get("severity") == "degrades",
        "the change",
        "/status/orders/shop",
    )
    return _by_inserts(found)[thing]
