"""An application makes and drops tables and partitions while it is migrated: that is followed."""

from collections.abc import Callable
from pathlib import Path

import psycopg

from tests.e2e import shop
from tests.e2e.following import arrives, dump, migrating, streams
from tests.fixtures.daemon import Daemon, orders, problems_of
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


#: as every application that partitions by time does it: at first there is no partition at all
LEAFLESS = (
    "CREATE TYPE level AS ENUM ('low', 'high')",
    "CREATE TABLE metrics (id bigserial, at date NOT NULL, level level NOT NULL,"
    " customer bigint REFERENCES customers, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
    "CREATE INDEX ON metrics (level)",
    "CREATE TRIGGER metrics_touch AFTER UPDATE ON metrics FOR EACH ROW EXECUTE FUNCTION touch()",
    "COMMENT ON TABLE metrics IS 'by month'",
    "GRANT SELECT ON metrics TO PUBLIC",
    # below one that is there, whose DEFAULT partition then takes less
    "CREATE TABLE events_late PARTITION OF events FOR VALUES FROM ('2040-01-01') TO (MAXVALUE)"
    " PARTITION BY LIST (at)",
)
#: the first of them has its leaf two levels down
LEAVES = (
    "CREATE TABLE metrics_2028 PARTITION OF metrics FOR VALUES FROM ('2028-01-01') TO"
    " ('2029-01-01') PARTITION BY RANGE (at)",
    "CREATE TABLE metrics_2028_01 PARTITION OF metrics_2028 FOR VALUES FROM ('2028-01-01') TO"
    " ('2028-02-01')",
    "CREATE TABLE events_latest PARTITION OF events_late DEFAULT",
    "INSERT INTO metrics (at, level, customer) SELECT '2028-01-02', 'low', i"
    " FROM generate_series(1, 99) i",
    "INSERT INTO events (at, what) SELECT '2040-01-02', i FROM generate_series(1, 99) i",
)
MADE = "SELECT count(*) FROM pg_class WHERE relname IN ('metrics', 'events_late') AND relkind = 'p'"


def test_partitioned_tables_that_come_before_their_partitions_are_followed(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon)
    running.wait_phase("ready")
    with shop.Application(pair.source) as application:
        shop.execute(pair.source, *LEAFLESS)
        running.wait(lambda _: shop.value(pair.destination, MADE) == 2, "the partitioned tables")
        # with all that belongs to them
        running.wait_phase("ready")
        shop.execute(pair.source, *LEAVES)
        streams(running, "metrics_2028_01", "events_latest")
        after = dump(client_bin_dir, pair)
        running.wait_phase("ready")
    assert application.errors == []
    assert running.database("shop")["replication"]["apply_errors"] == 0
    arrives(pair, running, client_bin_dir, after)


# --- tables that go ----------------------------------------------------------------------------


def is_gone(pair: Pair, running: Daemon, name: str) -> None:
    query = f"SELECT to_regclass('{name}')"
    running.wait(lambda _: shop.value(pair.destination, query) is None, f"end of {name}")


def test_partitions_that_retention_lets_go_are_followed(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon)
    running.wait_phase("ready")
    with shop.Application(pair.source, WRITES) as application:
        shop.execute(pair.source, "ALTER TABLE events DETACH PARTITION events_2026")
        streams(running, "events_2026")
        running.wait_phase("ready")
        shop.execute(pair.source, "UPDATE events_2026 SET what = 'old'")
        shop.execute(pair.source, "DROP TABLE events_2026")
        is_gone(pair, running, "events_2026")
        running.wait_phase("ready")
        # one that is attached when it goes: its rows of tomorrow go to the DEFAULT partition
        shop.execute(pair.source, "; ".join(NEW_DAY))
        streams(running, "events_2027")
        shop.execute(pair.source, "DROP TABLE events_2027")
        is_gone(pair, running, "events_2027")
        after = dump(client_bin_dir, pair)
        running.wait_phase("ready")
    assert application.errors == []
    arrives(pair, running, client_bin_dir, after)


def test_a_partition_that_becomes_partitioned_itself_is_followed(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon)
    running.wait_phase("ready")
    bounds = shop.value(
        pair.source,
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'events_2026'",
    )
    with shop.Application(pair.source) as application:
        shop.execute(
            pair.source,
            "BEGIN; ALTER TABLE events DETACH PARTITION events_2026;"
            " CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT * FROM events_2026;"
            " DROP TABLE events_2026;"
            f" CREATE TABLE events_2026 PARTITION OF events {bounds} PARTITION BY LIST (at);"
            " CREATE TABLE events_2026_rest PARTITION OF events_2026 DEFAULT;"
            " INSERT INTO events OVERRIDING SYSTEM VALUE SELECT * FROM kept; COMMIT",
        )
        after = dump(client_bin_dir, pair)
        streams(running, "events_2026_rest")
        running.wait_phase("ready")
    assert application.errors == []
    arrives(pair, running, client_bin_dir, after)


def test_a_table_that_becomes_a_partition_is_attached(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon)
    running.wait_phase("ready")
    with shop.Application(pair.source) as application:
        shop.execute(
            pair.source,
            "CREATE TABLE events_2028 (LIKE events INCLUDING ALL EXCLUDING IDENTITY)",
            "INSERT INTO events_2028 SELECT i, '2028-05-05', 'x' FROM generate_series(1, 99) i",
        )
        streams(running, "events_2028")
        shop.execute(
            pair.source,
            "ALTER TABLE events ATTACH PARTITION events_2028"
            " FOR VALUES FROM ('2028-01-01') TO ('2029-01-01')",
        )
        after = dump(client_bin_dir, pair)
        query = "SELECT count(*) FROM pg_inherits WHERE inhrelid = 'events_2028'::regclass"
        running.wait(lambda _: shop.value(pair.destination, query) == 1, "a partition")
        running.wait_phase("ready")
    assert application.errors == []
    arrives(pair, running, client_bin_dir, after)


# --- tables of somebody else -------------------------------------------------------------------

THEIRS = "CREATE TABLE theirs (id int PRIMARY KEY)"


def stays_though_gone_from_the_source(pair: Pair, running: Daemon) -> None:
    """The source drops it; a problem names it, with the SQL, and ten more ticks leave it alone."""
    streams(running, "theirs")
    shop.execute(pair.source, "DROP TABLE theirs")
    found = running.wait(
        lambda document: any(p["id"].startswith("tables_gone:") for p in document["problems"]),
        "a problem that names it",
        "/status/orders/shop",
    )
    [fix] = [each["fix"] for each in found["problems"] if each["id"].startswith("tables_gone:")]
    assert 'DROP TABLE "public"."theirs"' in fix
    rounds = running.metric("pgmigrator_ticks_total", mapping="orders") or 0
    running.wait(
        lambda _: (running.metric("pgmigrator_ticks_total", mapping="orders") or 0) > rounds + 10,
        "ten more ticks",
    )
    assert shop.value(pair.destination, "SELECT count(*) FROM theirs") == 0


def test_a_table_of_somebody_else_is_never_dropped(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair, running = migrating(fresh_pair, daemon)
    running.wait_phase("ready")
    shop.execute(pair.destination, THEIRS)
    shop.execute(pair.source, THEIRS)
    stays_though_gone_from_the_source(pair, running)


def test_a_renamed_table_of_somebody_else_is_named(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon)
    running.wait_phase("ready")
    shop.execute(pair.destination, THEIRS)
    shop.execute(pair.source, THEIRS)
    streams(running, "theirs")
    shop.execute(
        pair.source,
        'CREATE SCHEMA "Größe"',
        'ALTER TABLE theirs RENAME TO "it\'s"',
        'ALTER TABLE "it\'s" SET SCHEMA "Größe"',
        'INSERT INTO "Größe"."it\'s" VALUES (1)',
    )
    after = dump(client_bin_dir, pair)
    found = running.wait(
        lambda document: any(p["id"].startswith("tables_renamed:") for p in document["problems"]),
        "a problem that names it",
        "/status/orders/shop",
    )
    [fix] = [p["fix"] for p in found["problems"] if p["id"].startswith("tables_renamed:")]
    shop.execute(pair.destination, 'CREATE SCHEMA "Größe"', fix[fix.index("BEGIN") :])
    running.wait(
        lambda _: shop.value(pair.destination, 'SELECT count(*) FROM "Größe"."it\'s"') == 1,
        "the row under the new name",
    )
    arrives(pair, running, client_bin_dir, after)


def test_a_table_that_a_person_made_while_the_slot_waited_is_never_dropped(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    running = daemon(orders(pair))
    with psycopg.connect(pair.source.dsn("shop")) as writing:
        writing.execute("SELECT pg_current_xact_id()")  # the slot waits for its end
        running.start()
        running.wait(
            lambda document: "creating the slot" in document["reason"],
            "a slot that waits",
            "/status/orders/shop",
        )
        shop.execute(pair.destination, THEIRS)
        shop.execute(pair.source, THEIRS)
    stays_though_gone_from_the_source(pair, running)


# --- tables that an operator distrusts --------------------------------------------------------


def test_a_table_is_copied_anew_when_an_operator_asks(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon)
    running.wait_phase("ready")
    # mended by hand after it drifted, with values that are not the source's
    column = "ALTER TABLE customers ADD COLUMN token text DEFAULT md5(random()::text)"
    shop.execute(pair.destination, column)
    shop.execute(pair.source, column)
    after = dump(client_bin_dir, pair)
    with shop.Application(pair.source) as application:
        running.wait_phase("ready")
        refused = running.command("resync", "orders", "shop", "Customers")
        assert refused.returncode == 1
        assert "no such table" in refused.stdout + refused.stderr
        with psycopg.connect(pair.destination.dsn("shop")) as reader:
            # until it is gone the table cannot be emptied, and so waits for long enough to be seen
            reader.execute("SELECT FROM customers LIMIT 1")
            assert running.command("resync", "orders", "shop", "customers").returncode == 0
            running.wait(
                lambda document: bool(problems_of(document, "tables_resynced")),
                "what was asked for",
                "/status/orders/shop",
            )
        token = "SELECT max(token) FROM customers WHERE id = 1"
        running.wait(
            lambda _: shop.value(pair.source, token) == shop.value(pair.destination, token),
            "the source's values",
        )
        running.wait_phase("ready")
    assert application.errors == []
    status, outcome = running.post("resync", database="shop", table="nosuch")
    assert status == 409, outcome
    arrives(pair, running, client_bin_dir, after)
    assert running.process is not None


def test_a_table_that_halts_apply_is_created_anew(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon)
    running.wait_phase("ready")
    with shop.Application(pair.source) as application:
        # nobody has mended the destination: it lacks the column, and apply halts
        shop.execute(pair.source, "ALTER TABLE logged ADD COLUMN at timestamptz DEFAULT now()")
        after = dump(client_bin_dir, pair)
        running.wait(
            lambda document: (document["replication"]["apply_errors"] or 0) > 0,
            "an apply that fails",
            "/status/orders/shop",
        )
        status, outcome = running.post("resync", database="shop", table="public.logged")
        assert status == 202, outcome
        running.wait_phase("ready")
    assert application.errors == []
    arrives(pair, running, client_bin_dir, after)
