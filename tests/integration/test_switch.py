"""The switch and the way back: late writes, interruptions, a destination that was written to."""

import asyncio
from contextlib import suppress
from typing import LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from pgmigrator.core.drift import drifts
from pgmigrator.core.marker import Step
from pgmigrator.errors import Refused
from pgmigrator.postgres import bookkeeping, fingerprint, source, switch, triggers
from pgmigrator.postgres.connect import session
from pgmigrator.postgres.drain import prove
from pgmigrator.postgres.pgoutput import late_writes
from tests.fixtures.databases import execute
from tests.fixtures.providers import Postgres
from tests.integration.replicating import Replicated, replicate, until

TRIGGER: tuple[LiteralString, ...] = (
    "CREATE FUNCTION shop.shout() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN NEW.note := upper(NEW.note); RETURN NEW; END'",
    "CREATE TRIGGER shout BEFORE UPDATE ON shop.item FOR EACH ROW EXECUTE FUNCTION shop.shout()",
    "ALTER TABLE shop.item ENABLE ALWAYS TRIGGER shout",
)


@pytest.fixture
async def replicated(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination, TRIGGER)
    await _hold_triggers(found)
    return found


async def _hold_triggers(replicated: Replicated) -> None:
    async with session(replicated.pair.destination, replicated.pair.database, "test") as connection:
        await triggers.prepare(connection)
    await _follow(replicated)


async def _switch(replicated: Replicated) -> switch.Prepared:
    prepared = await switch.prepare(replicated.pair, replicated.marker)
    assert prepared.proof.proved, prepared.proof.missing
    await switch.commit(replicated.pair, prepared)
    return prepared


async def _late_writes(replicated: Replicated) -> int:
    pair = replicated.pair
    async with session(pair.source, pair.database, "test") as connection:
        return await late_writes(connection, pair.names.subscription, [pair.names.publication], 100)


def _trigger_modes(replicated: Replicated) -> list[tuple[str]]:
    return replicated.read_destination("SELECT tgenabled FROM pg_trigger WHERE tgname = 'shout'")


async def test_switch_and_back(replicated: Replicated) -> None:
    replicated.on_source("INSERT INTO shop.item VALUES (-1)")
    prepared = await _switch(replicated)
    marker = replicated.stored_marker()
    assert marker is not None
    assert Step.SWITCHED in marker.steps
    assert marker.switch is not None
    assert marker.switch.lsn == prepared.proof.lsn
    assert replicated.subscription() == (False, False)
    assert _trigger_modes(replicated) == [("A",)]
    await switch.commit(replicated.pair, prepared)  # again: a no-op

    await switch.unswitch(replicated.pair)
    assert replicated.stored_marker() == replicated.marker
    assert _trigger_modes(replicated) == [("O",)]
    replicated.on_source("UPDATE shop.item SET note = 'low' WHERE id = -1")
    until(
        lambda: (
            replicated.read_destination("SELECT note FROM shop.item WHERE id = -1") == [("LOW",)]
        )
    )
    await _switch(replicated)


async def test_late_writes_are_counted_and_stay(replicated: Replicated) -> None:
    await _switch(replicated)
    assert await _late_writes(replicated) == 0
    replicated.on_source("CREATE TABLE shop.unpublished (id int)", "VACUUM shop.item")
    replicated.on_source("INSERT INTO shop.unpublished VALUES (1)")
    assert await _late_writes(replicated) == 0
    replicated.on_source("INSERT INTO shop.item VALUES (-1)", "DELETE FROM shop.item WHERE id = 7")
    assert await _late_writes(replicated) == 2
    assert await _late_writes(replicated) == 2
    await switch.unswitch(replicated.pair)  # nothing was consumed: they arrive
    until(lambda: replicated.read_destination("SELECT FROM shop.item WHERE id = -1") == [()])


async def test_what_the_source_was_is_remembered_until_the_way_back(replicated: Replicated) -> None:
    await _switch(replicated)
    pair = replicated.pair
    async with session(pair.destination, pair.database, "test") as connection:
        noted = await bookkeeping.read_switch(connection)
        assert noted is not None
        assert noted.tables == noted.published == {oid for oid, _ in replicated.tables}
        assert noted.sequences['"shop"."Fresh"'] == "1 False"
        await switch.unswitch(pair)
        assert await bookkeeping.read_switch(connection) is None


@pytest.mark.parametrize("statement", ["ALTER TABLE shop.item ADD more int", "DROP VIEW shop.v"])
async def test_a_session_that_alters_the_schema_and_goes_during_the_drain_prevents_a_proof(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch, statement: LiteralString
) -> None:
    for run in (replicated.on_source, replicated.on_destination):
        run("CREATE VIEW shop.v AS SELECT 1 AS one")

    async def compare_then_alter(*arguments: object, **options: object) -> object:
        found = await compare(*arguments, **options)  # type: ignore[arg-type]
        replicated.on_source(statement)
        replicated.until_alone()
        return found

    compare = fingerprint.compare
    monkeypatch.setattr(fingerprint, "compare", compare_then_alter)
    prepared = await switch.prepare(replicated.pair, replicated.marker)
    assert [*prepared.proof.missing] == [
        "the source's schema was changed during the drain; drain again"
    ]
    assert not prepared.proof.proved


async def test_updates_alone_are_late_writes(replicated: Replicated) -> None:
    await _switch(replicated)
    replicated.on_source("UPDATE shop.item SET note = 'late' WHERE id = 7")
    assert await _late_writes(replicated) == 1


async def test_an_idle_session_that_writes_after_the_proof_prevents_the_switch(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = replicated.source.dsn(replicated.pair.database)

    with psycopg.connect(dsn, autocommit=True) as client:

        async def prove_then_write(*arguments: object, **options: object) -> object:
            proof = await prove(*arguments, **options)  # type: ignore[arg-type]
            client.execute("INSERT INTO shop.item VALUES (-1)")
            return proof

        monkeypatch.setattr(switch, "prove", prove_then_write)
        prepared = await switch.prepare(replicated.pair, replicated.marker, allow_idle=True)
    assert not prepared.proof.proved
    assert "after the proof" in prepared.proof.missing[0]
    until(lambda: replicated.subscription() == (True, True))
    until(lambda: replicated.read_destination("SELECT FROM shop.item WHERE id = -1") == [()])


async def test_without_proof_nothing_stops(replicated: Replicated) -> None:
    with psycopg.connect(replicated.source.dsn(replicated.pair.database)):
        prepared = await switch.prepare(replicated.pair, replicated.marker)
    assert not prepared.proof.proved
    assert replicated.subscription() == (True, True)
    with pytest.raises(Refused):
        await switch.commit(replicated.pair, prepared)


async def test_abort_starts_it_again_but_never_after_the_switch(replicated: Replicated) -> None:
    prepared = await switch.prepare(replicated.pair, replicated.marker)
    assert replicated.subscription() == (False, False)
    await switch.abort(replicated.pair)
    assert replicated.subscription() == (True, True)
    with pytest.raises(Refused, match="runs again"):
        await switch.commit(replicated.pair, prepared)
    await _switch(replicated)
    await switch.abort(replicated.pair)
    assert replicated.subscription() == (False, False)


async def test_whenever_it_is_cancelled_it_runs_or_is_prepared(replicated: Replicated) -> None:
    for step in range(20):
        task = asyncio.create_task(switch.prepare(replicated.pair, replicated.marker))
        await asyncio.sleep(0.02 * step)
        task.cancel()
        prepared = None
        with suppress(asyncio.CancelledError):
            prepared = await task
        if prepared is not None and prepared.proof.proved:
            await switch.abort(replicated.pair)
        until(lambda: replicated.subscription() == (True, True), timeout_seconds=10)


@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO shop.item VALUES (-1)",
        "UPDATE shop.item SET note = 'new' WHERE id = 7",
        "DELETE FROM shop.event WHERE id = 7",
        "TRUNCATE shop.event",
        "SELECT nextval('shop.up')",
        "SELECT lo_from_bytea(0, 'x')",
        "CREATE TABLE shop.mine AS SELECT 1 AS id",
        "SELECT pg_stat_reset()",
    ],
)
async def test_no_way_back_over_writes_of_the_destination(
    replicated: Replicated, write: LiteralString
) -> None:
    await _switch(replicated)
    replicated.on_destination(write)
    with pytest.raises(Refused, match="written to or restarted"):
        await switch.unswitch(replicated.pair)
    marker = replicated.stored_marker()
    assert marker is not None
    assert Step.SWITCHED in marker.steps
    assert replicated.subscription() == (False, False)


async def test_no_way_back_while_somebody_is_connected(replicated: Replicated) -> None:
    await _switch(replicated)
    with (
        psycopg.connect(
            replicated.destination.dsn(replicated.pair.database), application_name="shop-api"
        ),
        pytest.raises(Refused, match="shop-api"),
    ):
        await switch.unswitch(replicated.pair)
    await switch.unswitch(replicated.pair)


async def test_no_way_back_without_the_slot_or_after_complete(replicated: Replicated) -> None:
    await _switch(replicated)
    marker = replicated.stored_marker()
    assert marker is not None
    replicated.store_marker(marker.having(Step.COMPLETING))
    with pytest.raises(Refused, match="removal"):
        await switch.unswitch(replicated.pair)
    replicated.store_marker(marker)
    slot = replicated.names.subscription
    execute(
        replicated.source.dsn(),
        SQL("SELECT pg_drop_replication_slot({})").format(slot),
    )
    with pytest.raises(Refused, match="no way back"):
        await switch.unswitch(replicated.pair)


async def test_reading_the_destination_does_not_bar_the_way_back(replicated: Replicated) -> None:
    await _switch(replicated)
    assert replicated.read_destination("SELECT count(*) FROM shop.item") == [(1000,)]
    execute(
        replicated.destination.dsn(replicated.pair.database),
        SQL("ANALYZE {}").format(Identifier("shop", "item")),
    )
    await switch.unswitch(replicated.pair)


async def test_going_back_before_a_switch_is_refused(replicated: Replicated) -> None:
    with pytest.raises(Refused, match="not switched"):
        await switch.unswitch(replicated.pair)


async def test_a_look_into_the_slot_that_takes_too_long_is_unknown(
    replicated: Replicated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slot keeps what other databases write too: decoding that must not cost the whole side."""
    await _switch(replicated)
    replicated.on_source("INSERT INTO shop.item SELECT generate_series(-30000, -2)")
    pair = replicated.pair
    async with session(pair.source, pair.database, "test") as connection:

        async def look() -> int | None:
            return await source.read_late_writes(
                connection, pair.names.subscription, [pair.names.publication]
            )

        monkeypatch.setattr(source, "LATE_WRITES_TIMEOUT_S", 0.001)
        assert await look() is None
        monkeypatch.undo()
        assert await look() == 1  # and the session is as good as before


# --- triggers whose mode changes on the source ---------------------------------------------------


async def _follow(replicated: Replicated) -> None:
    pair = replicated.pair
    async with (
        session(pair.source, pair.database, "test") as origin,
        session(pair.destination, pair.database, "test") as connection,
        connection.transaction(),
    ):
        await triggers.follow(connection, await triggers.read(origin))


async def _differences(replicated: Replicated) -> set[tuple[str, bool]]:
    pair = replicated.pair
    async with (
        session(pair.source, pair.database, "test") as origin,
        session(pair.destination, pair.database, "test") as connection,
    ):
        found = await fingerprint.compare(origin, connection)
    return {(item.definition, item.missing) for item in found}


async def test_a_mode_that_changes_on_the_source_is_remembered_anew(replicated: Replicated) -> None:
    assert await _differences(replicated) == set()
    always, replica = "ENABLE ALWAYS TRIGGER shout", "ENABLE REPLICA TRIGGER shout"
    for statement, wanted, found in (
        ("ALTER TABLE shop.item ENABLE REPLICA TRIGGER shout", (replica, True), (always, False)),
        ("ALTER TABLE shop.item ENABLE TRIGGER shout", None, (replica, False)),
        ("ALTER TABLE shop.item ENABLE ALWAYS TRIGGER shout", (always, True), None),
    ):
        replicated.on_source(statement)
        assert await _differences(replicated) == {wanted, found} - {None}
        await _follow(replicated)
        assert await _differences(replicated) == set()
        assert _trigger_modes(replicated) == [("O",)]


async def test_a_trigger_that_somebody_lets_fire_is_held_again(replicated: Replicated) -> None:
    replicated.on_destination("ALTER TABLE shop.item ENABLE ALWAYS TRIGGER shout")
    assert await _differences(replicated) == {
        ("ENABLE ALWAYS TRIGGER shout", True),
        ("ENABLE ALWAYS TRIGGER shout, which is not held back", False),
    }
    await _follow(replicated)
    assert await _differences(replicated) == set()
    assert _trigger_modes(replicated) == [("O",)]


async def test_a_trigger_of_the_destination_alone_fires_on(replicated: Replicated) -> None:
    replicated.on_destination(
        "CREATE TABLE shop.theirs (note text)",
        "CREATE TRIGGER theirs BEFORE UPDATE ON shop.theirs"
        " FOR EACH ROW EXECUTE FUNCTION shop.shout()",
        "ALTER TABLE shop.theirs ENABLE REPLICA TRIGGER theirs",
    )
    await _follow(replicated)
    mode: LiteralString = "SELECT tgenabled FROM pg_trigger WHERE tgname = 'theirs'"
    assert replicated.read_destination(mode) == [("R",)]


async def test_a_disabled_trigger_that_the_source_has_as_always_is_mended_as_told(
    replicated: Replicated,
) -> None:
    replicated.on_destination("ALTER TABLE shop.item DISABLE TRIGGER shout")
    pair = replicated.pair
    async with (
        session(pair.source, pair.database, "test") as origin,
        session(pair.destination, pair.database, "test") as connection,
    ):
        found = drifts(await fingerprint.compare(origin, connection))
        statements = {drift.statement for drift in found} - {None}
        assert statements == {'ALTER TABLE "shop"."item" ENABLE TRIGGER shout'}
        await connection.execute(statements.pop().encode())  # type: ignore[union-attr]
    assert await _differences(replicated) == set()
