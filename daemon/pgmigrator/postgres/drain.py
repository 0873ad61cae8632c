"""The drain: proves that everything committed on the source is applied, and that nobody is left.

It may be repeated at any time and decides nothing. Sessions are read before the first LSN, with
everything else after it is confirmed, and at the very end; a second LSN, taken after the second
look, covers who came and went between the first two.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from psycopg.rows import DictRow

from pgmigrator.core import drain as core
from pgmigrator.core import late
from pgmigrator.core.drain import Evidence, OtherSession, Writers
from pgmigrator.core.facts import AtSwitch, Sequence
from pgmigrator.core.insert_only import doubt
from pgmigrator.core.known import Known
from pgmigrator.core.marker import Marker, ServerIdentity, Step
from pgmigrator.core.names import TableName, format_lsn
from pgmigrator.core.report import DrainProof
from pgmigrator.postgres import bookkeeping, fingerprint, sequences
from pgmigrator.postgres.bookkeeping import Note
from pgmigrator.postgres.confirm import flush_lsn, until_confirmed
from pgmigrator.postgres.connect import (
    Connection,
    SourceWriter,
    fetch,
    session,
    source_writer,
)
from pgmigrator.postgres.destination import read_starts
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.queries import query
from pgmigrator.postgres.source import read_publications, read_storage

ACTION = "drain"

_ENDED = frozenset({Step.SWITCHED, Step.COMPLETING, Step.COMPLETED, Step.ABANDONED})


@dataclass(frozen=True, slots=True)
class Sides:
    """The sessions of one drain."""

    pair: DatabasePair
    source: Connection
    writer: SourceWriter
    destination: Connection
    #: pids of both sessions on the source
    own_pids: tuple[int, ...]


async def drain(
    pair: DatabasePair,
    marker: Marker,
    *,
    timeout_seconds: float = 30,
    allow_idle: bool = False,
    excluded: frozenset[TableName] = frozenset(),
    known: Known | None = None,
) -> DrainProof:
    """Try to prove that the destination has everything that the source has.

    Sets the sequences a last time. `allow_idle` accepts other sessions that are idle. `excluded`
    are the tables that the settings leave out; any other that is not replicated prevents a proof.
    So does what is `known` to differ.

    :raises Unreachable: a side does not answer.
    """
    if proof := refused(pair, marker):
        return proof
    async with sides(pair) as opened:
        proof, _ = await prove(
            opened,
            marker,
            timeout_seconds=timeout_seconds,
            allow_idle=allow_idle,
            excluded=excluded,
            known=known,
        )
    return proof


def refused(pair: DatabasePair, marker: Marker) -> DrainProof | None:
    """Return a failed proof if the marker forbids a drain: sequences are no longer ours to set."""
    if not (ended := sorted(marker.steps & _ENDED)):
        return None
    return DrainProof(
        database=pair.database,
        lsn=None,
        proved=False,
        at=time.time(),
        duration_seconds=0,
        missing=(f"this database is marked {', '.join(ended)}: there is nothing to drain",),
    )


@asynccontextmanager
async def sides(pair: DatabasePair) -> AsyncIterator[Sides]:
    """Open the sessions of a drain."""
    async with (
        session(pair.source, pair.database, ACTION) as source,
        source_writer(pair.source, pair.database, ACTION) as writer,
        session(pair.destination, pair.database, ACTION) as destination,
    ):
        rows = await writer.read("SELECT pg_backend_pid() AS pid", {})
        own_pids = (source.info.backend_pid, rows[0]["pid"])
        yield Sides(pair, source, writer, destination, own_pids)


async def prove(
    on: Sides,
    marker: Marker,
    *,
    timeout_seconds: float,
    allow_idle: bool,
    excluded: frozenset[TableName],
    known: Known | None = None,
) -> tuple[DrainProof, AtSwitch]:
    """Run a drain over sessions that are open already; also return what of the source it proves."""
    started = time.monotonic()
    deadline = started + timeout_seconds
    writers = [await _writers(on)]
    subscription = await _subscription(on)
    if not subscription.get("enabled"):
        deadline = started  # nothing will ever confirm
    first, unconfirmed = await _confirm(on, deadline)
    catalogs = await _catalog_changes(on)
    evidence = await _evidence(on, subscription, known or Known(), created=marker.created)
    writers.append(await _writers(on))
    last, still_unconfirmed = await _confirm(on, deadline)
    positions, synchronized, behind = await _set_sequences(on)
    writers.append(await _writers(on))
    # a session that came and went since the schemas were read is in no look, nor in the slot
    ddl = await _catalog_changes(on) != catalogs
    everyone = _united(writers)
    missing = [
        *core.who_can_write(everyone, allow_idle=allow_idle),
        *(unconfirmed or still_unconfirmed),
        *core.what_is_missing(evidence, marker, excluded),
        *behind,
        *(["the source's schema was changed during the drain; drain again"] if ddl else []),
    ]
    proof = DrainProof(
        database=on.pair.database,
        lsn=last or first,
        proved=not missing and last is not None,
        at=time.time(),
        duration_seconds=time.monotonic() - started,
        missing=tuple(missing),
        not_covered=tuple(
            core.what_is_not_covered(evidence, everyone, excluded, allow_idle=allow_idle)
        ),
        sequences=synchronized,
    )
    at_switch = AtSwitch(
        tables=frozenset(evidence.source_tables.values()),
        published=frozenset((evidence.published or {}).values()),
        sequences=late.positions(positions),
        unlogged=frozenset(evidence.unlogged_tables),
        large_objects=evidence.large_objects,
    )
    return proof, at_switch


async def _catalog_changes(on: Sides) -> int:
    [row] = await fetch(on.source, query("catalog_changes"))
    return int(row["changes"])


async def _confirm(on: Sides, deadline: float) -> tuple[int | None, list[str]]:
    """Wait for what is flushed now; return its LSN, or None and why."""
    lsn = await flush_lsn(on.writer)
    slot = on.pair.names.subscription
    confirmed = await until_confirmed(
        on.writer, on.destination, slot, lsn, max(deadline - time.monotonic(), 0)
    )
    if confirmed is None:
        return None, [f"slot {slot} is gone from the source"]
    if confirmed < lsn:
        lag = lsn - confirmed
        return None, [
            f"not applied in time: the slot confirmed {format_lsn(confirmed)},"
            f" {lag} bytes short of {format_lsn(lsn)}; wait, or raise timeout_seconds"
        ]
    return lsn, []


async def _writers(on: Sides) -> Writers:
    found = await fetch(on.source, query("other_sessions"), {"own_pids": list(on.own_pids)})
    prepared = await fetch(
        on.source,
        "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY gid",
    )
    return Writers(
        sessions=tuple(OtherSession(**row) for row in found),
        prepared=tuple(row["gid"] for row in prepared),
    )


def _united(looks: list[Writers]) -> Writers:
    """Return everybody who was seen in any of several looks, as last seen."""
    sessions = {other.pid: other for look in looks for other in look.sessions}
    # whoever was busy in one look is not idle
    for look in looks:
        sessions |= {other.pid: other for other in look.sessions if not other.idle}
    prepared = {gid for look in looks for gid in look.prepared}
    return Writers(sessions=tuple(sessions.values()), prepared=tuple(sorted(prepared)))


async def _set_sequences(on: Sides) -> tuple[tuple[Sequence, ...], int, list[str]]:
    positions = await sequences.read_source(on.source)
    done = await sequences.synchronize(on.destination, positions)
    there = await sequences.read_destination(on.destination)
    return positions, done.set, list(core.sequences_behind(positions, there))


async def _subscription(on: Sides) -> DictRow:
    rows = await fetch(
        on.destination,
        query("subscription"),
        {"subscription": on.pair.names.subscription},
    )
    return rows[0] if rows else {}


async def _evidence(on: Sides, before: DictRow, known: Known, *, created: bool) -> Evidence:
    names = on.pair.names
    [here] = await fetch(on.source, query("server"))
    [there] = await fetch(on.destination, query("server"))
    tables = await fetch(on.source, query("source_tables"))
    publications = [
        found if found and found.comment == names.publication_comment else None
        for found in await read_publications(on.source, names)
    ]
    whole, _ = publications
    [rest] = await fetch(on.source, query("not_replicated"), {})
    subscribed = await fetch(
        on.destination, query("subscribed_tables"), {"subscription": names.subscription}
    )
    now = await _subscription(on)
    notes = await bookkeeping.read(on.destination)
    return Evidence(
        source=_identity(here),
        destination=_identity(there),
        source_tables={_name(row): row["oid"] for row in tables},
        unidentified={
            _name(row): row["identity_reason"] for row in tables if row["identity_reason"]
        },
        published=None
        if whole is None
        else {name: oid for p in publications if p for oid, name in p.tables.items()},
        by_inserts=await by_inserts(on),
        whole=all(p.whole for p in publications if p),
        subscribed={_name(row): row["state"] for row in subscribed},
        copied_from={
            name: note.source_oid
            for name, note in notes.items()
            if note.source_oid is not None and not note.resync
        },
        rewritten=await _rewritten(on, notes),
        unknown_starts=await _unknown_starts(on, here),
        enabled=now.get("enabled", False),
        worker_running=now.get("worker_running", False),
        differences=await fingerprint.compare(
            on.source, on.destination, created=created, tablespaces=on.pair.tablespaces
        ),
        counters_before=before.get("counters") or {},
        counters=now.get("counters") or {},
        known=known,
        **rest,
    )


async def _unknown_starts(on: Sides, source: DictRow) -> tuple[str, ...]:
    starts = await read_starts(on.destination)
    known = {
        "source": starts["source_start"] == source["started_at"],
        "destination": starts["start_remembered"],
    }
    return tuple(side for side, remembered in known.items() if not remembered)


async def _rewritten(on: Sides, notes: Mapping[TableName, Note]) -> frozenset[TableName]:
    here, there = await read_storage(on.source), await read_storage(on.destination)
    return frozenset(n for n, note in notes.items() if note.compared != (here.get(n), there.get(n)))


async def by_inserts(on: Sides) -> dict[TableName, str]:
    """Return the tables that are replicated by their inserts alone, and why rows may differ."""
    names = on.pair.names
    _, found = await read_publications(on.source, names)
    if found is None or found.comment != names.publication_comment:
        return {}
    [counting] = await fetch(on.source, query("counting"), {})
    baselines = await bookkeeping.read_baselines(on.destination)
    return {
        _name(row): doubt(row["changes"], counting["counting_since"], baselines.get(row["oid"]))
        for row in await fetch(on.source, query("source_tables"))
        if row["oid"] in found.tables
    }


def _identity(row: DictRow) -> ServerIdentity:
    return ServerIdentity(system_identifier=row["system_identifier"], timeline=row["timeline"])


def _name(row: dict[str, Any]) -> TableName:
    return TableName(row["schema"], row["name"])
