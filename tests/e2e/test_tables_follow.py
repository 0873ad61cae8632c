"""An application that goes on changing its tables while it is migrated: they are followed."""

from collections.abc import Callable
from pathlib import Path

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import Pair, PairFactory

#: what a nightly job of the application does, rows of the day being in the DEFAULT partition
NEW_DAY = (
    "BEGIN",
    "CREATE TEMPORARY TABLE moved ON COMMIT DROP AS"
    " SELECT * FROM events WHERE at >= '2027-01-01' AND at < '2027-02-01'",
    "DELETE FROM events_rest WHERE at >= '2027-01-01' AND at < '2027-02-01'",
    "CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2027-02-01')",
    "INSERT INTO events OVERRIDING SYSTEM VALUE SELECT * FROM moved",
    "COMMIT",
)
WRITES = (
    *shop.WRITES,
    "INSERT INTO events (at, what) VALUES ('2027-01-05', 'of the new day')",
    "DELETE FROM events WHERE at = '2027-01-05' AND id % 7 = 0",
)
#: a release of the application brings a table, and a type that it needs
RELEASE = (
    "CREATE TYPE color AS ENUM ('red', 'green')",
    "CREATE TABLE coupons (id serial PRIMARY KEY, color color NOT NULL, customer bigint"
    " REFERENCES customers, code text UNIQUE)",
    "CREATE INDEX ON coupons (color)",
    "INSERT INTO coupons (color, customer, code) SELECT 'red', i, 'c' || i"
    " FROM generate_series(1, 500) i",
)
COUPON = "INSERT INTO coupons (color, code) VALUES ('green', 'x' || random())"


def migrating(fresh_pair: PairFactory, daemon: Callable[..., Daemon]) -> tuple[Pair, Daemon]:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
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


def test_new_tables_and_partitions_are_followed(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon)
    running.wait_phase("ready")
    with shop.Application(pair.source, WRITES) as application:
        shop.execute(pair.source, "; ".join(NEW_DAY), *RELEASE)
        after = dump(client_bin_dir, pair)
        with shop.Application(pair.source, (COUPON,)) as coupons:
            # the job's own short-lived table is left alone
            shop.execute(pair.source, "CREATE TABLE scratch (id int)", "DROP TABLE scratch")
            streams(running, "events_2027", "coupons")
    assert application.errors == []
    assert coupons.errors == []
    assert running.database("shop")["replication"]["apply_errors"] == 0
    arrives(pair, running, client_bin_dir, after)
