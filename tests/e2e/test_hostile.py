"""What would loop or stop replication: overridden, left out, or named with what mends it."""

from collections.abc import Callable
from typing import Any

import psycopg

from pgmigrator.demo.servers import Server
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import PairFactory

TIMEOUTS = {
    "statement_timeout": "5ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
}


def set_for_us(server: Server, settings: dict[str, str]) -> None:
    """Change settings of our role, itself out of their reach."""
    with psycopg.connect(server.dsn(), autocommit=True, options="-c statement_timeout=0") as admin:
        for name, value in settings.items():
            admin.execute(f"ALTER ROLE postgres SET {name} = '{value}'".encode())


def test_time_outs_of_our_role_do_not_reach_copy_and_apply(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source, rows=20_000)
    set_for_us(pair.source, TIMEOUTS)
    set_for_us(pair.destination, TIMEOUTS)
    unhurried = "-c statement_timeout=0 -c lock_timeout=0"
    with psycopg.connect(pair.source.dsn(), autocommit=True, options=unhurried) as admin:
        admin.execute("ALTER ROLE ALL SET lock_timeout = '1ms'")  # it comes along, but not for us
    running = daemon(orders(pair))
    running.start()
    running.wait_phase("ready")
    problems = {p["id"].split(":")[0] for p in running.database("shop")["problems"]}
    assert not problems & {"copy_timeouts", "apply_timeouts"}
    assert "everywhere_settings" in problems
    assert running.metric("pgmigrator_apply_errors", mapping="orders", database="shop") in (0, None)
    for server in (pair.source, pair.destination):
        set_for_us(server, dict.fromkeys(TIMEOUTS, "0"))
    everybody = """SELECT count(*) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
        WHERE datname = 'shop' AND setrole = 0 AND 'lock_timeout=1ms' = ANY(setconfig)"""
    assert shop.value(pair.destination, everybody) == 1
    shop.execute(pair.source, "INSERT INTO nothing VALUES (1)")
    running.wait(lambda _: not shop.differences(pair.source, pair.destination), "the row")


def test_leaves_whose_rows_belong_elsewhere_are_left_out(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source, rows=100)
    shop.execute(
        pair.source,
        "CREATE TABLE by_status (id int, status status, PRIMARY KEY (id, status))"
        " PARTITION BY HASH (status)",
        *(
            f"CREATE TABLE by_status_{n} PARTITION OF by_status"
            f" FOR VALUES WITH (MODULUS 2, REMAINDER {n})"
            for n in range(2)
        ),
        "INSERT INTO by_status SELECT i, 'paid' FROM generate_series(1, 100) i",
    )
    running = daemon(orders(pair))
    running.start()
    leaves = {f'table "public"."by_status_{n}"' for n in range(2)}

    def settled(document: Any) -> bool:
        named = {p["object"] for p in document["problems"] if p["id"].startswith("leaf_partitions")}
        return document["phase"] == "catching_up" and named == leaves

    running.wait(settled, "everything else to stream", "/status/orders/shop")
    published = "SELECT count(*) FROM pg_publication_tables WHERE tablename LIKE 'by_status%'"
    assert shop.value(pair.source, published) == 0
    shop.execute(pair.source, "UPDATE by_status SET status = 'sent'")
    document = running.database("shop")
    failing = {gate["name"] for gate in document["gates"] if gate["status"] == "fail"}
    assert {"tables_streaming", "no_problem_tables"} <= failing
    assert "no_apply_errors" not in failing


def test_a_function_without_a_search_path_is_named_and_mended(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source, rows=100)
    shop.execute(
        pair.source,
        "CREATE TABLE rates (code text PRIMARY KEY)",
        "INSERT INTO rates VALUES ('EUR')",
        "CREATE FUNCTION known(text) RETURNS bool LANGUAGE sql STABLE AS"
        " 'SELECT $1 IS NULL OR EXISTS (SELECT FROM rates)'",
        "CREATE TABLE prices (id int PRIMARY KEY, code text CHECK (known(code)))",
        "INSERT INTO prices VALUES (1, 'EUR')",
    )
    running = daemon(orders(pair))
    running.start()

    def named(document: Any) -> bool:
        failing = {gate["name"] for gate in document["gates"] if gate["status"] == "fail"}
        return (
            any(p["object"] == "function public.known(text)" for p in document["problems"])
            and document["phase"] == "copying"
            and "no_apply_errors" in failing
        )

    document = running.wait(named, "the copy that cannot succeed", "/status/orders/shop")
    (fix,) = [p["fix"] for p in document["problems"] if p["id"].startswith("path_functions")]
    statement = fix[fix.index("ALTER FUNCTION") :]
    for server in (pair.source, pair.destination):
        shop.execute(server, statement)
    running.wait_phase("ready")
    assert shop.differences(pair.source, pair.destination) == []
