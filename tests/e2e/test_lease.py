"""One active daemon: the second waits, and takes over from one that was killed."""

from collections.abc import Callable

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import PairFactory


def test_the_second_daemon_only_watches_until_the_first_is_gone(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    first, second = daemon(orders(pair)), daemon(orders(pair))
    first.start()
    first.wait(lambda d: d["lease"] == "held", "the lease")
    second.start()
    with shop.Application(pair.source) as application:
        first.wait_phase("ready")
        document = second.wait_phase("catching_up", "ready")
        assert document["lease"] == "waiting"
        assert second.post("switch")[0] in (409, 503)
        assert "action started" not in second.log.read_text()

        first.kill()
        second.wait(lambda d: d["lease"] == "held", "the take-over")
        first.start()
        second.wait_phase("ready")
        first.wait(lambda d: d["lease"] == "waiting", "the other daemon's waiting")
    assert application.errors == []
    assert second.post("switch")[0] == 200
    assert shop.differences(pair.source, pair.destination) == []
    assert shop.value(pair.destination, "SELECT count(*) FROM pg_subscription") == 1


def test_a_daemon_killed_in_the_middle_of_a_copy_is_replaced(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    first, second = daemon(orders(pair)), daemon(orders(pair))
    first.start(failpoint="after:CreateSubscription")
    first.wait(lambda d: d["lease"] == "held", "the lease")
    second.start()
    first.wait_dead()
    second.wait_phase("ready")
    assert second.post("switch")[0] == 200
    assert shop.differences(pair.source, pair.destination) == []
