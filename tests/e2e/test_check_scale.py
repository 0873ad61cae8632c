"""`pgmigrator check` on an instance with 10,000 tables: quick, and without a trace."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from pgmigrator.demo.servers import Server
from tests.e2e import shop
from tests.e2e.test_check_command import found_in
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import PairFactory

TABLES = 10_000
#: promised are 10 s; a machine that is shared by several gets more
BOUND_SECONDS = 30

#: what any write to a database would raise
WRITES = """SELECT datname, tup_inserted, tup_updated, tup_deleted, conflicts, deadlocks
  FROM pg_stat_database WHERE datname NOT IN ('template0', 'template1') ORDER BY datname"""
CATALOGS = """SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_sys_tables
  WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND relname <> ALL(%s) ORDER BY relname"""
#: that the destination can connect to the source is proved by a subscription that is rolled back:
#: counted as written, never seen
ROLLED_BACK = ["pg_subscription", "pg_replication_origin"]


def state(server: Server, *databases: str, ignored: list[str] | None = None) -> list[Any]:
    found: list[Any] = []
    for database in databases:
        with psycopg.connect(server.dsn(database)) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            found.append(connection.execute(WRITES).fetchall())
            found.append(connection.execute(CATALOGS, [ignored or []]).fetchall())
            found.append(connection.execute("SELECT count(*) FROM pg_replication_slots").fetchall())
            found.append(connection.execute("SELECT count(*) FROM pg_publication").fetchall())
            found.append(connection.execute("SELECT count(*) FROM pg_subscription").fetchall())
            found.append(connection.execute("SELECT * FROM pg_replication_origin").fetchall())
    return found


def test_ten_thousand_tables_are_checked_and_not_touched(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair = fresh_pair(
        source=shop.SOURCE | {"max_locks_per_transaction": "256", "autovacuum": "off"},
        destination={"track_commit_timestamp": "on", "autovacuum": "off"},
    )
    shop.execute(pair.source, "CREATE DATABASE shop", database="postgres")
    for start in range(0, TABLES, 1000):
        shop.execute(
            pair.source,
            f"DO $$ BEGIN FOR i IN {start} .. {start + 999} LOOP EXECUTE format("
            "'CREATE TABLE t%s (id int PRIMARY KEY, name text, at timestamptz)', i);"
            " END LOOP; END $$",
        )
    shop.execute(pair.source, "ANALYZE pg_class", "ANALYZE pg_attribute", "ANALYZE pg_index")

    def everything() -> tuple[object, ...]:
        return (
            shop.dump(client_bin_dir, pair.source, "shop"),
            state(pair.source, "shop", "postgres"),
            shop.dump_all(client_bin_dir, pair.destination),
            state(pair.destination, "postgres", ignored=ROLLED_BACK),
        )

    before = everything()
    started = time.monotonic()
    found = daemon(orders(pair)).command("check", "--json")
    seconds = time.monotonic() - started

    assert found_in(found.stdout) == {"orders/shop": []}, found.stderr
    assert everything() == before
    print(f"check of {TABLES} tables: {seconds:.1f} s")  # noqa: T201
    assert seconds < BOUND_SECONDS
