"""One of everything migrates: schema, privileges and rows are those of the source."""

from collections.abc import Callable
from pathlib import Path

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import PairFactory
from tests.integration import torture


def test_a_database_with_one_of_everything_arrives_whole(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    torture.create(pair.source)
    before = shop.dump(client_bin_dir, pair.source, torture.DATABASE)
    running = daemon(orders(pair, TABLES_WITHOUT_IDENTITY="exclude"))
    running.start()
    running.wait_phase("ready")
    # the publication of its own is the application's; what the switch does not touch is there now
    assert torture.differences(client_bin_dir, pair.source, pair.destination) == []
    status, outcome = running.post("switch")
    assert status == 200, outcome
    # with their modes, triggers need no explanation any more
    assert torture.differences(client_bin_dir, pair.source, pair.destination, switched=True) == []
    assert shop.differences(pair.source, pair.destination, torture.DATABASE) == []
    assert running.post("complete")[0] == 200
    running.wait_phase("completed")
    assert running.stop() == 0
    assert shop.dump(client_bin_dir, pair.source, torture.DATABASE) == before
