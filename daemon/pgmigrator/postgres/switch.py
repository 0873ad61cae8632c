"""The switch: a proved drain, the subscription stopped for good, and the marker that says so.

In two halves, so that several databases switch together or not at all: `prepare` each, then either
`commit` each or `abort` each. A daemon that dies in between leaves a disabled subscription without
`switched`, which the next tick enables. `unswitch` goes back, while the destination is untouched.
"""

import time
from dataclasses import dataclass, replace

from psycopg import sql

from pgmigrator.core.facts import AtSwitch
from pgmigrator.core.known import Known
from pgmigrator.core.marker import Marker, Step, Switch
from pgmigrator.core.names import TableName
from pgmigrator.core.report import DrainProof
from pgmigrator.errors import Refused
from pgmigrator.postgres import bookkeeping, triggers
from pgmigrator.postgres import marker as marker_store
from pgmigrator.postgres.confirm import NUDGE
from pgmigrator.postgres.connect import Connection, fetch, session
from pgmigrator.postgres.destination import followed_publications
from pgmigrator.postgres.drain import Sides, by_inserts, prove, refused, sides
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.pause import applied_lsn, resume, stop, uninterrupted
from pgmigrator.postgres.pgoutput import late_writes
from pgmigrator.postgres.queries import query

ACTION = "switch"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A drain; if it proved, the subscription is stopped, and `baseline` is the destination."""

    proof: DrainProof
    baseline: str = ""
    #: what of the source is proved to be on the destination
    at_switch: AtSwitch | None = None


async def prepare(
    pair: DatabasePair,
    marker: Marker,
    *,
    timeout_seconds: float = 30,
    allow_idle: bool = False,
    excluded: frozenset[TableName] = frozenset(),
    known: Known | None = None,
) -> Prepared:
    """Drain, and if that proves, stop the subscription and look for late writes.

    Anything short of a proof leaves the subscription running, and the proof says what is missing.

    :raises Unreachable: a side does not answer.
    """
    if proof := refused(pair, marker):
        return Prepared(proof)
    name = pair.names.subscription
    async with sides(pair) as on:
        proof, at_switch = await prove(
            on,
            marker,
            timeout_seconds=timeout_seconds,
            allow_idle=allow_idle,
            excluded=excluded,
            known=known,
        )
        if not proof.proved:
            return Prepared(proof)
        stopped = False
        try:
            await stop(on.writer, on.destination, name)
            late = await _written_since(on, proof)
            prepared = Prepared(proof, await _baseline(on.destination), at_switch)
            stopped = not late
        finally:
            if not stopped:
                await uninterrupted(resume(on.destination, name))
    if late:
        what = "transactions were committed on the source after the proof; stop who writes"
        return Prepared(replace(proof, proved=False, missing=(what,)))
    return prepared


async def commit(pair: DatabasePair, prepared: Prepared) -> None:
    """Mark `switched` and let held triggers fire, in one transaction; again is a no-op.

    :raises Refused: the subscription runs again, so that the preparation no longer holds.
    """
    lsn = prepared.proof.lsn
    if lsn is None or prepared.at_switch is None or not prepared.proof.proved:
        raise Refused(f"database {pair.database} cannot be switched: its drain proved nothing")
    async with (
        session(pair.destination, pair.database, ACTION) as connection,
        connection.transaction(),
    ):
        marker = await _marker(connection, pair)
        if Step.SWITCHED in marker.steps:
            return
        if await _enabled(connection, pair):
            raise Refused(f"database {pair.database}: its subscription runs again; switch again")
        await triggers.enable_held_triggers(connection)
        switched = replace(
            marker.having(Step.SWITCHED),
            switch=Switch(lsn=lsn, at=time.time(), baseline=prepared.baseline),
        )
        await bookkeeping.remember_switch(connection, prepared.at_switch)
        await marker_store.write(connection, switched, pair.database)


async def abort(pair: DatabasePair) -> None:
    """Start the subscription again after a `prepare`, unless the marker says `switched`."""
    async with session(pair.destination, pair.database, ACTION) as connection:
        marker = await _marker(connection, pair)
        if Step.SWITCHED not in marker.steps:
            await resume(connection, pair.names.subscription)


async def unswitch(pair: DatabasePair) -> None:
    """Take the switch back: forget it, hold triggers again, and stream on; in one transaction.

    :raises Refused: there is no switch to take back, the destination was written to, might be (a
        session is connected), or cannot be compared, or the slot is lost.
    """
    await _assert_slot_alive(pair)
    async with (
        session(pair.destination, pair.database, "unswitch") as connection,
        connection.transaction(),
    ):
        marker = await _marker(connection, pair)
        if marker.switch is None or Step.SWITCHED not in marker.steps:
            raise Refused(f"database {pair.database} is not switched")
        if marker.steps & {Step.COMPLETING, Step.COMPLETED}:
            raise Refused(f"database {pair.database}: its removal from the source has begun")
        await _assert_nobody_else(connection, pair)
        await triggers.hold_again(connection)
        await connection.execute(
            sql.SQL("ALTER SUBSCRIPTION {} ENABLE").format(sql.Identifier(pair.names.subscription))
        )
        await bookkeeping.forget_switch(connection)
        back = replace(marker, steps=marker.steps - {Step.SWITCHED}, switch=None)
        await marker_store.write(connection, back, pair.database)
        # last of all: whoever wrote until here shows
        await _assert_nobody_else(connection, pair)
        await _assert_untouched(connection, pair, marker.switch.baseline)


async def _written_since(on: Sides, proof: DrainProof) -> bool:
    """Tell whether a transaction came after the proof: applied before the stop, or waiting."""
    names = on.pair.names
    if await applied_lsn(on.destination, names.subscription) > (proof.lsn or 0):
        return True
    await on.writer.execute(NUDGE)  # flushes what was committed asynchronously
    followed = await followed_publications(on.destination, names)
    if any((await by_inserts(on)).values()):
        return True
    waiting = await late_writes(on.source, names.subscription, followed, limit=1)
    return waiting > 0


async def _baseline(connection: Connection) -> str:
    """Return a text that changes with every write; former workers must be gone."""
    baseline: str = (await fetch(connection, query("baseline")))[0]["baseline"]
    return baseline


async def _marker(connection: Connection, pair: DatabasePair) -> Marker:
    binding = await marker_store.bind(connection, pair.destination.mapping, pair.database)
    marker = await marker_store.read(connection, pair.database, binding)
    if marker is None:
        raise Refused(f"database {pair.database} on the destination has no marker of ours")
    return marker


async def _enabled(connection: Connection, pair: DatabasePair) -> bool:
    rows = await fetch(connection, query("subscription"), {"subscription": pair.names.subscription})
    return bool(rows) and bool(rows[0]["enabled"])


async def _assert_slot_alive(pair: DatabasePair) -> None:
    async with session(pair.source, pair.database, "unswitch") as source:
        rows = await fetch(
            source,
            "SELECT FROM pg_replication_slots WHERE slot_name = %(slot)s AND wal_status <> 'lost'",
            {"slot": pair.names.subscription},
        )
    if not rows:
        raise Refused(f"slot {pair.names.subscription} is gone or lost: there is no way back")


async def _assert_nobody_else(connection: Connection, pair: DatabasePair) -> None:
    """Statistics of sessions that are connected still may come late: so nobody may be."""
    others = await fetch(
        connection, query("other_sessions"), {"own_pids": [connection.info.backend_pid]}
    )
    prepared = await fetch(
        connection, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
    )
    who = [
        f"pid {row['pid']}, role {row['role']}, application {row['application']},"
        f" from {row['address']}"
        for row in others
        if not row["kind"].startswith("logical replication")
    ] + [f"prepared transaction {row['gid']}" for row in prepared]
    if who:
        raise Refused(
            f"database {pair.database} on the destination is in use, end this first:"
            f" {'; '.join(who)}"
        )


async def _assert_untouched(connection: Connection, pair: DatabasePair, baseline: str) -> None:
    now: str = (await fetch(connection, query("baseline")))[0]["baseline"]
    if now != baseline:
        raise Refused(
            f"database {pair.database} on the destination was written to or restarted since the"
            " switch: going back would lose that"
        )
