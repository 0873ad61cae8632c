"""A database of the source that cannot be looked into is never passed over."""

import json
from collections.abc import Callable
from typing import Any

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import Pair, PairFactory

FIRST_SESSION = """
SELECT max(pid) FROM pg_stat_activity
 WHERE datname = 'postgres' AND application_name LIKE 'pgmigrator%observe'
"""
QUICK = {"PGMIGRATOR_REFRESH_INTERVAL_SECONDS": "1"}
#: what a DROP DATABASE that was interrupted leaves
INTERRUPT = "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'dead'"


def set_rules(pair: Pair, first: str) -> str:
    """Put a line before the source's access rules and return what they were."""
    path = shop.value(pair.source, "SHOW hba_file", "postgres")
    before = shop.value(pair.source, f"SELECT pg_read_file('{path}')", "postgres")
    write_rules(pair, f"{first}\n{before}")
    return str(before)


def write_rules(pair: Pair, text: str) -> None:
    path = shop.value(pair.source, "SHOW hba_file", "postgres")
    lines = f"SELECT string_to_table($rules${text}$rules$, E'\\n')"
    shop.execute(
        pair.source,
        # no line of the rules needs an escape of COPY's text format
        f"COPY ({lines}) TO '{path}'",
        "SELECT pg_reload_conf()",
        database="postgres",
    )


def test_a_database_that_refuses_us_keeps_the_light_off(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source, rows=10)
    shop.execute(
        pair.source,
        "CREATE DATABASE closed",
        "CREATE DATABASE shut",
        "CREATE DATABASE dead",
        INTERRUPT,
        database="postgres",
    )
    shop.execute(pair.source, "CREATE TABLE t (id int PRIMARY KEY)", database="closed")
    rules = set_rules(pair, "host closed,shut all all reject\nlocal closed,shut all reject")
    running = daemon(orders(pair), **QUICK)

    checked = running.command("check", "--json")
    assert checked.returncode == 1
    found = json.loads(checked.stdout)
    assert set(found) == {"orders", "orders/closed", "orders/shop", "orders/shut"}
    assert [(p["check"], p["object"], p["severity"]) for p in found["orders"]] == [
        ("invalid_database", "dead", "degrades")
    ]
    assert found["orders"][0]["fix"].startswith('on the source: DROP DATABASE "dead";')
    assert [p["check"] for p in found["orders/closed"]] == ["reachable"]

    running.start()
    running.wait(lambda d: d["ready"], "a green database", "/status/orders/shop")
    mapping = running.get("/status/orders")
    assert (mapping["phase"], mapping["ready"]) == ("unknown", False)
    databases = {d["name"]: d for d in mapping["databases"]}
    assert set(databases) == {"closed", "shop", "shut"}
    assert "pg_hba" in databases["closed"]["reason"]
    assert running.get("/cutover/orders")["ready"] is False
    assert running.post("switch")[0] != 200

    write_rules(pair, rules)
    seen = running.wait(lambda d: d["ready"], "a light that is green for both")
    # the other one turned out to hold nothing
    assert [d["name"] for d in seen["databases"]] == ["closed", "shop"]
    assert [p["id"] for p in seen["problems"]] == ["invalid_database:dead"]


def test_a_new_database_joins_beside_an_invalid_one(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source, rows=10)
    running = daemon(orders(pair), **QUICK)
    running.start()
    running.wait_phase("ready")
    shop.execute(
        pair.source,
        "CREATE DATABASE dead",
        INTERRUPT,
        "CREATE DATABASE locked ALLOW_CONNECTIONS false",
        "CREATE DATABASE blank IS_TEMPLATE true",
        "CREATE DATABASE sealed IS_TEMPLATE true ALLOW_CONNECTIONS false",
        "CREATE DATABASE new",
        database="postgres",
    )
    shop.execute(pair.source, "CREATE TABLE t (id int PRIMARY KEY)", database="new")

    def both(document: Any) -> Any:
        return document["ready"] and len(document["databases"]) == 2

    seen = running.wait(both, "a light that is green for both")
    assert {p["id"] for p in seen["problems"]} == {
        "invalid_database:dead",
        "closed_database:locked",
        "template_database:blank",
        "template_database:sealed",
    }
    # an empty database is listed over the session that everything else uses: it stays open
    first = shop.value(pair.source, FIRST_SESSION)
    running.wait_ticks(3)
    assert first is not None
    assert shop.value(pair.source, FIRST_SESSION) == first
