"""Traps around publication and subscription: each shown without its guard, then with it."""

from typing import LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Composed, Identifier

from pgmigrator.core import actions as a
from pgmigrator.core import follow, plan
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Phase
from pgmigrator.core.names import TableName, names
from pgmigrator.core.preflight import find_problems
from pgmigrator.core.safety import assert_safe
from pgmigrator.errors import InvariantBroken, Refused
from pgmigrator.postgres import publication, remove, subscription
from tests.chaos.looking import judge, look
from tests.fixtures.databases import create_database, execute
from tests.fixtures.providers import Postgres
from tests.integration.replicating import MAPPING, Replicated, endpoint, replicate, until

FAMILY: tuple[LiteralString, ...] = (
    "CREATE TABLE parent (id int PRIMARY KEY)",
    "CREATE TABLE child (note text) INHERITS (parent)",  # inherits no key: it has no identity
    "INSERT INTO child VALUES (1, 'x')",
)
UPDATE_CHILD: LiteralString = "UPDATE child SET note = 'y'"


@pytest.fixture
def replicated(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination)
    return found


def _forget_only(tables: publication.Tables) -> Composed:
    names_ = (Identifier(name.schema, name.name) for _, name in tables)
    return SQL(", ").join(names_)


# --- inheritance children published without ONLY -----------------------------------------------


async def test_children_published_without_only(
    clean_source: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = create_database(clean_source)
    dsn = clean_source.dsn(database)
    execute(dsn, *FAMILY)

    execute(dsn, "CREATE PUBLICATION raw FOR TABLE parent")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        execute(dsn, UPDATE_CHILD)  # the application breaks
    execute(dsn, "DROP PUBLICATION raw")

    source, ours = endpoint("source", clean_source), names(MAPPING, 1, 2)
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT 'parent'::regclass::oid::bigint").fetchone()
    assert row is not None
    parent = ((row[0], TableName("public", "parent")),)

    with monkeypatch.context() as patched:
        patched.setattr(publication, "_only", _forget_only)
        with pytest.raises(InvariantBroken):  # the first guard: the allowlist
            await publication.create(source, database, ours, parent)
        patched.setattr("pgmigrator.postgres.connect.permit", lambda _: None)
        with pytest.raises(Refused):  # the second: what it became is read again, and rolled back
            await publication.create(source, database, ours, parent)
    execute(dsn, UPDATE_CHILD)

    await publication.create(source, database, ours, parent)
    execute(dsn, UPDATE_CHILD, "UPDATE parent SET id = id")


# --- REFRESH with the publication gone ---------------------------------------------------------


def _subscribed(replicated: Replicated) -> int:
    return len(replicated.read_destination("SELECT FROM pg_subscription_rel"))


def _drop_publication(replicated: Replicated) -> None:
    name = Identifier(replicated.names.publication)
    dsn = replicated.source.dsn(replicated.pair.database)
    execute(dsn, SQL("DROP PUBLICATION {}").format(name))


async def test_refresh_with_the_publication_gone(replicated: Replicated) -> None:
    whole = await look(replicated)
    assert judge(whole).phase is Phase.CATCHING_UP
    assert_safe(a.RefreshSubscription(), whole)
    followed = _subscribed(replicated)
    assert followed

    _drop_publication(replicated)
    gone = await look(replicated)
    decision = judge(gone)
    assert decision.phase is Phase.FAILED
    assert "publication was dropped" in decision.reason
    assert decision.action is None
    with pytest.raises(InvariantBroken, match="whole publication"):
        assert_safe(a.RefreshSubscription(), gone)
    assert _subscribed(replicated) == followed

    # the raw operation says nothing, and follows nothing any more
    dsn = replicated.destination.dsn(replicated.pair.database)
    name = Identifier(replicated.names.subscription)
    execute(dsn, SQL("ALTER SUBSCRIPTION {} REFRESH PUBLICATION").format(name))
    assert _subscribed(replicated) == 0


async def test_refresh_with_a_table_gone_from_the_publication(replicated: Replicated) -> None:
    replicated.on_source("CREATE TABLE shop.late (id int PRIMARY KEY)")
    replicated.on_destination("CREATE TABLE shop.late (id int PRIMARY KEY)")
    dsn = replicated.source.dsn(replicated.pair.database)
    name = Identifier(replicated.names.publication)
    execute(
        dsn,
        SQL("ALTER PUBLICATION {} ADD TABLE ONLY shop.late").format(name),
        SQL("ALTER PUBLICATION {} DROP TABLE ONLY shop.item").format(name),
    )
    seen = await look(replicated)
    assert plan.to_subscribe(seen) == (TableName("shop", "late"),)
    assert a.RefreshSubscription() not in judge(seen).offers
    with pytest.raises(InvariantBroken, match="whole publication"):
        assert_safe(a.RefreshSubscription(), seen)


# --- a subscription dropped by someone ---------------------------------------------------------


async def test_a_subscription_dropped_by_someone(replicated: Replicated) -> None:
    replicated.on_source(
        "CREATE TABLE shop.plain (line text)",
        "ALTER TABLE shop.plain REPLICA IDENTITY FULL",
        "INSERT INTO shop.plain VALUES ('once')",
    )
    replicated.on_destination(
        "CREATE TABLE shop.plain (line text)", "INSERT INTO shop.plain VALUES ('once')"
    )
    dsn = replicated.destination.dsn(replicated.pair.database)
    execute(dsn, SQL("DROP SUBSCRIPTION {}").format(Identifier(replicated.names.subscription)))

    seen = await look(replicated)
    decision = judge(seen)
    assert decision.phase is Phase.FAILED
    assert "subscription was dropped" in decision.reason
    assert decision.action is None
    for action in (a.CreateSlot(), a.CreateSubscription(), a.CreatePublication(())):
        with pytest.raises(InvariantBroken, match="created again"):
            assert_safe(action, seen)
    assert seen.source is not None
    assert seen.destination is not None
    assert seen.source.publication is not None
    with pytest.raises(Refused, match="hold rows"):  # the last line of defence
        await subscription.create(
            replicated.pair.source,
            replicated.pair.destination,
            replicated.pair.database,
            replicated.names,
            replicated.marker,
            {replicated.names.publication: seen.source.publication},
            {},
            {},
            (replicated.marker.source, replicated.marker.destination),
            (seen.source.server.started_at, seen.destination.server.started_at),
        )

    # the raw operation: whoever subscribes anew copies every row a second time
    execute(
        replicated.source.dsn(replicated.pair.database),
        "CREATE PUBLICATION raw FOR TABLE shop.plain",
    )
    raw = f"raw_{replicated.pair.database}"
    execute(
        dsn,
        SQL("CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION raw").format(
            Identifier(raw), replicated.source.peer_dsn(replicated.pair.database)
        ),
    )
    until(
        lambda: replicated.read_destination("SELECT line FROM shop.plain") == [("once",), ("once",)]
    )


# --- a table swapped under the same name -------------------------------------------------------


async def test_a_table_swapped_under_its_name(replicated: Replicated) -> None:
    replicated.on_source(
        "DROP TABLE shop.item",
        "CREATE TABLE shop.item (id bigint PRIMARY KEY, note text)",
        "INSERT INTO shop.item SELECT i, 'another' FROM generate_series(1, 1000) i",
    )
    execute(
        replicated.source.dsn(replicated.pair.database),
        SQL("ALTER PUBLICATION {} ADD TABLE ONLY shop.item").format(
            Identifier(replicated.names.publication)
        ),
    )
    replicated.on_source("INSERT INTO shop.item VALUES (1001, 'new')")
    until(lambda: replicated.read_destination("SELECT FROM shop.item WHERE id = 1001"))
    # PostgreSQL's own views, and the number of rows, are content
    assert replicated.read_destination(
        "SELECT DISTINCT srsubstate::text FROM pg_subscription_rel"
    ) == [("r",)]
    for read in (replicated.read_source, replicated.read_destination):
        assert read("SELECT count(*) FROM shop.item") == [(1001,)]
    assert replicated.read_destination("SELECT count(*) FROM shop.item WHERE note = 'another'") == [
        (0,)
    ]

    seen = await look(replicated)
    assert follow.swapped(seen) == (TableName("shop", "item"),)
    [problem] = [p for p in find_problems(seen) if p.check == "tables_swapped"]
    assert "another table under this name" in problem.reason


# --- a crash inside `complete` -----------------------------------------------------------------


async def test_a_crash_inside_complete(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        """What a kill -9 looks like from inside."""

    async def crash(*_: object) -> None:
        raise Crash

    switched = replicated.marker.having(Step.SWITCHED)
    replicated.store_marker(switched.having(Step.COMPLETING))
    with monkeypatch.context() as patched:
        patched.setattr(remove, "_clean_source", crash)
        with pytest.raises(Crash):
            await remove.remove(replicated.pair)
    assert replicated.subscription() is None

    # without `completing`, written before: nothing is to be done, and the slot keeps WAL for ever
    replicated.store_marker(switched)
    forgotten = await look(replicated)
    assert judge(forgotten).action is None
    # without either, somebody has dropped the subscription: nothing is to be done
    replicated.store_marker(replicated.marker)
    assert judge(await look(replicated)).phase is Phase.FAILED

    replicated.store_marker(switched.having(Step.COMPLETING))
    seen = await look(replicated)
    assert judge(seen).action == a.RemoveReplication()
    assert_safe(a.RemoveReplication(), seen)
    assert await remove.remove(replicated.pair) == ()
    assert judge(await look(replicated)).phase is Phase.COMPLETED
    assert replicated.read_source("SELECT FROM pg_publication") == []
