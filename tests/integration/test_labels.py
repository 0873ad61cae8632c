"""Security labels: PostgreSQL comes with no provider, so rows in the catalogs stand for its own.

A destination has loaded none either, and so refuses what a dump says of labels. That one with a
provider takes them cannot be shown here.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from pgmigrator.core.drift import drifts
from pgmigrator.core.model import SchemaItem
from pgmigrator.core.names import TableName, names
from pgmigrator.errors import Refused
from pgmigrator.postgres import fingerprint, restore
from pgmigrator.postgres.children import find_tools, version
from pgmigrator.postgres.connect import session
from pgmigrator.postgres.pair import DatabasePair
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders, problems_of
from tests.fixtures.databases import create_database, execute
from tests.fixtures.providers import Postgres
from tests.fixtures.servers import PairFactory
from tests.integration.replicating import endpoint

SCHEMA: tuple[LiteralString, ...] = (
    "CREATE SCHEMA app",
    "CREATE TYPE app.mood AS ENUM ('sad')",
    "CREATE TABLE app.customer (id int PRIMARY KEY, email text)",
    "CREATE VIEW app.shown AS SELECT id FROM app.customer",
    "CREATE SEQUENCE app.counter",
    "CREATE FUNCTION app.double(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'",
    "CREATE TABLE app.other (id int PRIMARY KEY)",
)
#: of an object, for pg_get_object_address()
Address = tuple[str, list[str], list[str]]
#: what labels are on, as the comparison names it
ADDRESSES: dict[str, Address] = {
    "table app.customer": ("table", ["app", "customer"], []),
    "table column app.customer.email": ("table column", ["app", "customer", "email"], []),
    "function app.double(integer)": ("function", ["app", "double"], ["integer"]),
    "schema app": ("schema", ["app"], []),
    "type app.mood": ("type", ["app.mood"], []),
    "view app.shown": ("view", ["app", "shown"], []),
    "sequence app.counter": ("sequence", ["app", "counter"], []),
}
LABELLED = "masks IS 'it''s hidden'"
NOT_LOADED = 'security label provider "masks" is not loaded'


def label(dsn: str, address: Address, text: str = "it's hidden") -> None:
    """Label an object as a provider would have done."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET allow_system_table_mods = on")
        connection.execute(
            "INSERT INTO pg_seclabel (objoid, classoid, objsubid, provider, label)"
            " SELECT objid, classid, objsubid, 'masks', %s"
            "   FROM pg_get_object_address(%s, %s::text[], %s::text[])",
            [text, *address],
        )


class Ends:
    """A database on both sides, empty on the destination."""

    def __init__(self, source: Postgres, destination: Postgres, client_bin_dir: Path) -> None:
        database = create_database(source)
        create_database(destination, database)
        execute(source.dsn(database), *SCHEMA)
        self.here, self.there = source.dsn(database), destination.dsn(database)
        self.pair = DatabasePair(
            endpoint("source", source),
            endpoint("destination", destination),
            database,
            names("orders", 1, 1),
        )
        self._tools = find_tools(client_bin_dir, version(client_bin_dir) // 10000)
        self._lock = asyncio.Lock()

    async def restore(self, *, created: bool = True) -> dict[str, str]:
        failures = await restore.restore_schema(
            self.pair, self._tools, created=created, dump_lock=self._lock
        )
        return {failure.object: failure.reason for failure in failures}

    async def restore_table(self, name: TableName) -> dict[str, str]:
        with psycopg.connect(self.here) as connection:
            [[oid]] = connection.execute("SELECT to_regclass(%s)::oid::bigint", [str(name)])
        failures = await restore.restore_tables(
            self.pair, self._tools, [(oid, name)], dump_lock=self._lock
        )
        return {failure.object: failure.reason for failure in failures}

    async def differences(self) -> tuple[SchemaItem, ...]:
        async with (
            session(self.pair.source, self.pair.database, "test") as here,
            session(self.pair.destination, self.pair.database, "test") as there,
        ):
            return await fingerprint.compare(here, there)


@pytest.fixture
def ends(clean_source: Postgres, clean_destination: Postgres, client_bin_dir: Path) -> Ends:
    return Ends(clean_source, clean_destination, client_bin_dir)


async def test_a_label_is_compared_on_every_kind_of_object(ends: Ends) -> None:
    assert await ends.restore() == {}
    assert await ends.differences() == ()
    for address in ADDRESSES.values():
        label(ends.here, address)
    found = await ends.differences()
    assert {(i.object, i.kind, i.definition, i.missing) for i in found} == {
        (name, "label", LABELLED, True) for name in ADDRESSES
    }
    for address in ADDRESSES.values():
        label(ends.there, address)
    assert await ends.differences() == ()


@pytest.mark.parametrize("name", ADDRESSES)
async def test_another_label_is_another(ends: Ends, name: str) -> None:
    assert await ends.restore() == {}
    label(ends.here, ADDRESSES[name])
    label(ends.there, ADDRESSES[name], "it's seen")
    found = await ends.differences()
    assert {(i.object, i.kind, i.definition, i.missing) for i in found} == {
        (name, "label", LABELLED, True),
        (name, "label", "masks IS 'it''s seen'", False),
    }


async def test_the_sql_that_sets_a_label_lacks_nothing_but_the_provider(ends: Ends) -> None:
    assert await ends.restore() == {}
    for address in ADDRESSES.values():
        label(ends.here, address)
        label(ends.there, address, "it's seen")
    found = drifts(await ends.differences())
    assert len(found) == len(ADDRESSES)
    for drift in found:
        assert drift.statement is not None
        with (
            psycopg.connect(ends.there) as connection,
            pytest.raises(psycopg.Error, match='"masks" is not loaded'),
        ):
            connection.execute(drift.statement.encode())


async def test_a_label_that_is_refused_is_named_and_the_rest_is_restored(ends: Ends) -> None:
    for address in ADDRESSES.values():
        label(ends.here, address)
    failures = await ends.restore()
    assert len(failures) == len(ADDRESSES) - 1  # those of a column come with their table's
    assert set(failures.values()) == {NOT_LOADED}
    assert all(name.startswith("SECURITY LABEL ") for name in failures), failures
    # all else is there
    found = await ends.differences()
    assert {(i.object, i.kind) for i in found} == {(name, "label") for name in ADDRESSES}


async def test_an_adopted_database_is_not_restored_without_its_labels(ends: Ends) -> None:
    label(ends.here, ADDRESSES["table app.customer"])
    with pytest.raises(Refused, match=NOT_LOADED):
        await ends.restore(created=False)
    with psycopg.connect(ends.there) as connection:
        assert connection.execute("SELECT to_regnamespace('app')").fetchall() == [(None,)]


async def test_a_later_table_waits_for_its_provider(ends: Ends) -> None:
    """It is named, and no other one waits."""
    assert await ends.restore() == {}
    execute(
        ends.here,
        "CREATE TABLE app.later (id int PRIMARY KEY)",
        "CREATE TABLE app.plain (id int PRIMARY KEY)",
    )
    label(ends.here, ("table", ["app", "later"], []))
    later, plain = TableName("app", "later"), TableName("app", "plain")
    assert await ends.restore_table(later) == {f"table {later}": NOT_LOADED}
    assert await ends.restore_table(plain) == {}


def test_the_light_is_off_without_a_label(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    """Labels of a table, of the database and of a role; the last two are in no dump at all."""
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source, rows=100)
    shop.execute(pair.source, "CREATE ROLE app")
    customers: Address = ("table", ["public", "customers"], [])
    label(pair.source.dsn("shop"), customers)
    label_shared(pair.source.dsn("shop"))
    running = daemon(orders(pair))
    running.start()

    document = running.wait(
        lambda d: d["phase"] == "catching_up" and set(failing(d)) == {*LIGHT, "schema_match"},
        "a light that is off for labels alone",
        "/status/orders/shop",
    )
    assert "customers" in failing(document)["schema_match"]
    named = fixes(document)
    assert set(named) == {"database shop", "role app"}
    assert "SECURITY LABEL FOR masks ON ROLE app IS 'it''s hidden';" in named["role app"]

    label(pair.destination.dsn("shop"), customers)
    document = running.wait(
        lambda d: set(failing(d)) == LIGHT, "equal schemas", "/status/orders/shop"
    )
    assert set(fixes(document)) == {"database shop", "role app"}
    assert not document["ready"]

    label_shared(pair.destination.dsn("shop"))
    running.stop()  # a new one reads at once what this one reads every half minute
    running.start()
    running.wait_phase("ready")
    assert fixes(running.database("shop")) == {}


#: the gate that a problem which degrades fails
LIGHT = {"no_problem_tables"}


def label_shared(dsn: str) -> None:
    """Label the database and the role app."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET allow_system_table_mods = on")
        connection.execute(
            "INSERT INTO pg_shseclabel (objoid, classoid, provider, label)"
            " SELECT oid, 'pg_database'::regclass, 'masks', 'it''s hidden' FROM pg_database"
            "  WHERE datname = current_database()"
            " UNION ALL SELECT 'app'::regrole, 'pg_authid'::regclass, 'masks', 'it''s hidden'"
        )


def failing(document: Any) -> dict[str, str]:
    return {g["name"]: g["reason"] for g in document["gates"] if g["status"] != "pass"}


def fixes(document: Any) -> dict[str, str]:
    return {thing: p["fix"] for thing, p in problems_of(document, "security_labels").items()}
