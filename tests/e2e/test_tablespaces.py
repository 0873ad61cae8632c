"""TABLESPACES: everything comes into those of the same names, or all into the default one."""

import re
from collections.abc import Callable

import psycopg

from pgmigrator.demo.servers import Server
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, mapping, orders, problems_of
from tests.fixtures.servers import Pair, PairFactory

SPACES = ("fast", 'Big ""disk"" ☃', "home")
#: one of every kind that has a tablespace, some beside others in the default one
OBJECTS = (
    "CREATE TABLE a (id int PRIMARY KEY USING INDEX TABLESPACE fast, note text,"
    ' EXCLUDE USING btree (note WITH =) USING INDEX TABLESPACE "Big ""disk"" ☃")'
    ' TABLESPACE "Big ""disk"" ☃"',
    "CREATE TABLE b (id int PRIMARY KEY, note text UNIQUE USING INDEX TABLESPACE fast)",
    "CREATE INDEX b_note ON b (note) TABLESPACE fast",
    "CREATE INDEX b_both ON b (note, id)",
    "CREATE TABLE c (id int, note text, PRIMARY KEY (id) USING INDEX TABLESPACE fast)"
    " PARTITION BY RANGE (id) TABLESPACE fast",
    'CREATE INDEX c_note ON c (note) TABLESPACE "Big ""disk"" ☃"',
    "CREATE TABLE c_1 PARTITION OF c FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE c_2 PARTITION OF c FOR VALUES FROM (10) TO (20) TABLESPACE pg_default",
    "CREATE TABLE d (note text) TABLESPACE fast",
    "ALTER TABLE d REPLICA IDENTITY FULL",
    "CREATE UNLOGGED TABLE e (id int) TABLESPACE fast",
    "CREATE MATERIALIZED VIEW f TABLESPACE fast AS SELECT * FROM b",
    "CREATE MATERIALIZED VIEW g AS SELECT * FROM b",
    "CREATE INDEX f_id ON f (id) TABLESPACE fast",
    "INSERT INTO a SELECT i, i FROM generate_series(1, 20) i",
    "INSERT INTO b SELECT i, i FROM generate_series(1, 20) i",
    "INSERT INTO c SELECT i, i FROM generate_series(1, 19) i",
    "INSERT INTO d SELECT i FROM generate_series(1, 20) i",
)
#: comes while changes stream
LATER = (
    "CREATE TABLE h (id int PRIMARY KEY, note text) TABLESPACE fast",
    "CREATE INDEX h_note ON h (note) TABLESPACE pg_default",
    "CREATE TABLE c_3 PARTITION OF c FOR VALUES FROM (20) TO (30)",
    "INSERT INTO h VALUES (1, 'x')",
    "INSERT INTO c VALUES (25, 'x')",
)
#: where everything is, as the catalogs have it
PLACES = """
SELECT string_agg(format('%s %s %s', c.relkind, c.relname, coalesce(t.spcname, '-')), E'\\n'
                  ORDER BY c.relname COLLATE "C")
  FROM pg_class c LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
 WHERE c.relnamespace = 'public'::regnamespace
"""
WHOLE = """
SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace
 WHERE datname = current_database()
"""


#: for a database that the destination has already, in a tablespace of its own
ADOPTED = (
    "CREATE TABLE k (id int PRIMARY KEY) TABLESPACE home",
    "CREATE TABLE l (id int PRIMARY KEY USING INDEX TABLESPACE home) TABLESPACE fast",
    "CREATE TABLE m (id int PRIMARY KEY)",
    "CREATE TABLE n (id int, PRIMARY KEY (id) USING INDEX TABLESPACE fast)"
    " PARTITION BY RANGE (id) TABLESPACE fast",
    "CREATE TABLE n_1 PARTITION OF n DEFAULT",
)


def create_spaces(server: Server) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        for space in SPACES:
            connection.execute(f"CREATE TABLESPACE \"{space}\" LOCATION ''".encode())


def places(server: Server, database: str) -> str:
    whole, inside = shop.value(server, WHOLE, database), shop.value(server, PLACES, database)
    return f"{whole}\n{inside}"


def drifts(document: object) -> list[dict[str, str]]:
    assert isinstance(document, dict)
    return [p for p in document["problems"] if p["id"].startswith("schema_drift:")]


def test_everything_comes_into_its_own_tablespace_or_all_into_the_default_one(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    create_spaces(pair.source)
    shop.execute(
        pair.source,
        "CREATE DATABASE shop TABLESPACE home",
        "CREATE DATABASE plain TABLESPACE home",
        "CREATE DATABASE adopted",
        database="postgres",
    )
    for database, statements in (("shop", OBJECTS), ("plain", OBJECTS), ("adopted", ADOPTED)):
        shop.execute(pair.source, *statements, database=database)
    running = daemon(
        orders(pair, DATABASES='["shop", "adopted"]'),
        mapping("plain", "old", "new", DATABASES='["plain"]', TABLESPACES="default"),
    )
    running.start()
    _blocked(pair, running)
    running.stop()

    create_spaces(pair.destination)
    shop.execute(
        pair.destination,
        "CREATE DATABASE adopted TABLESPACE fast",
        # what our role has by default must not matter
        "ALTER ROLE postgres SET default_tablespace = fast",
        database="postgres",
    )
    running.start()
    _partitioned_refused(pair, running)
    for name in ("orders", "plain"):
        running.wait_phase("ready", mapping_name=name)

    for database in ("shop", "plain"):
        shop.execute(pair.source, *LATER, database=database)
    running.wait(
        lambda d: not drifts(d) and _same_places(pair),
        "later tables in their places",
        "/status/orders/shop",
    )
    kinds = {line.split()[0] for line in places(pair.destination, "shop").splitlines()[1:]}
    assert kinds == {"I", "i", "m", "p", "r"}
    assert places(pair.destination, "adopted").splitlines() == [
        "fast",
        "r k home",
        "i k_pkey -",
        "r l -",
        "i l_pkey home",
        "r m -",
        "i m_pkey -",
        "p n -",
        "r n_1 -",
        "i n_1_pkey -",
        "I n_pkey -",
    ]
    _mended(pair, running)
    _in_default(pair, running)


def _same_places(pair: Pair) -> bool:
    return places(pair.source, "shop") == places(pair.destination, "shop")


def _blocked(pair: Pair, running: Daemon) -> None:
    """What the destination has not is named, and nothing is created."""
    running.wait(lambda d: d["phase"] == "blocked", "a blocked database", "/status/orders/shop")
    found = {p["object"]: p for p in running.database("shop")["problems"]}
    assert found.keys() >= {
        "tablespace fast",
        'tablespace "Big ""disk"" ☃"',
        "tablespace home",
    }
    fast = found["tablespace fast"]
    assert fast["reason"].startswith("12 tables, indexes")
    assert "the database itself and " in found["tablespace home"]["reason"]
    assert "on the destination: CREATE TABLESPACE fast LOCATION " in fast["fix"]
    assert "PGMIGRATOR_MAPPINGS__ORDERS__TABLESPACES=default" in fast["fix"]
    running.wait_ticks(2)
    exist = "SELECT count(*) FROM pg_database WHERE datname IN ('shop', 'adopted')"
    assert shop.value(pair.destination, exist, "postgres") == 0
    spaces = "SELECT count(*) FROM pg_tablespace"
    assert shop.value(pair.destination, spaces, "postgres") == 2


def _partitioned_refused(pair: Pair, running: Daemon) -> None:
    """PostgreSQL creates none that names its database's own tablespace: that is said before."""
    found = running.wait(
        lambda d: len(problems_of(d, "partitioned_tablespaces")) == 2,
        "what PostgreSQL would refuse",
        "/status/orders/adopted",
    )
    assert found["phase"] == "blocked"
    assert places(pair.destination, "adopted") == "fast\nNone"
    refused = problems_of(found, "partitioned_tablespaces")
    assert refused.keys() == {"table public.n", "index public.n_pkey"}
    for problem in refused.values():
        assert 'ALTER DATABASE "adopted" SET TABLESPACE pg_default;' in problem["fix"]
        [statement] = re.findall(r"ALTER (?:TABLE|INDEX) [^;]+;", problem["fix"])
        shop.execute(pair.source, statement, database="adopted")


def _mended(pair: Pair, running: Daemon) -> None:
    """What differs later is mended by what is said, or by a copy anew."""
    shop.execute(
        pair.source,
        "ALTER TABLE b SET TABLESPACE fast",
        'ALTER TABLE c SET TABLESPACE "Big ""disk"" ☃"',
        "ALTER TABLE d SET TABLESPACE home",
        "ALTER INDEX b_note SET TABLESPACE home",
        "ALTER INDEX b_both SET TABLESPACE fast",
        "ALTER MATERIALIZED VIEW f SET TABLESPACE home",
        "ALTER MATERIALIZED VIEW g SET TABLESPACE fast",
    )
    seen = running.wait(lambda d: len(drifts(d)) == 7, "all differences", "/status/orders/shop")
    assert "schema_match" in seen["blocking"]
    advised = [each["fix"].removeprefix("on the destination: ") for each in drifts(seen)]
    assert all(" SET TABLESPACE " in statement for statement in advised)
    shop.execute(pair.destination, *advised)
    # dropped and created anew, a table comes to where it is on the source by then
    shop.execute(pair.source, "ALTER TABLE h SET TABLESPACE home", "ALTER TABLE h ADD x int")
    running.wait(lambda d: len(drifts(d)) == 2, "two differences", "/status/orders/shop")
    answer = running.command("resync", "orders", "shop", "public.h")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    running.wait(
        lambda d: not drifts(d) and _same_places(pair) and not _differences(pair),
        "a table that was copied anew in its place",
        "/status/orders/shop",
    )


def _differences(pair: Pair) -> list[str]:
    return shop.differences(pair.source, pair.destination)


def _in_default(pair: Pair, running: Daemon) -> None:
    running.wait(
        lambda d: not drifts(d) and "i h_note -" in places(pair.destination, "plain"),
        "no difference, with later tables",
        "/status/plain/plain",
    )
    here, there = (places(s, "plain").splitlines() for s in (pair.source, pair.destination))
    assert (here[0], there[0]) == ("home", "pg_default")
    assert [line.split()[:2] for line in here[1:]] == [line.split()[:2] for line in there[1:]]
    assert {line.rpartition(" ")[2] for line in there[1:]} == {"-"}
