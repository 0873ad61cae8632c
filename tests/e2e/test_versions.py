"""The demo's whole application moves from every supported version, while it is being used."""

from collections.abc import Callable
from pathlib import Path

from pgmigrator.demo.application import DATABASES, create_application
from pgmigrator.demo.traffic import Traffic
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import PairFactory

WRITES_PER_SECOND = 40
COPY_SECONDS = 240
RICH_SCHEMA = Path(__file__).parent.parent / "integration" / "rich_schema.sql"


def test_the_application_moves_while_it_is_used(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair = fresh_pair(source=shop.SOURCE | {"max_wal_size": "2GB"})
    application = create_application(pair.source.dsn)
    before = shop.dump(client_bin_dir, pair.source, *DATABASES)
    running = daemon(orders(pair))
    running.start()
    traffic = Traffic(application.role_dsn(pair.source.dsn), rate_per_second=WRITES_PER_SECOND)
    traffic.start()
    try:
        running.wait_phase("ready", seconds=COPY_SECONDS)
    finally:
        traffic.stop()
    status, outcome = running.post("switch")
    assert status == 200, outcome
    assert shop.differences(pair.source, pair.destination, *DATABASES) == []
    # with the same roles and passwords, and numbers that nobody has had yet
    traffic.switch_to(application.role_dsn(pair.destination.dsn))
    assert traffic.wait_for_commit(30)
    status, outcome = running.post("complete")
    traffic.stop()
    assert status == 200, outcome
    assert traffic.errors == []
    assert running.stop() == 0
    assert shop.dump(client_bin_dir, pair.source, *DATABASES) == before


def test_no_difference_is_seen_where_there_is_none(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    """The versions describe the same objects differently: that must not keep the light off."""
    pair = fresh_pair(source=shop.SOURCE)
    roles = "CREATE ROLE app_owner; CREATE ROLE app_reader; CREATE DATABASE rich OWNER app_owner"
    shop.execute(pair.source, *roles.split("; "), database="postgres")
    shop.execute(pair.source, RICH_SCHEMA.read_text(), database="rich")
    running = daemon(orders(pair, TABLES_WITHOUT_IDENTITY="exclude"))
    running.start()
    running.wait_phase("ready")
