"""Freshness: a measurement that is too old says nothing any more, and unknown is never good news.

Everything that shows a report (`/status`, `/cutover`, `/metrics`, the guide) shows it through
`fresh`, so that they agree at every moment, also when the daemon hangs but still serves.
"""

import math
from dataclasses import replace

from pgmigrator.core.model import Phase
from pgmigrator.core.report import (
    DatabaseReport,
    GateResult,
    GateStatus,
    MappingReport,
    Report,
)


def fresh(report: Report, now: float) -> Report:
    """Return the report as it may be believed at `now` (epoch seconds).

    Stale gates become unknown; a light that then lacks a gate is off, from the moment at which the
    first of its gates expired.
    """
    return replace(report, mappings=tuple(_mapping(each, now) for each in report.mappings))


def _mapping(mapping: MappingReport, now: float) -> MappingReport:
    databases = tuple(_database(database, now) for database in mapping.databases)
    lost = [
        after.phase_since
        for before, after in zip(mapping.databases, databases, strict=True)
        if before.phase is not after.phase
    ]
    changed = replace(mapping, databases=databases)
    if lost and mapping.phase is Phase.READY:
        return replace(changed, phase=Phase.CATCHING_UP, phase_since=min(lost))
    return changed


def _database(database: DatabaseReport, now: float) -> DatabaseReport:
    gates = tuple(_gate(gate, now) for gate in database.gates)
    changed = _settling(replace(database, gates=gates), now)
    if not database.ready or (gates and not changed.blocking):
        return changed
    since = min((_expiry(gate, now) for gate in changed.blocking), default=database.observed_at)
    off = replace(
        changed,
        ready=False,
        ready_since=None,
        ready_changed_at=since,
        reason="the light is off: a gate has not been measured lately; is the daemon ticking?",
    )
    if database.phase is not Phase.READY:
        return off
    return replace(off, phase=Phase.CATCHING_UP, phase_since=since)


def _settling(database: DatabaseReport, now: float) -> DatabaseReport:
    """Say how long gates that all pass must go on to do so."""
    if database.stable_at is None:
        return database
    if database.blocking:
        return replace(database, stable_at=None)
    left = max(math.ceil(database.stable_at - now), 0)
    return replace(
        database, reason=f"every gate passes; the light goes on if they still do in {left} s"
    )


def _gate(gate: GateResult, now: float) -> GateResult:
    if gate.status is GateStatus.UNKNOWN:
        return gate
    if gate.measured_at is None:
        # a failure needs no measurement to be believed; a pass does
        return _unknown(gate, "never measured") if gate.status is GateStatus.PASS else gate
    age = now - gate.measured_at
    # a clock that was set back makes an age as meaningless as an old one
    if abs(age) <= gate.valid_seconds:
        return gate
    return _unknown(gate, f"last measured {age:.0f} s ago, valid for {gate.valid_seconds:g} s")


def _unknown(gate: GateResult, why: str) -> GateResult:
    reason = f"{why} (then: {gate.reason})" if gate.reason else why
    return replace(gate, status=GateStatus.UNKNOWN, value=None, reason=reason)


def _expiry(gate: GateResult, now: float) -> float:
    if gate.measured_at is None or gate.measured_at > now:
        return now
    return min(now, gate.measured_at + gate.valid_seconds)
