"""The operator's verbs: drain, switch, unswitch, complete, resync.

A verb covers the databases that it names, together: all are switched, or none. While it runs, no
action of the ticks starts on them. What stands against it comes back as data, with the fix.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from pgmigrator.core import insert_only, late, plan, resync
from pgmigrator.core.commands import Blocker, Command, Outcome, OutcomeStatus, Verb
from pgmigrator.core.facts import SourceFacts
from pgmigrator.core.known import Known, known
from pgmigrator.core.marker import Marker, Step
from pgmigrator.core.names import TableName
from pgmigrator.core.report import DrainProof
from pgmigrator.errors import Refused, Unreachable
from pgmigrator.postgres import bookkeeping, drain, remove, switch
from pgmigrator.postgres import marker as marker_store
from pgmigrator.postgres.connect import session
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.runtime.mapping import MappingRunner
from pgmigrator.runtime.unit import Unit

log = structlog.get_logger()

#: how often a verb reads what it must know before it says that it does not know
READ_ATTEMPTS = 3

UNKNOWN_LATE_WRITES = "it is not known whether the source was written to after the switch"


async def carry_out(runner: MappingRunner, command: Command) -> Outcome:
    """Do what an operator asked for.

    :raises Unreachable: a server that is needed does not answer.
    :raises Refused: it says no, or another daemon holds the lease.
    """
    if not runner.lease.held:
        raise Refused(
            f"this daemon does not hold the lease of {runner.name}: {runner.lease.reason}"
        )
    units = [
        unit
        for name, unit in runner.units.items()
        if command.databases is None or name in command.databases
    ]
    if not units:
        raise Refused(f"mapping {runner.name} has no databases yet")
    handler = {
        Verb.DRAIN: _drain,
        Verb.SWITCH: _switch,
        Verb.UNSWITCH: _unswitch,
        Verb.COMPLETE: _complete,
        Verb.RESYNC: _resync,
    }[command.verb]
    # a resync is only noted: what is under way may go on
    ending = command.verb is not Verb.RESYNC
    async with _exclusively(units, ending=ending):
        return await handler(runner, units, command)


@asynccontextmanager
async def _exclusively(units: Sequence[Unit], *, ending: bool) -> AsyncIterator[None]:
    """Keep further actions of the ticks off these databases, `ending` those under way."""
    async with AsyncExitStack() as stack:
        for unit in sorted(units, key=lambda unit: unit.database):
            await stack.enter_async_context(unit.command)
            if ending:
                await unit.stop()
        try:
            yield
        finally:
            for unit in units:
                unit.changes += 1


def _pair(runner: MappingRunner, unit: Unit) -> DatabasePair:
    if unit.last is None or unit.last.names is None:
        reason = (unit.last.source_error or unit.last.destination_error) if unit.last else ""
        raise Unreachable(f"{unit.database} was not read yet; try again in a moment ({reason})")
    return DatabasePair(
        runner.observer.source,
        runner.observer.destination,
        unit.database,
        unit.last.names,
        unit.last.policy.keeps_tablespaces,
    )


async def _marker(pair: DatabasePair) -> Marker:
    """Read the marker as it stands now.

    :raises Refused: there is none.
    """
    async with session(pair.destination, pair.database, "mark") as connection:
        binding = await marker_store.bind(connection, pair.destination.mapping, pair.database)
        marker = await marker_store.read(connection, pair.database, binding)
    if marker is None:
        raise Refused(f"{pair.database} is not being migrated by this mapping")
    return marker


# --- drain and switch ------------------------------------------------------------------------


async def _drain(runner: MappingRunner, units: Sequence[Unit], command: Command) -> Outcome:
    proofs = await asyncio.gather(*(_drain_one(runner, unit, command) for unit in units))
    if all(proof.proved for proof in proofs):
        return Outcome(status=OutcomeStatus.DONE, message="drained", drains=tuple(proofs))
    return _not_proved(proofs)


async def _drain_one(runner: MappingRunner, unit: Unit, command: Command) -> DrainProof:
    pair = _pair(runner, unit)
    unit.drain = await drain.drain(
        pair,
        await _marker(pair),
        excluded=_excluded(unit),
        known=_known(unit),
        timeout_seconds=command.timeout_seconds,
        allow_idle=command.allow_idle,
    )
    return unit.drain


def _not_proved(proofs: Sequence[DrainProof]) -> Outcome:
    return Outcome(
        status=OutcomeStatus.CONFLICT,
        message="not drained: see what is missing",
        drains=tuple(proofs),
        blocking=tuple(
            Blocker(database=proof.database, object="drain", status="fail", reason=missing)
            for proof in proofs
            for missing in proof.missing
        ),
    )


async def _switch(runner: MappingRunner, units: Sequence[Unit], command: Command) -> Outcome:
    """Prepare all; commit all only if all prove, else let those that were stopped run again."""
    if command.databases is None and (missing := runner.report.blocking):
        return Outcome(
            status=OutcomeStatus.CONFLICT,
            message="not switched: a database of the mapping may be missing; name those to switch",
            blocking=tuple(
                Blocker(
                    database="*",
                    object=each.problem.check,
                    status="unknown",
                    reason=each.problem.reason,
                    fix=each.problem.fix,
                )
                for each in missing
            ),
        )
    pairs = [_pair(runner, unit) for unit in units]
    markers = [await _marker(pair) for pair in pairs]
    todo = [
        (unit, pair, marker)
        for unit, pair, marker in zip(units, pairs, markers, strict=True)
        if Step.SWITCHED not in marker.steps
    ]
    if not todo:
        return Outcome(status=OutcomeStatus.DONE, message="switched already")
    attempts = [_prepare(unit, pair, marker, command) for unit, pair, marker in todo]
    results = await asyncio.gather(*attempts, return_exceptions=True)
    prepared = [result for result in results if isinstance(result, switch.Prepared)]
    try:
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if not all(result.proof.proved for result in prepared):
            await _abort(todo, results)
            return _not_proved([result.proof for result in prepared])
        for (_, pair, _marker_before), result in zip(todo, prepared, strict=True):
            await switch.commit(pair, result)
    except BaseException:
        await _abort(todo, results)
        raise
    proofs = tuple(result.proof for result in prepared)
    return Outcome(status=OutcomeStatus.DONE, message="switched", drains=proofs)


async def _prepare(
    unit: Unit, pair: DatabasePair, marker: Marker, command: Command
) -> switch.Prepared:
    prepared = await switch.prepare(
        pair,
        marker,
        excluded=_excluded(unit),
        known=_known(unit),
        timeout_seconds=command.timeout_seconds,
        allow_idle=command.allow_idle,
    )
    unit.drain = prepared.proof
    return prepared


async def _abort(
    todo: Sequence[tuple[Unit, DatabasePair, Marker]], results: Sequence[object]
) -> None:
    """Start again what was stopped; what cannot be reached now, the next tick enables."""
    stopped = [
        pair
        for (_, pair, _marker_before), result in zip(todo, results, strict=True)
        if isinstance(result, switch.Prepared) and result.proof.proved
    ]
    await asyncio.gather(*map(switch.abort, stopped), return_exceptions=True)


def _excluded(unit: Unit) -> frozenset[TableName]:
    """Tables that the settings leave out on purpose."""
    return plan.excluded(unit.last) if unit.last else frozenset()


def _known(unit: Unit) -> Known | None:
    """What the ticks have found to differ."""
    return known(unit.last, unit.row_counts, unit.history) if unit.last else None


async def _unswitch(runner: MappingRunner, units: Sequence[Unit], _: Command) -> Outcome:
    blocking = []
    for unit in units:
        try:
            await switch.unswitch(_pair(runner, unit))
        except Refused as error:
            blocker = Blocker(
                database=unit.database, object="unswitch", status="fail", reason=str(error)
            )
            blocking.append(blocker)
    if blocking:
        return Outcome(
            status=OutcomeStatus.CONFLICT,
            message="not every database was switched back",
            blocking=tuple(blocking),
        )
    return Outcome(status=OutcomeStatus.DONE, message="replication goes on")


# --- resync ------------------------------------------------------------------------------------


async def _resync(runner: MappingRunner, units: Sequence[Unit], command: Command) -> Outcome:
    [unit] = units
    obs = await runner.read_again(unit)
    found = resync.find(obs, command.table)
    if isinstance(found, str):
        blocker = Blocker(
            database=unit.database, object=f"table {command.table}", status="fail", reason=found
        )
        return Outcome(
            status=OutcomeStatus.CONFLICT, message="not resynchronised", blocking=(blocker,)
        )
    async with (
        session(runner.observer.destination, unit.database, "resync") as connection,
        connection.transaction(),
    ):
        for table in found:
            if not await bookkeeping.request_resync(connection, table):
                raise Refused(f"table {table} is no longer one that we filled; try again")
    names = ", ".join(map(str, found))
    log.info("resync", mapping=unit.mapping, database=unit.database, tables=names)
    said = f"table {names} is" if len(found) == 1 else f"{len(found)} partitions are"
    return Outcome(status=OutcomeStatus.ACCEPTED, message=f"{said} copied anew")


# --- complete ----------------------------------------------------------------------------------


async def _complete(runner: MappingRunner, units: Sequence[Unit], command: Command) -> Outcome:
    pairs = {unit.database: _pair(runner, unit) for unit in units}
    markers = {name: await _marker(pair) for name, pair in pairs.items()}
    open_units = [u for u in units if Step.COMPLETED not in markers[u.database].steps]
    blocking: list[Blocker] = []
    for unit in open_units:
        await _read_late_writes(runner, unit)
        blocking += _against(unit, markers[unit.database])
    if blocking and not command.force:
        return Outcome(
            status=OutcomeStatus.CONFLICT,
            message="not completed: it would end a migration that is not over",
            blocking=tuple(blocking),
        )
    left: list[str] = []
    for unit in open_units:
        await _begin(pairs[unit.database], markers[unit.database], command.reason)
        async with unit.pause:  # a tick that peeks for late writes would hold the slot
            left += await remove.remove(pairs[unit.database])
    message = "completed" if open_units else "completed already"
    if left:
        message += "; still on the source, which does not answer: " + "; ".join(left)
    return Outcome(status=OutcomeStatus.DONE, message=message)


async def _read_late_writes(runner: MappingRunner, unit: Unit) -> None:
    """Read again; a statement that ran into its time-out once is no reason to refuse a person."""
    for _ in range(READ_ATTEMPTS):
        obs = await runner.read_again(unit)
        if obs.source is not None and obs.source.late_writes is not None:
            return


def _against(unit: Unit, marker: Marker) -> list[Blocker]:
    """Say what stands against ending this migration."""
    if Step.COMPLETING in marker.steps or Step.ABANDONED in marker.steps:
        return []
    if Step.SWITCHED not in marker.steps:
        return [
            Blocker(
                database=unit.database,
                object="switched",
                status="fail",
                reason="the database is not switched",
                fix=f"pgmigrator switch {unit.mapping}",
            )
        ]
    source = unit.last.source if unit.last else None
    if source is None or unit.last is None:
        return [_source_unread(unit)]
    if late.quiet(unit.last):
        return []
    if late.late_writes(unit.last) == 0:
        return [
            Blocker(
                database=unit.database,
                object=f"table {table.name}",
                status="fail",
                reason=why,
                fix="carry the changes over by hand, then `complete --force --reason ...`",
            )
            for table, why in insert_only.in_doubt(unit.last)
        ]
    written = late.said(unit.last)
    return [
        Blocker(
            database=unit.database,
            object="late_writes",
            status="fail" if written else "unknown",
            reason=written or f"{UNKNOWN_LATE_WRITES}: {_unknown(source, unit)}",
            fix="try again in a moment; what was written late, carry over by hand, then"
            " `complete --force --reason ...`",
        )
    ]


def _unknown(source: SourceFacts, unit: Unit) -> str:
    if source.late_writes is None:
        return "its slot was not read in time, or is gone"
    if unit.last is None or unit.last.destination is None:
        return "the destination was not read"
    return "what it was at the switch is not remembered"


def _source_unread(unit: Unit) -> Blocker:
    """A source that is gone looks like one behind a broken network: only a person knows which."""
    why = unit.last.source_error if unit.last else ""
    return Blocker(
        database=unit.database,
        object="late_writes",
        status="unknown",
        reason=UNKNOWN_LATE_WRITES + (f": {why}" if why else ""),
        fix="try again once the source answers; if it is gone for good, nobody can write there, and"
        " nothing of it is needed: `complete --force --reason ...`",
    )


async def _begin(pair: DatabasePair, marker: Marker, reason: str) -> None:
    """Mark `completing` first: from then on everything leads to removal, also after a crash."""
    async with session(pair.destination, pair.database, "mark") as connection:
        begun = marker.having(Step.COMPLETING).because(reason)
        await marker_store.write(connection, begun, pair.database)
    log.info("completing", mapping=pair.destination.mapping, database=pair.database, why=reason)
