"""An application that goes on changing its tables while it is migrated: they are followed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

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


# --- tables that are renamed -------------------------------------------------------------------

LEDGER = (
    "CREATE TABLE ledger (id serial PRIMARY KEY, note text)",
    "CREATE INDEX ON ledger (note)",
    "INSERT INTO ledger (note) SELECT 'n' || i FROM generate_series(1, 1000) i",
)


def oid(pair: Pair, name: str) -> object:
    """Of a table on the destination; None: there is none of that name."""
    return shop.value(pair.destination, f"SELECT to_regclass('{name}')::oid")


def test_tables_that_are_renamed_keep_their_rows(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon, *LEDGER)
    running.wait_phase("ready")
    before = (oid(pair, "ledger"), oid(pair, "events_2026"))
    with shop.Application(pair.source) as application:
        shop.execute(
            pair.source,
            "INSERT INTO ledger (note) VALUES ('before')",
            "CREATE SCHEMA archive",
            "ALTER TABLE ledger SET SCHEMA archive",
            "INSERT INTO archive.ledger (note) VALUES ('after')",
            "ALTER TABLE events_2026 RENAME TO events_of_2026",
            "INSERT INTO archive.ledger (note) VALUES ('last')",
        )
        after = dump(client_bin_dir, pair)
        running.wait(
            lambda _: (oid(pair, "archive.ledger"), oid(pair, "events_of_2026")) == before,
            "the new names",
        )
        streams(running, "ledger", "events_of_2026")
        running.wait_phase("ready")
    assert application.errors == []
    arrives(pair, running, client_bin_dir, after)


def test_two_tables_that_change_places(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    """They are copied anew: changes have gone into the wrong one."""
    pair, running = migrating(
        fresh_pair,
        daemon,
        *LEDGER,
        "CREATE TABLE ledger_new (LIKE ledger INCLUDING ALL)",
        "INSERT INTO ledger_new SELECT i, 'm' || i FROM generate_series(500, 2000) i",
    )
    running.wait_phase("ready")
    with shop.Application(pair.source) as application:
        shop.execute(
            pair.source,
            "BEGIN; ALTER TABLE ledger RENAME TO ledger_old;"
            " ALTER TABLE ledger_new RENAME TO ledger; COMMIT",
            "UPDATE ledger SET note = 'x' WHERE id = 600",
            "INSERT INTO ledger VALUES (3000, 'y')",
            "UPDATE ledger_old SET note = 'z' WHERE id = 600",
        )
        after = dump(client_bin_dir, pair)
        running.wait(lambda document: not document["ready"], "the light off", "/cutover/orders")
        running.wait(
            lambda _: oid(pair, "ledger_old") is not None and oid(pair, "ledger_new") is None,
            "the names of the source",
        )
        streams(running, "ledger", "ledger_old")
        running.wait_phase("ready")
    assert application.errors == []
    arrives(pair, running, client_bin_dir, after)


# --- tables that are copied anew ---------------------------------------------------------------

#: what every ETL does: a new table takes the place of the old one
REPLACE = (
    'CREATE TABLE lager_new (LIKE "Großes Lager" INCLUDING ALL)',
    "INSERT INTO lager_new SELECT i, -i FROM generate_series(50, 400) i",
    'BEGIN; DROP TABLE "Großes Lager"; ALTER TABLE lager_new RENAME TO "Großes Lager"; COMMIT',
)
LAGER = 'SELECT count(*) FROM "Großes Lager" WHERE "Menge" < 0'


def new_rows_arrive(pair: Pair, running: Daemon) -> None:
    def arrived(_: object) -> bool:
        try:
            return bool(shop.value(pair.destination, LAGER) == 351)
        except psycopg.errors.UndefinedTable:  # it is being created anew
            return False

    running.wait(arrived, "the rows of the new table")


def test_a_table_that_is_replaced_is_copied_anew(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon)
    running.wait_phase("ready")
    with shop.Application(pair.source) as application:
        for _ in range(2):
            shop.execute(pair.source, *REPLACE)
            running.wait(lambda document: not document["ready"], "the light off", "/cutover/orders")
            new_rows_arrive(pair, running)
            after = dump(client_bin_dir, pair)
            running.wait_phase("ready")
            assert shop.value(pair.destination, LAGER) == shop.value(pair.source, LAGER)
    assert application.errors == []
    arrives(pair, running, client_bin_dir, after)


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
        assert running.command("resync", "orders", "shop", "customers").returncode == 0
        running.wait(
            lambda document: any(
                p["id"].startswith("tables_resynced:") for p in document["problems"]
            ),
            "what was asked for",
            "/status/orders/shop",
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


def only_conflicts_are_left(running: Daemon) -> str:
    """Wait until conflicts are all that keeps the light off; return how to acknowledge them."""
    found: list[Any] = []

    def left(document: Any) -> bool:
        found[:] = [gate for gate in document["gates"] if gate["status"] != "pass"]
        return [gate["name"] for gate in found] == ["no_conflicts"]

    running.wait(left, "a light that only conflicts keep off", "/status/orders/shop")
    return str(found[0]["fix"])


def test_a_replacement_that_was_followed_under_its_own_name_first(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair, running = migrating(fresh_pair, daemon)
    running.wait_phase("ready")
    create, fill, swap = REPLACE
    with shop.Application(pair.source) as application:
        shop.execute(pair.source, create, fill)
        streams(running, "lager_new")
        # from here on its changes arrive under the name of the table that it replaces
        shop.execute(pair.source, swap)
        after = dump(client_bin_dir, pair)
        new_rows_arrive(pair, running)
        # they met the rows of the old one: whether that did harm, a person must say
        fix = only_conflicts_are_left(running)
        shop.execute(pair.destination, fix[fix.index("SELECT ") :])
        running.wait_phase("ready")
    assert application.errors == []
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
