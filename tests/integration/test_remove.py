"""The end: nothing of ours is left on either side, and nothing else is touched."""

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from pgmigrator.core.marker import Step
from pgmigrator.errors import MigratorError, Refused, Unreachable
from pgmigrator.postgres import remove
from tests.fixtures.databases import execute
from tests.fixtures.providers import Postgres
from tests.fixtures.servers import PairFactory
from tests.integration.replicating import Replicated, replicate, until


@pytest.fixture
def replicated(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination)
    found.store_marker(found.marker.having(Step.SWITCHED, Step.COMPLETING))
    return found


def _left_on_source(replicated: Replicated) -> list[tuple[Any, ...]]:
    return replicated.read_source(
        "SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()"
        " UNION ALL SELECT pubname FROM pg_publication ORDER BY 1"
    )


def _left_on_destination(replicated: Replicated) -> list[tuple[Any, ...]]:
    return replicated.read_destination(
        "SELECT subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
        " WHERE datname = current_database()"
        " UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'pgmigrator'"
    )


def _completed(replicated: Replicated) -> bool:
    marker = replicated.stored_marker()
    return marker is not None and Step.COMPLETED in marker.steps


async def test_everything_of_ours_goes_and_again_is_a_no_op(replicated: Replicated) -> None:
    replicated.on_source(
        "CREATE PUBLICATION theirs",
        "SELECT pg_create_logical_replication_slot('theirs_' || current_database(), 'pgoutput')",
    )
    theirs = [("theirs",), (f"theirs_{replicated.pair.database}",)]
    for _ in range(2):
        assert await remove.remove(replicated.pair) == ()
        assert _left_on_source(replicated) == theirs
        assert _left_on_destination(replicated) == []
        assert _completed(replicated)
    assert replicated.read_destination("SELECT count(*) FROM shop.item") == [(1000,)]


def test_every_table_of_our_bookkeeping_is_known() -> None:
    made = re.compile(r"CREATE TABLE IF NOT EXISTS pgmigrator\.(\w+)")
    files = Path(remove.__file__).parent.glob("*.py")
    assert {name for file in files for name in made.findall(file.read_text())} == {
        *remove.BOOKKEEPING
    }


async def test_nothing_goes_unasked(replicated: Replicated) -> None:
    replicated.store_marker(replicated.marker.having(Step.SWITCHED))
    with pytest.raises(Refused, match="not marked for removal"):
        await remove.remove(replicated.pair)
    assert replicated.subscription() == (True, True)


CRASHES = (
    "_clean_destination",
    "_drop_bookkeeping",
    "_clean_source",
    "_drop_slot",
    "_mark_completed",
)


@pytest.mark.parametrize("step", CRASHES)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_anywhere_heals(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    class Crash(Exception):
        pass

    real: Callable[..., Any] = getattr(remove, step)

    async def crashing(*arguments: object, **options: object) -> None:
        if when == "after":
            await real(*arguments, **options)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(remove, step, crashing)
        with pytest.raises(Crash):
            await remove.remove(replicated.pair)
    assert await remove.remove(replicated.pair) == ()
    assert _left_on_source(replicated) == []
    assert _left_on_destination(replicated) == []
    assert _completed(replicated)


@pytest.mark.parametrize("away", [False, True], ids=["there", "away"])
async def test_only_slots_that_our_table_synchronisation_left_behind_go(
    replicated: Replicated, away: bool
) -> None:
    identifier = replicated.marker.destination.system_identifier
    [(used,)] = replicated.read_destination(
        "SELECT oid::bigint FROM pg_subscription WHERE subname = %s", replicated.names.subscription
    )
    ours = f"pg_{used}_sync_99_{identifier}"
    theirs = (
        f"pg_{used}_sync_99_{identifier + 1}",  # another server's
        f"pg_{used + 1}_sync_99_{identifier}",  # that of a subscription which is gone as well
    )
    for slot in (ours, *theirs):
        execute(
            replicated.source.dsn(replicated.pair.database),
            SQL("SELECT pg_create_logical_replication_slot({}, 'pgoutput')").format(slot),
        )
    if away:  # and so it is later that they are looked for
        assert await remove.remove(replicated.pair, source_known=False) != ()
    assert await remove.remove(replicated.pair) == ()
    assert {slot for (slot,) in _left_on_source(replicated)} == {*theirs}


async def test_what_others_put_into_our_schema_stays(replicated: Replicated) -> None:
    replicated.on_destination("CREATE TABLE pgmigrator.theirs (id int)")
    assert await remove.remove(replicated.pair) == ()
    assert replicated.read_destination("SELECT count(*) FROM pgmigrator.theirs") == [(0,)]
    assert replicated.read_destination("SELECT to_regclass('pgmigrator.tables')") == [(None,)]


async def test_a_publication_of_another_daemon_stays(replicated: Replicated) -> None:
    execute(
        replicated.source.dsn(replicated.pair.database),
        SQL("COMMENT ON PUBLICATION {} IS {}").format(
            Identifier(replicated.names.publication), Literal("pgmigrator orders 1")
        ),
    )
    left = await remove.remove(replicated.pair)
    assert any(replicated.names.subscription in statement for statement in left)
    assert (replicated.names.publication,) in _left_on_source(replicated)


async def test_a_slot_in_use_is_left_with_its_sql(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remove, "SLOT_TIMEOUT_S", 0.5)
    name = replicated.names.subscription
    execute(
        replicated.destination.dsn(replicated.pair.database),
        SQL("ALTER SUBSCRIPTION {} DISABLE").format(Identifier(name)),
    )
    until(lambda: replicated.subscription() == (False, False))
    until(
        lambda: (
            replicated.read_source(
                "SELECT active FROM pg_replication_slots WHERE slot_name = %s", name
            )
            == [(False,)]
        )
    )
    dsn = replicated.source.dsn(replicated.pair.database)
    with closing(psycopg.connect(f"{dsn} replication=database")) as other:
        options = f"proto_version '1', publication_names '\"{replicated.names.publication}\"'"
        other.pgconn.exec_(f'START_REPLICATION SLOT "{name}" LOGICAL 0/0 ({options})'.encode())
        left = await remove.remove(replicated.pair)
        assert left == (f"SELECT pg_drop_replication_slot('{name}');",)
    until(
        lambda: (
            replicated.read_source(
                "SELECT active FROM pg_replication_slots WHERE slot_name = %s", name
            )
            == [(False,)]
        )
    )
    assert await remove.remove(replicated.pair) == ()
    assert _left_on_source(replicated) == []


async def test_a_source_that_is_gone_prevents_nothing(fresh_pair: PairFactory) -> None:
    servers = fresh_pair()
    replicated: Replicated = replicate(servers.source, servers.destination)
    replicated.store_marker(replicated.marker.having(Step.SWITCHED, Step.COMPLETING))
    servers.source.stop()
    left = await remove.remove(replicated.pair)
    assert any(replicated.names.subscription in statement for statement in left)
    assert any("DROP PUBLICATION" in statement for statement in left)
    assert _left_on_destination(replicated) == []
    assert _completed(replicated)
    servers.source.start()  # it is back: the rest goes
    assert await remove.remove(replicated.pair) == ()
    assert _left_on_source(replicated) == []


async def test_nothing_is_completed_without_the_destination(fresh_pair: PairFactory) -> None:
    servers = fresh_pair()
    replicated: Replicated = replicate(servers.source, servers.destination)
    replicated.store_marker(replicated.marker.having(Step.SWITCHED, Step.COMPLETING))
    servers.destination.stop()
    with pytest.raises(MigratorError) as raised:
        await remove.remove(replicated.pair)
    assert isinstance(raised.value, Unreachable)
    assert len(_left_on_source(replicated)) == 2
