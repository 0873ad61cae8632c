"""A whole migration as a user runs it, from first check to clean-up."""

from collections.abc import Callable
from pathlib import Path

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, instance, mapping
from tests.fixtures.servers import PairFactory


def test_a_database_goes_through_all_phases(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair = fresh_pair(source={"max_slot_wal_keep_size": "1GB"})
    shop.create(pair.source)
    before = shop.dump(client_bin_dir, pair.source)
    running = daemon(
        instance("old", pair.source),
        instance("new", pair.destination),
        mapping("orders", "old", "new"),
    )

    running.start()
    running.wait_phase("catching_up", "ready")
    for _ in range(5):
        shop.write(pair.source)
    running.wait_phase("ready")
    status, outcome = running.post("switch")
    assert status == 200, outcome
    assert shop.differences(pair.source, pair.destination) == []
    shop.write(pair.destination)
    status, outcome = running.post("complete")
    assert status == 200, outcome
    running.wait_phase("completed")

    assert running.stop() == 0
    assert shop.dump(client_bin_dir, pair.source) == before
    assert shop.value(pair.source, "SELECT count(*) FROM pg_replication_slots") == 0
