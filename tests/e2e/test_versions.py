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
#: what a database may set for its applications, and what must not reach us
TONGUE = (
    "DateStyle = 'SQL, DMY'",
    "IntervalStyle = 'sql_standard'",
    "TimeZone = 'Asia/Tokyo'",
    "array_nulls = off",
    "bytea_output = 'escape'",
    "client_encoding = 'LATIN1'",
    "extra_float_digits = -3",
    "lc_monetary = 'C.UTF-8'",
    "quote_all_identifiers = on",
    "role = 'app_owner'",
    "standard_conforming_strings = off",
    "transform_null_equals = on",
    "xmloption = document",
)
TOLD = """CREATE TABLE told (id int, texts text[], at timestamptz DEFAULT '2026-02-03',
  day date DEFAULT '2026-02-03', span interval DEFAULT '1 day -02:00', paid money DEFAULT 12.34,
  raw bytea DEFAULT '\\x00ff', number float8 DEFAULT 0.1, PRIMARY KEY (id, at))
  PARTITION BY RANGE (at);
CREATE TABLE told_2026 PARTITION OF told FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE VIEW snow AS SELECT id, '☃ \\' AS snow FROM told WHERE texts <> '{NULL}';
ALTER TABLE told OWNER TO app_owner;
INSERT INTO told (id, texts) VALUES (1, ARRAY['x', NULL, 'NULL']), (2, NULL);
"""
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
    """The versions, and settings, describe the same differently: that keeps no light off."""
    pair = fresh_pair(source=shop.SOURCE, destination={"array_nulls": "off"})
    roles = "CREATE ROLE app_owner; CREATE ROLE app_reader; CREATE DATABASE rich OWNER app_owner"
    shop.execute(pair.source, *roles.split("; "), database="postgres")
    shop.execute(pair.source, RICH_SCHEMA.read_text(), database="rich")
    shop.execute(pair.source, TOLD, database="rich")
    settings = (f"ALTER DATABASE rich SET {setting}" for setting in TONGUE)
    shop.execute(pair.source, *settings, database="postgres")
    running = daemon(orders(pair, TABLES_WITHOUT_IDENTITY="exclude"))
    running.start()
    running.wait_phase("ready")
    shop.execute(
        pair.source,
        "INSERT INTO told (id, texts) VALUES (3, ARRAY[NULL, 'NULL'])",
        "UPDATE told SET day = day + 1 WHERE id < 3",
        database="rich",
    )
    running.wait_phase("ready")
    status, outcome = running.post("switch")
    assert status == 200, outcome
    held = "SELECT array_agg(told::text ORDER BY id) FROM told"
    assert shop.value(pair.source, held, "rich") == shop.value(pair.destination, held, "rich")
