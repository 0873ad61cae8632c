"""Databases whose text has no encoding, as every cluster from an initdb under LANG=C has them."""

import json
from collections.abc import Callable

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import PairFactory

CREATE = """CREATE DATABASE {} TEMPLATE template0 ENCODING 'SQL_ASCII'
    LC_COLLATE 'C' LC_CTYPE 'C'"""
#: in LATIN1
CAFE = "636166e9"
FUNCTION = "CREATE FUNCTION cafe() RETURNS text LANGUAGE sql AS $f$ SELECT %L::text $f$"
CALLED = "SELECT encode(convert_to(cafe(), 'SQL_ASCII'), 'hex')"
HELD = "SELECT array_agg(encode(convert_to(t, 'SQL_ASCII'), 'hex') ORDER BY id) FROM notes"


def test_text_without_an_encoding_is_carried_as_it_is(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    # one in no encoding at all cannot be read, and stands in nobody's way
    shop.execute(
        pair.source,
        CREATE.format("old"),
        CREATE.format("broken"),
        "CREATE DATABASE good",
        database="postgres",
    )
    shop.execute(
        pair.source,
        'CREATE TABLE notes (id int PRIMARY KEY, t text, "größe" int)',
        "INSERT INTO notes VALUES (1, 'größer'), (2, convert_from('\\x636166e9', 'SQL_ASCII'))",
        f"DO $$ BEGIN EXECUTE format('{FUNCTION}', convert_from('\\x{CAFE}', 'SQL_ASCII')); END $$",
        database="old",
    )
    shop.execute(pair.source, "CREATE TABLE t (id int PRIMARY KEY)", database="good")
    shop.execute(
        pair.source,
        "DO $$ BEGIN EXECUTE 'CREATE TABLE ' || convert_from('\\x636166e9', 'SQL_ASCII')"
        " || ' (id int PRIMARY KEY)'; END $$",
        database="broken",
    )
    running = daemon(orders(pair), PGMIGRATOR_REFRESH_INTERVAL_SECONDS="1")
    checked = running.command("check", "--json")
    found = json.loads(checked.stdout)
    every = {p["check"] for p in found["orders/good"]}
    assert {p["check"] for p in found["orders/old"]} - every == {"encoding_known"}
    assert [p["check"] for p in found["orders/broken"]] == ["reachable"]

    running.start()
    for name in ("good", "old"):
        running.wait(lambda d: d["ready"], f"a green light for {name}", f"/status/orders/{name}")
    shop.execute(
        pair.source,
        "UPDATE notes SET id = id + 10",
        "INSERT INTO notes VALUES (3, convert_from('\\xff', 'SQL_ASCII'))",
        database="old",
    )
    broken = running.database("broken")
    assert broken["phase"] == "unknown"
    assert "invalid byte sequence" in broken["reason"]
    assert running.get("/status/orders")["ready"] is False
    status, outcome = running.post("switch", databases=["old", "good"])
    assert status == 200, json.dumps(outcome)
    here, there = (shop.value(side, HELD, "old") for side in (pair.source, pair.destination))
    assert here == there
    assert len(here) == 3
    assert shop.value(pair.destination, CALLED, "old") == CAFE.encode()
    assert running.fetch("/metrics")[0] == 200
