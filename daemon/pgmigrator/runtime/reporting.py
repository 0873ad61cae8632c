"""The report of a mapping as a whole, and the problems that lie in our own work."""

import time
from dataclasses import replace

from pgmigrator.core.model import Observation, Phase, Problem, Severity
from pgmigrator.core.report import DatabaseReport, MappingReport, OpenProblem, ServerReport
from pgmigrator.runtime.lease import Lease
from pgmigrator.runtime.unit import Unit
from pgmigrator.settings import Settings


def first_report(name: str, settings: Settings) -> MappingReport:
    """Return what is known of a mapping before its first tick."""
    mapping, cutover = settings.mappings[name], settings.cutover
    unread = [
        ServerReport(instance=each, version=None, up=False, observed_at=None, reason="not read yet")
        for each in (mapping.source, mapping.destination)
    ]
    now = time.time()
    return MappingReport(
        name=name,
        phase=Phase.UNKNOWN,
        phase_since=now,
        source=unread[0],
        destination=unread[1],
        observed_at=now,
        max_lag_bytes=cutover.max_lag_bytes,
        max_lag_seconds=cutover.max_lag_seconds,
        stable_seconds=cutover.stable_seconds,
        max_retained_wal_bytes=settings.instances[mapping.source].max_retained_wal,
        refresh_interval_seconds=settings.refresh_interval_seconds,
    )


def mapping_report(
    before: MappingReport,
    databases: tuple[DatabaseReport, ...],
    observations: list[Observation],
    lease: Lease,
    listed: tuple[Problem, ...],
) -> MappingReport:
    """Return the report of this tick, given the one of the tick before.

    `listed` is what is wrong with the list of the databases.
    """
    phases = tuple(database.phase for database in databases)
    now = time.time()
    missing = [problem.reason for problem in listed if problem.severity is Severity.BLOCKS]
    # one that is missing from the list may be in any phase
    phase = least_advanced((*phases, Phase.UNKNOWN) if missing else phases)
    blocked = [obs.source.blocked_sessions for obs in observations if obs.source]
    return replace(
        before,
        phase=phase,
        phase_since=before.phase_since if phase is before.phase else now,
        source=_server(before.source, observations, "source", "; ".join(missing)),
        destination=_server(before.destination, observations, "destination"),
        databases=databases,
        problems=_problems(before, listed, lease, now),
        lease_held=lease.held,
        observed_at=now,
        source_sessions_blocked=max(blocked, default=None),
    )


def _server(
    before: ServerReport, observations: list[Observation], side: str, silence: str = ""
) -> ServerReport:
    answers = [(obs.at, getattr(obs, side)) for obs in observations if getattr(obs, side)]
    if not answers:
        errors = [getattr(obs, f"{side}_error") for obs in observations]
        return replace(before, up=False, reason=next(filter(None, errors), silence or "not read"))
    at, facts = answers[-1]
    return replace(before, version=facts.server.version, up=True, observed_at=at, reason="")


def _problems(
    before: MappingReport, listed: tuple[Problem, ...], lease: Lease, now: float
) -> tuple[OpenProblem, ...]:
    """What concerns the mapping as a whole."""
    found = []
    if not lease.held:
        found.append(
            Problem(
                check="lease",
                severity=Severity.NOTE,
                object=before.name,
                reason=lease.reason,
                fix="only the holder acts; this daemon takes over when the other one is gone",
            )
        )
    found.extend(listed)
    since = {known.id: known.since for known in before.problems}
    return tuple(
        OpenProblem(problem=p, since=since.get(f"{p.check}:{p.object}", now)) for p in found
    )


def problems_of(unit: Unit) -> tuple[Problem, ...]:
    """What went wrong in our own actions, as problems."""
    failed = tuple(
        Problem(
            check="action_failed",
            severity=Severity.DEGRADES,
            object=kind,
            reason=f"{failure.message} (attempt {failure.attempts})",
            fix="it is tried again by itself; what the reason names may need a person",
        )
        for kind, failure in unit.failures.items()
    )
    restored = tuple(
        Problem(
            check="restore_failed",
            severity=Severity.DEGRADES,
            object=failed_object.object,
            reason=failed_object.reason,
            fix="mend the cause on the destination; what comes after the data is then restored by"
            " itself, for anything else the problem schema_drift has the SQL",
        )
        for failures in unit.restore_failures.values()
        for failed_object in failures
    )
    if not unit.broken:
        return failed + restored
    broken = Problem(
        check="invariant_broken",
        severity=Severity.DEGRADES,
        object=unit.database,
        reason=unit.broken,
        fix="report this; restart the daemon once the cause is understood",
    )
    return (broken, *failed, *restored)


#: what outranks the progress of the others, in this order
_OUTRANKING = (Phase.FAILED, Phase.BLOCKED, Phase.UNKNOWN)


def least_advanced(phases: tuple[Phase, ...]) -> Phase:
    """Return the phase of a mapping from those of its databases."""
    for phase in _OUTRANKING:
        if phase in phases:
            return phase
    order = list(Phase)
    return min(phases, key=order.index, default=Phase.UNKNOWN)
