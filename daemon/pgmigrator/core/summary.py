"""From what was observed and decided to what is shown: one database's part of the report."""

from collections import Counter
from dataclasses import dataclass, replace

from pgmigrator.core import late, plan
from pgmigrator.core.facts import DestinationTable, SourceTable
from pgmigrator.core.history import (
    History,
    open_problems,
    rate_per_second,
    stable_at,
    wal_runway_seconds,
)
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation, Problem, Severity
from pgmigrator.core.report import (
    CopyProgress,
    DatabaseReport,
    DrainProof,
    GateResult,
    Replication,
    SwitchedReport,
    TableReport,
    TableState,
    Throttle,
    Verification,
)

#: mismatched tables that are shown by name
WORST = 20

_EXCLUDED = "it is not migrated: the settings exclude tables without a usable identity"

_STATES = {
    "i": TableState.PENDING,
    "d": TableState.COPYING,
    "f": TableState.CATCHING_UP,
    "s": TableState.CATCHING_UP,
    "r": TableState.STREAMING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a tick found about one database, ready to be reported."""

    obs: Observation
    history: History
    problems: tuple[Problem, ...]
    gates: tuple[GateResult, ...]
    reason: str
    tables: tuple[TableReport, ...]
    throttles: frozenset[Throttle] = frozenset()
    drain: DrainProof | None = None


def table_reports(obs: Observation, problems: tuple[Problem, ...]) -> tuple[TableReport, ...]:
    """Say of every table of the source what it is doing; nothing once all of ours is gone."""
    if obs.source is None or obs.destination is None or _is_completed(obs):
        return ()
    there = {table.name: table for table in obs.destination.tables}
    # a note comes second
    ranked = sorted(problems, key=lambda problem: problem.severity is not Severity.NOTE)
    reasons = {problem.object: problem for problem in ranked}
    left_out = plan.excluded(obs)
    return tuple(
        _table(
            table,
            there.get(table.name),
            reasons.get(f"table {table.name}"),
            excluded=table.name in left_out,
        )
        for table in obs.source.tables
    )


def _is_completed(obs: Observation) -> bool:
    return obs.marker is not None and Step.COMPLETED in obs.marker.steps


def _table(
    table: SourceTable,
    counterpart: DestinationTable | None,
    problem: Problem | None,
    *,
    excluded: bool,
) -> TableReport:
    state = _STATES.get(counterpart.state, TableState.PENDING) if counterpart else None
    if problem is not None and problem.severity is not Severity.NOTE:
        state = TableState.PROBLEM
    elif excluded and not (counterpart and counterpart.state):
        state = TableState.EXCLUDED
    rows, size = _completed(table, counterpart, state)
    return TableReport(
        name=table.name,
        state=state or TableState.PENDING,
        estimated_rows=table.estimated_rows,
        estimated_bytes=table.estimated_bytes,
        completed_rows=rows,
        completed_bytes=size,
        reason=problem.reason if problem else _EXCLUDED if state is TableState.EXCLUDED else "",
    )


def _completed(
    table: SourceTable, counterpart: DestinationTable | None, state: TableState | None
) -> tuple[int, int]:
    """Estimate the part that is copied; COPY's own bytes are text, not pages."""
    if state in (TableState.STREAMING, TableState.CATCHING_UP):
        return table.estimated_rows, table.estimated_bytes
    if counterpart is None or state is not TableState.COPYING:
        return 0, 0
    rows = counterpart.copied_rows
    if table.estimated_rows > 0:
        done = min(rows / table.estimated_rows, 1.0)
        return min(rows, table.estimated_rows), int(table.estimated_bytes * done)
    return rows, min(counterpart.copied_bytes, table.estimated_bytes)


def copy_progress(tables: tuple[TableReport, ...], history: History) -> CopyProgress:
    """Sum up the tables; the instant of the end follows from the rate so far."""
    counted = [t for t in tables if t.state not in (TableState.PROBLEM, TableState.EXCLUDED)]
    done = sum(table.completed_bytes or 0 for table in counted)
    total = sum(table.estimated_bytes for table in counted)
    states = Counter(table.state for table in tables)
    rate = rate_per_second(history.copy_samples)
    last = history.copy_samples[-1][0] if history.copy_samples else None
    eta = last + (total - done) / rate if last is not None and rate and done < total else None
    return CopyProgress(
        tables={state: states.get(state, 0) for state in TableState},
        completed_bytes=done,
        estimated_bytes=total,
        completed_rows=sum(table.completed_rows or 0 for table in counted),
        estimated_rows=sum(table.estimated_rows for table in counted),
        eta_at=eta,
    )


def unsettled(obs: Observation, history: History, reason: str) -> DatabaseReport:
    """Report a database of which nothing could be worked out, for the given reason."""
    return DatabaseReport(
        mapping=obs.mapping,
        name=obs.database,
        phase=history.phase,
        phase_since=history.phase_since,
        observed_at=obs.at,
        ready=history.ready,
        ready_since=history.ready_since,
        ready_changed_at=history.ready_changed_at,
        reason=reason,
    )


def report(summary: Summary) -> DatabaseReport:
    """Put one database's part of the report together."""
    obs, history = summary.obs, summary.history
    both = obs.source is not None and obs.destination is not None
    return replace(
        unsettled(obs, history, summary.reason),
        stable_at=stable_at(history, obs),
        gates=summary.gates,
        problems=open_problems(history, summary.problems),
        replication=_replication(obs, history),
        copy=copy_progress(summary.tables, history) if both and not _is_completed(obs) else None,
        tables=summary.tables,
        sequences_total=len(obs.source.sequences) if obs.source else None,
        sequences_behind=len(plan.sequences_behind(obs)) if both else None,
        sequences_missing=len(plan.sequences_missing(obs)) if both else None,
        indexes=_indexes(obs),
        schema_drift=_drift(obs),
        verification=_verification(obs),
        drain=summary.drain,
        switched=_switched(obs),
        source_oldest_transaction_at=obs.source.oldest_transaction_at if obs.source else None,
        running=tuple(sorted(obs.running)),
        throttles=summary.throttles,
    )


def _replication(obs: Observation, history: History) -> Replication:
    slot = obs.source.slot if obs.source else None
    subscription = obs.destination.subscription if obs.destination else None
    lag = obs.source.server.flush_lsn - slot.confirmed_flush_lsn if slot and obs.source else None
    apply, sync = history.counters.get("apply"), history.counters.get("sync")
    return Replication(
        lag_bytes=lag if lag is not None and lag >= 0 else None,
        lag_seconds=history.lag_seconds if slot else None,
        confirmed_lsn=slot.confirmed_flush_lsn if slot else None,
        retained_wal_bytes=slot.retained_bytes if slot else None,
        sync_retained_wal_bytes=slot.sync_retained_bytes if slot else None,
        safe_wal_bytes=slot.safe_wal_bytes if slot else None,
        wal_runway_seconds=wal_runway_seconds(history, obs),
        wal_status=slot.wal_status if slot else None,
        slot_active=slot.active if slot else None,
        subscription_enabled=subscription.enabled if subscription else None,
        workers=subscription.workers if subscription else {},
        apply_errors=apply.total if apply else None,
        sync_errors=sync.total if sync else None,
        conflicts={
            name: counter.total
            for name, counter in history.counters.items()
            if name.startswith("confl_")
        },
    )


def _indexes(obs: Observation) -> dict[str, int]:
    if obs.destination is None or obs.destination.database is None:
        return {}
    missing = [i for i in obs.schema.value if i.missing and i.kind == "index"] if obs.schema else []
    building = obs.destination.indexes_building
    return {
        "pending": max(len(missing) - building, 0),
        "building": building,
        "built": obs.destination.indexes_built,
        "problem": len(obs.destination.invalid_indexes),
    }


def _drift(obs: Observation) -> dict[str, int] | None:
    if obs.schema is None or obs.marker is None or Step.INDEXED not in obs.marker.steps:
        return None
    return dict(Counter(item.kind for item in obs.schema.value))


def _verification(obs: Observation) -> Verification:
    followed = {table.name for table in plan.followed(obs)}
    if obs.row_counts is None:
        return Verification(unverified_tables=len(followed))
    counts = obs.row_counts.value
    worst = sorted(
        counts.deltas, key=lambda d: abs(d.source_rows - d.destination_rows), reverse=True
    )
    differing = {delta.table for delta in counts.deltas} | counts.differing.keys()
    unverified = (followed - counts.tables) | (plan.uncompared(obs) - differing)
    return Verification(
        verified_tables=len(counts.tables - unverified),
        mismatched_tables=len(differing),
        unverified_tables=len(unverified),
        at=obs.row_counts.at,
        row_count_delta_rows=sum(abs(d.source_rows - d.destination_rows) for d in counts.deltas),
        worst=tuple(worst[:WORST]),
        other_rows=tuple(sorted(counts.differing)[:WORST]),
    )


def _switched(obs: Observation) -> SwitchedReport | None:
    if obs.marker is None or obs.marker.switch is None:
        return None
    return SwitchedReport(
        lsn=obs.marker.switch.lsn,
        at=obs.marker.switch.at,
        late_writes=late.late_writes(obs),
    )
