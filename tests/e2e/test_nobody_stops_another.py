"""One mapping, three databases: what fails in one of them stops neither of the others."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders, problems_of
from tests.fixtures.servers import PairFactory

#: the copy of `entry` fails on the destination for as long as the source's `dict` lacks a word
UNCOPYABLE = (
    "CREATE TABLE dict (val text PRIMARY KEY)",
    "INSERT INTO dict SELECT 'w' || g FROM generate_series(1, 2000) AS g",
    "CREATE FUNCTION known(v text) RETURNS boolean LANGUAGE sql STABLE SET search_path = public"
    " AS 'SELECT EXISTS (SELECT FROM public.dict WHERE val = v)'",
    "CREATE TABLE entry (id int PRIMARY KEY, val text CHECK (known(val)))",
    "INSERT INTO entry SELECT g, 'w' || g FROM generate_series(1, 1000) AS g",
    "CREATE INDEX dict_upper ON dict (upper(val))",
    "DELETE FROM dict WHERE val = 'w7'",
)
#: none of them can be brought: the first could not log in, the others are a circle
ROLES = (
    "CREATE ROLE legacy LOGIN PASSWORD 'x'",
    "ALTER ROLE legacy SET session_preload_libraries = no_such_library",
    "CREATE ROLE one",
    "CREATE ROLE two",
    "GRANT one TO two",
)
OWNED = (
    "CREATE TABLE owned (id int PRIMARY KEY)",
    "INSERT INTO owned VALUES (1)",
    "ALTER TABLE owned OWNER TO legacy",
    "GRANT SELECT ON owned TO one",
)


def test_neither_a_table_nor_a_role_that_fails_stops_another_database(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.execute(pair.source, *ROLES, database="postgres")
    shop.execute(pair.destination, *ROLES[2:4], "GRANT two TO one", database="postgres")
    for name, statements in (("a_table", UNCOPYABLE), ("b_role", OWNED)):
        shop.execute(pair.source, f"CREATE DATABASE {name}", database="postgres")
        shop.execute(pair.source, *statements, database=name)
    shop.create(pair.source, rows=100)
    running = daemon(orders(pair))
    running.start()
    running.wait(lambda d: d["phase"] == "copying", "a copy", "/status/orders/a_table")
    # while the table fails, and before the daemon can have noted it
    running.kill()
    running.start()

    running.wait(_ready, "the healthy one", "/status/orders/shop")
    table = running.wait(
        lambda d: bool(problems_of(d, "copy_fails")) and d["phase"] == "catching_up",
        "a table that is named, and what is whole besides",
        "/status/orders/a_table",
    )
    assert set(problems_of(table, "copy_fails")) == {'table "public"."entry"'}
    indexes = "SELECT count(*) FROM pg_indexes WHERE indexname = 'dict_upper'"
    assert shop.value(pair.destination, indexes, "a_table") == 1
    role = running.database("b_role")
    assert role["phase"] in ("blocked", "preflight"), role
    assert not role["ready"]
    # the one that needs none of the roles names them too: nobody has to search
    notes = problems_of(running.database("shop"), "role_conflicts")
    notes |= problems_of(running.database("shop"), "roles_refused")
    assert {note["severity"] for note in notes.values()} == {"note"}, notes

    shop.execute(pair.source, "ALTER ROLE legacy RESET session_preload_libraries")
    assert running.stop() == 0
    running.start()
    role = running.wait(
        lambda d: bool(problems_of(d, "roles_refused")), "the circle", "/status/orders/b_role"
    )
    assert "is a member of role" in str(problems_of(role, "roles_refused"))
    shop.execute(pair.destination, "REVOKE two FROM one", database="postgres")
    running.wait(_ready, "the one whose roles were mended", "/status/orders/b_role")
    assert running.database("a_table")["phase"] == "catching_up"
    shop.execute(pair.source, "INSERT INTO dict VALUES ('w7')", database="a_table")
    running.wait_phase("ready")
    assert shop.differences(pair.source, pair.destination, "shop", "a_table", "b_role") == []

    # a database that lets nobody in is unknown, tick by tick; the others are not
    before = running.database("shop")
    shop.execute(
        pair.source,
        "ALTER DATABASE a_table ALLOW_CONNECTIONS false",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'a_table'",
        database="postgres",
    )
    running.wait(lambda d: d["phase"] == "unknown", "a closed one", "/status/orders/a_table")
    since = datetime.fromisoformat(running.database("shop")["observed_at"])
    after = running.wait(
        lambda d: datetime.fromisoformat(d["observed_at"]) > since + timedelta(seconds=4),
        "some ticks",
        "/status/orders/shop",
    )
    assert (after["phase"], after["ready_since"]) == ("ready", before["ready_since"])


def _ready(document: Any) -> bool:
    return bool(document["phase"] == "ready")
