"""TABLES_WITHOUT_IDENTITY=exclude: they stay behind, are named everywhere, and block nothing."""

from collections.abc import Callable

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import PairFactory

LEFT = '"public"."nameless"'


def test_excluded_tables_stay_empty_and_are_named_to_the_end(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    shop.execute(
        pair.source,
        "CREATE TABLE nameless (id int, note text)",
        "INSERT INTO nameless SELECT i, 'x' FROM generate_series(1, 100) i",
    )
    running = daemon(orders(pair, TABLES_WITHOUT_IDENTITY="exclude"))
    writes = (*shop.WRITES, "UPDATE nameless SET note = note || '.' WHERE id = 1")
    with shop.Application(pair.source, writes) as application:
        running.start()
        running.wait_phase("ready")
    assert application.errors == []
    document = running.database("shop")
    [problem] = [p for p in document["problems"] if p["object"] == f"table {LEFT}"]
    assert problem["severity"] == "note"
    assert "it is not migrated" in problem["reason"]
    [table] = running.get("/status/orders/shop/tables?state=excluded")["items"]
    assert table["table"] == "nameless"
    assert "nameless" in running.fetch("/cutover/orders/guide")[1]
    assert shop.value(pair.destination, "SELECT count(*) FROM nameless") == 0

    status, outcome = running.post("drain")
    assert status == 200, outcome
    assert any(
        "excluded" in line and LEFT in line for line in outcome["drains"][0]["not_covered"]
    ), outcome
    status, outcome = running.post("switch")
    assert status == 200, outcome
    assert shop.value(pair.destination, "SELECT count(*) FROM nameless") == 0
    left = [line for line in shop.differences(pair.source, pair.destination) if line]
    assert len(left) == 1, left
    assert "nameless" in left[0]
