"""One mapping's tick: observe, decide, assert_safe, act, report.

`tick` is what the scheduler calls. It never raises for what a server does, never waits for an
action, and always ends in a report: the only thing that /status and /metrics show.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

import structlog

from pgmigrator.core import late, listing, preflight, summary
from pgmigrator.core.actions import Action, CreateSubscription
from pgmigrator.core.copies import holds_place
from pgmigrator.core.decide import COUNTS, URGENT, Decision, decide, throttles
from pgmigrator.core.gates import evaluate
from pgmigrator.core.history import (
    History,
    conclude,
    conflicts_to_note,
    lost_sight,
    observe,
    with_copy_progress,
)
from pgmigrator.core.listing import Listing
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Environment, Observation, Phase, Policy, Problem
from pgmigrator.core.report import (
    DatabaseReport,
    GateStatus,
)
from pgmigrator.core.restart import doubt
from pgmigrator.core.settling import settled
from pgmigrator.errors import InvariantBroken, MigratorError
from pgmigrator.postgres.observe import OBSERVED_AT_ONCE, Observer
from pgmigrator.runtime import reporting
from pgmigrator.runtime.act import Actor
from pgmigrator.runtime.lease import Lease
from pgmigrator.runtime.neighbours import Neighbours
from pgmigrator.runtime.unit import Unit
from pgmigrator.settings import Mapping, Settings
from pgmigrator.surface.status import assert_shown

#: cancelled when the application waits behind one of our sessions; observed anew, they come again
DUMPING = frozenset({"RestoreSchema", "RestoreTables", "RestoreRest"})
#: what has failed so often in a row ends no count any more, lest none ever comes to its end
FAILURES_MAX = 3
#: how long an action may go on once the daemon is told to stop
CLOSING_SECONDS = 5.0

log = structlog.get_logger()


class MappingRunner:
    """Everything that the daemon knows and does about one mapping."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        observer: Observer,
        actor: Actor,
        lease: Lease,
        neighbours: Neighbours,
        dump_lock: asyncio.Lock,
    ) -> None:
        """Put a mapping together; nothing is connected yet."""
        self.name = name
        self.settings = settings
        self.observer = observer
        self.lease = lease
        self.units: dict[str, Unit] = {}
        self.report = reporting.first_report(name, settings)
        self._actor = actor
        self._neighbours = neighbours
        self._dump_lock = dump_lock
        self.listing = Listing()
        #: databases that are known only because they refused us
        self._doubted: set[str] = set()
        self._limit = asyncio.Semaphore(OBSERVED_AT_ONCE)
        self._ticking = asyncio.Lock()

    @property
    def mapping(self) -> Mapping:
        """The mapping's settings."""
        return self.settings.mappings[self.name]

    async def tick(self) -> None:
        """Run one tick over every database of the mapping."""
        async with self._ticking:
            await self._tick()

    async def _tick(self) -> None:
        if not await self.lease.hold():
            await self._stop_actions(but=URGENT)
        observations = await self.look()
        lingering = [obs for obs in observations if late.lingers(obs)]
        databases = []
        for obs in observations:
            unit = self.units[obs.database]
            environment = replace(
                obs.environment,
                copying_databases=self._copying(observations, besides=unit.database),
                lingering_databases=tuple(o.database for o in lingering if o is not obs),
            )
            databases.append(await self._settle_alone(unit, replace(obs, environment=environment)))
        listed = self.list_problems(report.phase for report in databases)
        self.report = reporting.mapping_report(
            self.report, tuple(databases), observations, self.lease, listed
        )

    async def look(self) -> list[Observation]:
        """Observe every database of the mapping, and tell the neighbours; changes nothing."""
        await self._list_databases()
        seen = await asyncio.gather(*map(self._observe, self.units.values()))
        observations = [listing.doubted(self.listing, obs) for obs in seen]
        self._announce(observations)
        tied = frozenset(role for obs in observations for role in obs.tied_roles or ())
        shared = replace(self._neighbours.environment(self.name), tied_roles=tied)
        return [self._with_environment(obs, shared) for obs in observations]

    def list_problems(self, phases: Iterable[Phase]) -> tuple[Problem, ...]:
        """Say what is wrong with the list of databases, given the phases of those known."""
        # one that we know was open, and no template: its own report says what became of it
        closed, templates = (
            tuple(name for name in names if name not in self.units)
            for names in (self.listing.closed, self.listing.templates)
        )
        strange = replace(self.listing, closed=closed, templates=templates)
        return listing.problems(self.name, strange, tuple(phases))

    def _with_environment(self, obs: Observation, shared: Environment) -> Observation:
        """Add what the neighbours bring, now that this mapping has announced its own."""
        environment = replace(
            shared,
            route_error=obs.environment.route_error,
            colliding_mappings=self._neighbours.colliding(self.name, obs.database),
        )
        return replace(obs, environment=environment)

    async def close(self) -> None:
        """Let short actions end, cancel the others, and close every session."""
        tasks = [task for unit in self.units.values() for task in unit.running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSING_SECONDS)
        await self._stop_actions()
        with suppress(TimeoutError):  # a tick may hang on a server that is silent
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._ticking.acquire()
        await self.observer.close()
        await self.lease.release()

    async def read_again(self, unit: Unit) -> Observation:
        """Observe one database now: a verb must not judge by what was true a tick ago."""
        self.observer.expire(unit.database)
        unit.last = await self._observe(unit)
        return unit.last

    # --- observe --------------------------------------------------------------------------------

    async def _list_databases(self) -> None:
        """Re-read which databases belong to the mapping; none that was known is forgotten."""
        wanted = self.mapping.databases
        if wanted is None:
            await self._read_list()
            wanted = (*self.listing.databases, *await self._marked())
            self._forget_strangers(wanted)
        for database in wanted:
            if database not in self.units:
                history = History(started_at=time.time(), phase_since=time.time())
                self.units[database] = Unit(self.name, database, history)

    async def _read_list(self) -> None:
        try:
            found = await self.observer.source_databases(frozenset(self.mapping.exclude_databases))
        except (MigratorError, TimeoutError) as error:
            reason = str(error) or "the source did not answer in time"
            if reason != self.listing.error:
                log.warning("databases not listed", mapping=self.name, reason=reason)
            self.listing = replace(self.listing, error=reason)
            return
        self.listing = found

    def _forget_strangers(self, wanted: tuple[str, ...]) -> None:
        """Let go of what had refused us, and now proves to hold nothing, or is gone."""
        refused = self.listing.refused
        self._doubted |= {name for name in refused if name not in self.units}
        for database in self._doubted - refused:
            self._doubted.discard(database)
            if database not in wanted and not self.units[database].running:
                del self.units[database]

    async def _marked(self) -> tuple[str, ...]:
        """What the markers on the destination name can be ended although the source lost it."""
        try:
            marked = await self.observer.destination_databases()
        except (MigratorError, TimeoutError):
            return ()
        return tuple(name for name in marked if name not in self.mapping.exclude_databases)

    async def _observe(self, unit: Unit) -> Observation:
        async with self._limit, unit.pause:
            unit.changes_seen = unit.changes
            obs = await self.observer.observe(self.name, unit.database, self._policy())
        return replace(
            obs,
            row_counts=unit.row_counts,
            running=frozenset(unit.running),
            waiting=unit.waiting(obs.at),
            roles_refused=unit.roles_refused,
        )

    def _policy(self) -> Policy:
        mapping, cutover = self.mapping, self.settings.cutover
        return Policy(
            role_conflicts=mapping.role_conflicts,
            tables_without_identity=mapping.tables_without_identity,
            tablespaces=mapping.tablespaces,
            max_parallel_tables=mapping.max_parallel_tables,
            max_retained_wal_bytes=self.settings.instances[mapping.source].max_retained_wal,
            max_lag_bytes=cutover.max_lag_bytes,
            max_lag_seconds=cutover.max_lag_seconds,
            stable_seconds=cutover.stable_seconds,
            refresh_interval_seconds=self.settings.refresh_interval_seconds,
            complete=mapping.complete,
        )

    def _announce(self, observations: list[Observation]) -> None:
        """Tell the neighbours what this mapping brings, and what it still needs."""
        pending = [
            obs
            for obs in observations
            if obs.marker is None or Step.SUBSCRIBED not in obs.marker.steps
        ]
        self._neighbours.announce(
            self.name,
            frozenset(self.units),
            frozenset(obs.database for obs in pending),
            frozenset(obs.database for obs in pending if obs.source and obs.source.slot),
            # from the switch on they are compared no more
            self.observer.source_roles if any(obs.roles for obs in observations) else None,
            self.observer.role_policy,
        )

    def _copying(self, observations: list[Observation], besides: str) -> int:
        """Count the databases that copy, or may: MAX_PARALLEL_TABLES must hold in any case."""
        copying = {obs.database for obs in observations if self._may_copy(obs)}
        starting = {
            unit.database
            for unit in self.units.values()
            if CreateSubscription.__name__ in unit.running
        }
        return len((copying | starting) - {besides})

    def _may_copy(self, obs: Observation) -> bool:
        unit = self.units[obs.database]
        steps = obs.marker.steps if obs.marker else frozenset()
        # what has ended since it was observed may have been the creation of its subscription
        begun = unit.stale and obs.destination is not None and Step.COPIED not in steps
        return begun or holds_place(obs, unit.history.copies)

    # --- decide, assert_safe, act ---------------------------------------------------------------

    async def _settle_alone(self, unit: Unit, obs: Observation) -> DatabaseReport:
        """Settle one database; what goes wrong in it makes it unknown, and stops no other."""
        try:
            report = await self._settle(unit, obs)
            assert_shown(report)
        except Exception as error:
            log.exception("database not settled", mapping=self.name, database=unit.database)
            self._actor.count_error("unexpected")
            reason = f"its state could not be worked out: {type(error).__name__}, see the log"
            unit.history = lost_sight(unit.history, obs)
            return summary.unsettled(obs, unit.history, reason)
        return report

    async def _settle(self, unit: Unit, obs: Observation) -> DatabaseReport:
        unit.history = observe(unit.history, obs)
        unit.last = obs = replace(
            obs,
            doubt=doubt(unit.history.source, unit.history.destination, obs),
            conflicts=conflicts_to_note(unit.history, obs),
            settled=settled(unit.history.differing, obs),
            copies=unit.history.copies,
        )
        found = preflight.find_problems(obs)
        decision = decide(obs, found)
        unit.forget_failures(decision)
        unit.forget_mended(obs)
        problems = found + reporting.problems_of(unit)
        await self._protect_source(unit, obs)
        await self._give_way(unit, decision)
        self._act(unit, obs, decision)
        return self._report(unit, obs, decision, problems)

    async def _protect_source(self, unit: Unit, obs: Observation) -> None:
        """Cancel what may be the session behind which the application waits."""
        if obs.source is None or not obs.source.blocked_sessions:
            return
        dumping = DUMPING if self._dump_lock.locked() else frozenset()
        await unit.stop(only=COUNTS | dumping)

    async def _give_way(self, unit: Unit, decision: Decision) -> None:
        """End a count that keeps off what must not wait for hours; the next tick starts that."""
        action = decision.held_up
        if action is None or not self._may_act(unit, action):
            return
        failure = unit.failures.get(action.kind)
        if failure is None or failure.attempts < FAILURES_MAX:
            log.info("count gives way", database=unit.database, action=action.kind)
            await unit.stop(only=COUNTS)

    def _act(self, unit: Unit, obs: Observation, decision: Decision) -> None:
        for action in (decision.action, decision.beside):
            if action is None or not self._may_act(unit, action):
                continue
            try:
                self._actor.start(unit, action, obs)
            except InvariantBroken as error:
                unit.broken = str(error)
                log.error("invariant broken", mapping=self.name, reason=str(error))

    def _may_act(self, unit: Unit, action: Action) -> bool:
        if action.kind in URGENT:
            # while the destination is silent nobody else can hold the lease
            return not unit.stale and (self.lease.held or self.lease.lost_to_silence)
        if unit.broken or unit.stale or unit.command.locked() or not self._neighbours.complete:
            return False
        return self.lease.held

    async def _stop_actions(self, *, but: frozenset[str] = frozenset()) -> None:
        for unit in self.units.values():
            await unit.stop(but=but)

    # --- report ---------------------------------------------------------------------------------

    def _report(
        self, unit: Unit, obs: Observation, decision: Decision, problems: tuple[Problem, ...]
    ) -> DatabaseReport:
        ended = obs.marker is not None and obs.marker.ended
        gates = () if ended else evaluate(obs, unit.history, problems)
        all_pass = bool(gates) and all(gate.status is GateStatus.PASS for gate in gates)
        tables = summary.table_reports(obs, problems)
        if obs.marker is not None and Step.SUBSCRIBED in obs.marker.steps and tables:
            done = sum(table.completed_bytes or 0 for table in tables)
            unit.history = with_copy_progress(unit.history, obs, done)
        before = unit.history.phase
        unit.history = conclude(unit.history, decision.phase, all_pass, problems, obs)
        if unit.history.phase is not before:
            log.info(
                "phase changed",
                mapping=self.name,
                database=unit.database,
                before=before.value,
                phase=unit.history.phase.value,
                reason=decision.reason,
            )
        return summary.report(
            summary.Summary(
                obs=replace(obs, running=frozenset(unit.running)),
                history=unit.history,
                problems=problems,
                gates=gates,
                reason=decision.reason,
                tables=tables,
                throttles=throttles(obs),
                drain=unit.drain,
            )
        )
