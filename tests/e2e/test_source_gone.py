"""A source that is gone after the switch does not prevent the end of the migration."""

from collections.abc import Callable

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, instance, mapping
from tests.fixtures.servers import PairFactory


def test_a_switched_mapping_completes_without_its_source_and_tidies_up_when_it_is_back(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source={"max_slot_wal_keep_size": "1GB"})
    shop.create(pair.source)
    running = daemon(
        instance("old", pair.source),
        instance("new", pair.destination),
        mapping("orders", "old", "new"),
    )
    running.start()
    running.wait_phase("ready")
    status, outcome = running.post("switch")
    assert status == 200, outcome

    running.kill()
    pair.source.stop("immediate")
    running.start()
    running.wait_phase("switched")
    status, outcome = running.post("complete")
    assert status == 200, outcome
    assert "DROP PUBLICATION" in outcome["message"]
    left = running.wait_phase("completed")["databases"][0]["problems"]
    assert {problem["id"].split(":")[0] for problem in left} == {"leftovers"}

    pair.source.start()
    running.wait(
        lambda _: shop.value(pair.source, "SELECT count(*) FROM pg_replication_slots") == 0,
        "source without our slot",
    )
    assert shop.value(pair.source, "SELECT count(*) FROM pg_publication") == 0
    running.wait(lambda status: not status["databases"][0]["problems"], "end of the problems")
