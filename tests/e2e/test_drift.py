"""DDL on either side is found within two ticks and named with the SQL that mends it."""

import shlex
from collections.abc import Callable

import psycopg
import pytest

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders, problems_of
from tests.fixtures.servers import Pair, PairFactory

#: what is done to the source, and what is then wrong: a kind and how its object begins
CUSTOMERS_TRIGGER = 'trigger of "public"."customers"'
BY_ITSELF = 'constraint of "public"."orders"'
DRIFT = (
    ("ALTER TABLE customers ADD COLUMN note text", 'column of "public"."customers"'),
    ("ALTER TABLE customers ALTER name SET DEFAULT 'x'", 'column of "public"."customers"'),
    ("ALTER SEQUENCE cached CACHE 30", 'sequence of "public"."cached"'),
    ("CREATE SCHEMA reports", "schema of reports"),
    ("ALTER TYPE status ADD VALUE 'lost' BEFORE 'paid'", 'enum of "public"."status"'),
    ("CLUSTER customers USING customers_pkey", 'option of "public"."customers"'),
    ("GRANT SELECT ON customers TO PUBLIC", "grant of table public.customers"),
    ("COMMENT ON VIEW big IS 'over 100'", "comment of view public.big"),
    ("ALTER TABLE orders ADD CHECK (total >= 0)", 'constraint of "public"."orders"'),
    # remembered, by itself, until the switch
    ("ALTER TABLE customers ENABLE ALWAYS TRIGGER customers_touch", CUSTOMERS_TRIGGER),
    ("ALTER TABLE customers ENABLE TRIGGER customers_touch", CUSTOMERS_TRIGGER),
    ("ALTER TABLE orders ADD CONSTRAINT two UNIQUE (id, total)", BY_ITSELF),
)


def drift(document: object) -> list[dict[str, str]]:
    assert isinstance(document, dict)
    return [p for p in document["problems"] if p["id"].startswith("schema_drift:")]


def test_drift_is_named_with_what_mends_it(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    # comparing uses at most a twentieth of the time: ticks of two seconds have room for it
    running = daemon(orders(pair), PGMIGRATOR_REFRESH_INTERVAL_SECONDS="2")
    running.start()
    running.wait_phase("ready")
    for statement, described in DRIFT:
        _one(pair, running, statement, described)
    # one statement reaches every partition, and one resync all rows
    statement = "ALTER TABLE events ADD COLUMN added text DEFAULT clock_timestamp()::text"
    found = _one(pair, running, statement, 'column of "public"."events"')
    command = found["fix"].rpartition(": pgmigrator ")[2]
    assert command == """resync orders shop '"public"."events"'"""
    assert shop.differences(pair.source, pair.destination) != []
    answer = running.command(*shlex.split(command))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    running.wait(lambda _: not shop.differences(pair.source, pair.destination), "equal rows")
    running.wait_phase("ready")
    # on the other side it is the same
    shop.execute(pair.destination, "DROP VIEW big")
    found = _found(running, 'view of "public"."big"')
    assert "missing on the destination" in found["reason"]
    assert running.database("shop")["ready"] is False


def _one(pair: Pair, running: Daemon, statement: str, described: str) -> dict[str, str]:
    shop.execute(pair.source, statement)
    found = _found(running, described)
    # what comes after the data is brought by the daemon itself; the rest by a person
    for each in drift(running.database("shop")):
        prefix = "on the destination: "
        if each["fix"].startswith(prefix) and " UNIQUE " not in each["fix"]:
            shop.execute(pair.destination, each["fix"].removeprefix(prefix).split(";")[0])
    running.wait(lambda d: not drift(d), f"an end of: {found}", "/status/orders/shop")
    return found


def _found(running: Daemon, described: str) -> dict[str, str]:
    """Wait for the drift; it must show within two ticks, generously measured."""
    before = running.metric("pgmigrator_ticks_total", mapping="orders", result="ok") or 0
    document = running.wait(
        lambda d: any(p["object"].startswith(described) for p in drift(d)),
        f"drift of {described}",
        "/status/orders/shop",
    )
    after = running.metric("pgmigrator_ticks_total", mapping="orders", result="ok") or 0
    # one tick may have been under way, and one may have passed since it was shown
    assert after - before <= 4
    assert "schema_match" in document["blocking"]
    return next(p for p in drift(document) if p["object"].startswith(described))


#: what a role is, its password and its memberships included
ROLE = """
SELECT concat_ws(' ', rolcanlogin, rolinherit, rolconnlimit, rolpassword,
                 (SELECT string_agg(x, ' ') FROM pg_db_role_setting s, unnest(s.setconfig) x
                   WHERE s.setrole = r.oid),
                 (SELECT string_agg(roleid::regrole::text, ' ') FROM pg_auth_members
                   WHERE member = r.oid))
  FROM pg_authid r WHERE rolname = 'auditor'
"""


def _closed_to_applications(pair: Pair, running: Daemon) -> None:
    """Nobody but superusers gets into the source; we do, and so does a new walsender."""
    shop.execute(pair.source, "ALTER DATABASE shop CONNECTION LIMIT 0")
    with pytest.raises(psycopg.OperationalError, match="too many connections"):
        psycopg.connect(pair.source.dsn("shop", user="auditor", password="known"))
    running.wait(
        lambda d: problems_of(d, "connection_limit").keys() == {"database shop"},
        "a note of the limit",
        "/status/orders/shop",
    )
    running.wait_ticks(4)
    document = running.wait_phase("ready")
    assert drift(document["databases"][0]) == []
    limit = "SELECT datconnlimit FROM pg_database WHERE datname = 'shop'"
    assert shop.value(pair.destination, limit) == -1
    shop.execute(pair.source, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication")


def test_a_role_that_came_later_arrives_by_itself(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    """With its password and all; what was granted to it is named, with SQL that works."""
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    running = daemon(orders(pair))
    running.start()
    running.wait_phase("ready")
    shop.execute(
        pair.source,
        "CREATE ROLE team",
        "CREATE ROLE auditor LOGIN NOINHERIT PASSWORD 'known' CONNECTION LIMIT 3 IN ROLE team",
        "ALTER ROLE auditor SET work_mem = '8MB'",
        "ALTER ROLE auditor SET session_preload_libraries = no_such_library",
        "GRANT SELECT ON customers TO auditor",
        # the table's owner must be there before it
        "CREATE TABLE audits (id int PRIMARY KEY)",
        "ALTER TABLE audits OWNER TO team",
    )
    found = _found(running, "grant of table public.customers")
    there = "SELECT count(*) FROM pg_roles WHERE rolname = 'auditor'"
    running.wait(lambda _: shop.value(pair.destination, there) == 1, "the role")
    # with a library that is not there it could not log in: that setting stays away, and is named
    document = running.wait(
        lambda d: "role auditor" in problems_of(d, "role_conflicts"),
        "the setting",
        "/status/orders/shop",
    )
    assert {"roles_match", "no_problem_tables"} <= {*document["blocking"]}
    fix = problems_of(document, "role_conflicts")["role auditor"]["fix"]
    assert 'LOAD (each of its libraries); ALTER ROLE "auditor" SET session_preload' in fix
    psycopg.connect(pair.destination.dsn("shop", user="auditor", password="known")).close()
    shop.execute(pair.source, "ALTER ROLE auditor RESET session_preload_libraries")
    assert shop.value(pair.destination, ROLE) == shop.value(pair.source, ROLE)
    shop.execute(pair.destination, found["fix"].removeprefix("on the destination: "))
    running.wait_phase("ready")
    with psycopg.connect(
        pair.destination.dsn("shop", user="auditor", password="known")
    ) as connection:
        connection.execute("SELECT FROM customers")
    owner = "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'audits'"
    assert shop.value(pair.destination, owner) == "team"

    _closed_to_applications(pair, running)
    # from the switch on, the destination is the application's
    status, outcome = running.post("switch")
    assert status == 200, outcome
    shop.execute(pair.source, "CREATE ROLE too_late")
    running.wait_ticks(4)
    assert shop.value(pair.destination, there.replace("auditor", "too_late")) == 0
