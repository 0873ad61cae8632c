"""A server that does not answer: unknown, never good news, and it heals by itself."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, instance, mapping
from tests.fixtures.providers import Postgres
from tests.fixtures.proxy import Proxy
from tests.fixtures.servers import PairFactory


@pytest.mark.parametrize(
    ("side", "how"), [("source", "cut"), ("destination", "cut"), ("destination", "deaf")]
)
def test_a_server_that_does_not_answer_turns_the_light_off_until_it_does(
    fresh_pair: PairFactory,
    daemon: Callable[..., Daemon],
    proxy: Callable[[Postgres], Proxy],
    side: str,
    how: str,
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source, rows=200)
    line = proxy(getattr(pair, side))
    settings = instance("old", pair.source) | instance("new", pair.destination)
    name = {"source": "OLD", "destination": "NEW"}[side]
    # the daemon's way to that server; replication has its own and goes on
    running = daemon(
        settings,
        mapping("orders", "old", "new"),
        {f"PGMIGRATOR_INSTANCES__{name}__PORT": str(line.port)},
    )
    running.start()
    running.wait_phase("ready")
    assert running.fetch("/cutover/orders")[0] == 200

    (line.stop if how == "cut" else line.deafen)()
    running.wait(_not_green, "red light", "/cutover/orders", 40)
    document = running.wait_phase("unknown", seconds=60)
    assert document[side]["up"] is False
    assert document[side]["reason"]
    assert running.fetch("/cutover/orders")[0] == 503
    for probe in ("/readyz", "/livez", "/startupz"):
        assert running.fetch(probe)[0] == 200
    assert running.metric("pgmigrator_cutover_ready", mapping="orders", database="shop") == 0
    assert running.metric("pgmigrator_server_up", mapping="orders", side=side) == 0
    assert running.post("switch", timeout_seconds=2)[0] in (409, 503)
    shop.write(pair.source)

    line.start()
    running.wait_phase("ready", seconds=120)
    assert running.post("switch")[0] == 200
    assert shop.differences(pair.source, pair.destination) == []


def test_a_server_that_is_away_from_the_start_is_waited_for(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source, rows=10)
    pair.source.stop()
    pair.destination.stop()
    running = daemon(
        instance("old", pair.source),
        instance("new", pair.destination),
        mapping("orders", "old", "new"),
    )
    running.start()
    running.wait(lambda d: d["ready"] is False, "a first answer", "/cutover/orders")
    assert running.fetch("/readyz")[0] == 200
    assert running.get("/status/orders")["phase"] == "unknown"
    pair.source.start()
    pair.destination.start()
    running.wait_phase("ready")


def _not_green(document: Any) -> bool:
    return document["ready"] is False
