"""The source outranks the migration: WAL that our slot keeps is limited."""

from collections.abc import Callable

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, instance, mapping
from tests.fixtures.servers import PairFactory

SLOTS = "SELECT count(*) FROM pg_replication_slots"


def test_our_slot_is_dropped_when_a_silent_destination_makes_it_keep_too_much(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source={"max_slot_wal_keep_size": "1GB"})
    shop.create(pair.source)
    running = daemon(
        instance("old", pair.source) | {"PGMIGRATOR_INSTANCES__OLD__MAX_RETAINED_WAL": "16MB"},
        instance("new", pair.destination),
        mapping("orders", "old", "new"),
    )
    running.start()
    running.wait_phase("catching_up", "ready")

    pair.destination.stop("immediate")
    running.wait_phase("unknown")
    assert shop.value(pair.source, SLOTS) == 1
    for _ in range(4):
        shop.value(
            pair.source,
            "SELECT count(*) FROM (SELECT pg_logical_emit_message(true, 'filler',"
            " repeat('x', 8000000)) FROM generate_series(1, 1)) x",
        )
    running.wait(lambda _: shop.value(pair.source, SLOTS) == 0, "slot that is dropped", seconds=60)

    pair.destination.start()
    running.wait_phase("failed")
    shop.write(pair.source)
