"""What the tests of tables that come, go, or are renamed share: the shop, migrating."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from pgmigrator.core.drift import Drift, drifts
from pgmigrator.postgres import fingerprint
from pgmigrator.postgres.connect import session
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import Pair, PairFactory
from tests.integration.replicating import endpoint


def migrating(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], *more: str
) -> tuple[Pair, Daemon]:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    shop.execute(pair.source, *more)
    running = daemon(orders(pair))
    running.start()
    return pair, running


def streams(running: Daemon, *names: str) -> None:
    """Wait until these tables stream."""

    def all_stream(document: object) -> bool:
        assert isinstance(document, dict)
        states = {item["table"]: item["state"] for item in document["items"]}
        return all(states.get(name) == "streaming" for name in names)

    path = "/status/orders/shop/tables?limit=1000"
    running.wait(all_stream, f"streaming of {names}", path)


def arrives(pair: Pair, running: Daemon, client_bin_dir: Path, before: str) -> None:
    """The light goes on, everything is there, and the source is as it was."""
    running.wait_phase("ready")
    status, outcome = running.post("switch")
    assert status == 200, outcome
    assert shop.differences(pair.source, pair.destination) == []
    status, outcome = running.post("complete")
    assert status == 200, outcome
    running.wait_phase("completed")
    assert running.stop() == 0
    assert dump(client_bin_dir, pair) == before
    assert shop.value(pair.source, "SELECT count(*) FROM pg_replication_slots") == 0
    assert shop.value(pair.source, "SELECT count(*) FROM pg_publication") == 0


def dump(client_bin_dir: Path, pair: Pair) -> str:
    """The application's own objects on the source, whatever is ours at that moment."""
    return shop.dump(client_bin_dir, pair.source, options=("--no-publications",))


def drift(pair: Pair, database: str = "shop") -> tuple[Drift, ...]:
    """Compare the schemas as the daemon does, and at once."""
    source, destination = endpoint("source", pair.source), endpoint("destination", pair.destination)

    async def compared() -> tuple[Drift, ...]:
        async with (
            session(source, database, "test") as here,
            session(destination, database, "test") as there,
        ):
            return drifts(await fingerprint.compare(here, there))

    return asyncio.run(compared())
