"""The gates of the green light: each passes, fails, or is unknown because it was not measured.

`GATES` is the one place: a function here is a gate in /status, in /metrics, in the dashboards and
in the docs. A gate passes only on what was measured in this observation (or on its own schedule,
with its own time); anything else is unknown.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pgmigrator.core import plan
from pgmigrator.core.decide import server_changes
from pgmigrator.core.drift import drifts
from pgmigrator.core.facts import Slot, Subscription
from pgmigrator.core.history import FORGET_CONFLICTS, History, sequences_behind_previous
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation, Problem, SchemaItem, Severity
from pgmigrator.core.names import TableName, format_lsn
from pgmigrator.core.report import GateResult, GateStatus
from pgmigrator.core.ties import concerns
from pgmigrator.core.upkeep import counts_are_of_these_servers

PASS, FAIL, UNKNOWN = GateStatus.PASS, GateStatus.FAIL, GateStatus.UNKNOWN

INDEX_KINDS = ("index",)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate says; the rest of a `GateResult` is the same for all."""

    status: GateStatus
    reason: str
    fix: str = ""
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    measured_at: float | None = None
    valid_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gates look at."""

    obs: Observation
    history: History
    problems: tuple[Problem, ...]


Gate = Callable[[Evidence], Verdict]


def _judged(good: bool, passed: str, failed: str, fix: str = "") -> Verdict:
    return Verdict(PASS, passed) if good else Verdict(FAIL, failed, fix)


def _limited(value: float, limit: float, unit: str, fix: str) -> Verdict:
    good = value <= limit
    digits = 1 if unit == "seconds" else 0
    reason = f"{value:,.{digits}f} {unit} of at most {limit:,.{digits}f}"
    return Verdict(PASS if good else FAIL, reason, "" if good else fix, value, limit, unit)


def _some(items: Iterable[object], limit: int = 5) -> str:
    names = [str(item) for item in items]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _slot(e: Evidence) -> Slot | None:
    return e.obs.source.slot if e.obs.source else None


def _subscription(e: Evidence) -> Subscription | None:
    return e.obs.destination.subscription if e.obs.destination else None


_NOT_YET = Verdict(UNKNOWN, "nothing is replicated yet")


# --- the gates -----------------------------------------------------------------------------------


def tables_streaming(e: Evidence) -> Verdict:
    """Every table of the source is subscribed, copied and streaming."""
    if _subscription(e) is None or e.obs.source is None:
        return _NOT_YET
    followed = plan.followed(e.obs)
    waiting = [table.name for table in followed if table.state != "r"]
    left_out = [table.name for table in plan.uncopied(e.obs)] + [*plan.left_publication(e.obs)]
    lacking = waiting + [name for name in left_out if name not in waiting]
    return _judged(
        not lacking,
        f"all {len(followed)} tables stream",
        f"{len(lacking)} tables do not stream: {_some(lacking)}",
        "wait for the copy; what a problem names needs a person",
    )


def apply_running(e: Evidence) -> Verdict:
    """The subscription is enabled, its worker runs and the source streams to it."""
    subscription, slot = _subscription(e), _slot(e)
    if subscription is None or slot is None:
        return _NOT_YET
    for good, reason in (
        (subscription.enabled, "the subscription is disabled"),
        (subscription.worker_running, "the apply worker does not run"),
        (slot.active, "nobody reads from the slot"),
    ):
        if not good:
            return Verdict(FAIL, reason, "read the destination's server log for the reason")
    return Verdict(PASS, "the apply worker streams")


def no_apply_errors(e: Evidence) -> Verdict:
    """No apply or sync error within the stable time."""
    counters = [e.history.counters.get(name) for name in ("apply", "sync")]
    if _subscription(e) is None or None in counters:
        return _NOT_YET
    recent = [
        counter.risen_at
        for counter in counters
        if counter
        and counter.risen_at
        and e.obs.at - counter.risen_at < e.obs.policy.stable_seconds
    ]
    return _judged(
        not recent,
        "no error lately",
        "apply or copy failed lately",
        "read the destination's server log: it names the table and the reason",
    )


def no_conflicts(e: Evidence) -> Verdict:
    """No change met a row that was not as expected: that would mean divergence."""
    if (subscription := _subscription(e)) is None:
        return _NOT_YET
    counts = e.history.conflicts
    # a crash took the counters, and then a reset leaves no trace
    forget = (
        f"run on the destination: SELECT pg_stat_reset_subscription_stats({subscription.oid});"
        if any(subscription.conflicts.values())
        else f"run in this database on the destination: {FORGET_CONFLICTS}"
    )
    fix = f"find the rows in the destination's server log; when they are repaired, {forget}"
    passed = "no conflict was counted (changes that meet rows of another origin are none)"
    return _judged(not counts, passed, f"conflicts: {counts}", fix)


def lag_bytes(e: Evidence) -> Verdict:
    """The slot confirms up to the source's flushed WAL, within the limit."""
    if (slot := _slot(e)) is None or e.obs.source is None:
        return _NOT_YET
    lag = e.obs.source.server.flush_lsn - slot.confirmed_flush_lsn
    if lag < 0:
        return Verdict(UNKNOWN, "the slot is ahead of the source: was the source restored?")
    return _limited(lag, e.obs.policy.max_lag_bytes, "bytes", "wait, or find what slows apply")


def lag_seconds(e: Evidence) -> Verdict:
    """The age of the oldest change that is not confirmed, within the limit."""
    if _slot(e) is None:
        return _NOT_YET
    if e.history.lag_seconds is None:
        return Verdict(UNKNOWN, "no LSN that was sampled since the daemon started is confirmed yet")
    limit = e.obs.policy.max_lag_seconds
    return _limited(e.history.lag_seconds, limit, "seconds", "wait, or find what slows apply")


def no_problem_tables(e: Evidence) -> Verdict:
    """Nothing is left out: no problem that degrades or blocks is open."""
    if e.obs.source is None or e.obs.destination is None:
        return _NOT_YET
    serious = [p for p in e.problems if p.severity is not Severity.NOTE]
    return _judged(
        not serious,
        "no open problem",
        f"{len(serious)} problems: {_some(p.object for p in serious)}",
        serious[0].fix if serious else "",
    )


def schema_match(e: Evidence) -> Verdict:
    """Every object is defined alike on both sides: its properties, owner, privileges, comment."""
    return _compared(e, lambda item: item.kind not in INDEX_KINDS, "the schemas are equal")


def indexes_built(e: Evidence) -> Verdict:
    """Every index of the source is there, valid, and none is being built."""
    if e.obs.destination is None:
        return _NOT_YET
    if e.obs.destination.invalid_indexes:
        names = _some(e.obs.destination.invalid_indexes)
        return Verdict(FAIL, f"invalid indexes: {names}", "REINDEX each of them on the destination")
    if e.obs.destination.indexes_building:
        return Verdict(
            FAIL, f"{e.obs.destination.indexes_building} indexes are being built", "wait"
        )
    return _compared(e, lambda item: item.kind in INDEX_KINDS, "every index is built and valid")


def _compared(e: Evidence, wanted: Callable[[SchemaItem], bool], passed: str) -> Verdict:
    if e.obs.schema is None:
        return Verdict(UNKNOWN, "the schemas were not compared yet")
    found = [item for item in e.obs.schema.value if wanted(item)]
    when = (e.obs.schema.at, e.obs.schema.valid_seconds)
    if not found:
        return Verdict(PASS, passed, measured_at=when[0], valid_seconds=when[1])
    differing = drifts(found)
    shown = [f"{drift.object}: {drift.reason}" for drift in differing]
    reason = f"{len(differing)} differences: {_some(shown, 3)}"
    return Verdict(FAIL, reason, differing[0].fix, len(differing), 0, "objects", *when)


def sequences_synced(e: Evidence) -> Verdict:
    """Every sequence is at or beyond the source's value of the tick before."""
    behind = sequences_behind_previous(e.history, e.obs)
    if behind is None:
        return Verdict(UNKNOWN, "the source's positions were read only once so far")
    return _judged(
        behind == 0,
        f"{len(e.history.previous_sequences or ())} sequences are at the source's values",
        f"{behind} sequences are behind or missing",
        "wait for the next tick; create those that a problem names as missing",
    )


def row_counts_match(e: Evidence) -> Verdict:
    """Exact counts of every table are equal at one LSN; where rows were rewritten, rows too."""
    counts = e.obs.row_counts
    if counts is None:
        return Verdict(UNKNOWN, "the rows were not counted yet")
    if not counts_are_of_these_servers(e.obs):
        return Verdict(UNKNOWN, "a server was restarted since the rows were counted")
    if lacking := plan.uncounted(e.obs):
        return Verdict(UNKNOWN, f"not part of the last count: {_some(sorted(lacking))}")
    if unsure := _to_compare(e):
        return Verdict(UNKNOWN, f"rewritten, and not compared since: {_some(sorted(unsure))}")
    deltas, differing = counts.value.deltas, sorted(counts.value.differing)
    shown = [f"{d.table}: {d.source_rows} and {d.destination_rows}" for d in deltas]
    shown += [f"{name}: other rows" for name in differing]
    total = sum(abs(d.source_rows - d.destination_rows) for d in deltas)
    return Verdict(
        FAIL if shown else PASS,
        f"{len(shown)} tables differ: {_some(shown)}"
        if shown
        else f"{len(counts.value.tables)} tables are equal at {format_lsn(counts.value.lsn)}",
        _fix_rows(bool(deltas)) if shown else "",
        total,
        0,
        "rows",
        counts.at,
        counts.valid_seconds,
    )


def _to_compare(e: Evidence) -> list[TableName]:
    """Rewritten tables; that they were equal holds on as long as anything that a tick has read."""
    since = e.obs.at - e.obs.policy.fresh_seconds
    return [n for n in plan.uncompared(e.obs) if e.history.proven_at.get(n, -math.inf) < since]


def _fix_rows(counts_differ: bool) -> str:
    if counts_differ:
        return "find who wrote to the destination, or read its log for skipped changes"
    return "copy those tables anew: the problems show the command"


def statistics_present(e: Evidence) -> Verdict:
    """The planner knows every table of the destination."""
    if _subscription(e) is None or plan.our_publication(e.obs) is None:
        return _NOT_YET
    lacking = [table.name for table in plan.followed(e.obs) if not table.has_statistics]
    return _judged(
        not lacking,
        "every table is analysed",
        f"{len(lacking)} tables were never analysed: {_some(lacking)}",
        "ANALYZE them on the destination",
    )


def slot_healthy(e: Evidence) -> Verdict:
    """The slot keeps the WAL that it needs, and the source is protected from it."""
    if (slot := _slot(e)) is None or e.obs.source is None:
        return _NOT_YET
    if slot.wal_status not in ("reserved", "extended"):
        reason = f"the slot's WAL is {slot.wal_status}"
        return Verdict(FAIL, reason, "raise max_slot_wal_keep_size on the source and reload")
    if e.obs.source.server.setting("max_slot_wal_keep_size") < 0:
        return Verdict(
            FAIL,
            "max_slot_wal_keep_size is -1: with this daemon dead, the slot can fill the disk",
            "on the source: ALTER SYSTEM SET max_slot_wal_keep_size = '50GB';"
            " SELECT pg_reload_conf();",
        )
    limit = e.obs.policy.max_retained_wal_bytes
    return _limited(slot.retained_bytes, limit, "bytes", "find what slows apply")


def roles_match(e: Evidence) -> Verdict:
    """Every role that the database has to do with is there, with its attributes and memberships."""
    if e.obs.roles is None:
        return Verdict(UNKNOWN, "the roles were not compared yet")
    # with merge or skip, what existed otherwise was accepted beforehand; the findings name it
    accepted = e.obs.policy.role_conflicts != "fail"
    differing = [r for r in e.obs.roles.value if not (r.comment or (accepted and r.exists))]
    found = [r for r in differing if concerns(r.role, e.obs)]
    when = (e.obs.roles.at, e.obs.roles.valid_seconds)
    if not found:
        others = f"; {len(differing)} that nothing here needs differ" if differing else ""
        passed = f"the roles are equal{others}"
        return Verdict(PASS, passed, measured_at=when[0], valid_seconds=when[1])
    reason = f"{len(found)} roles differ: " + _some(f"{r.role}: {r.reason}" for r in found)
    return Verdict(FAIL, reason, found[0].fix, len(found), 0, "roles", *when)


def destination_quiet(e: Evidence) -> Verdict:
    """Nobody but us was seen writing on the destination within the stable time."""
    if e.obs.destination is None or e.obs.destination.database is None:
        return _NOT_YET
    seen = e.history.foreign_writer_at
    recent = seen is not None and e.obs.at - seen < e.obs.policy.stable_seconds
    return _judged(
        not recent,
        "no other writer was seen",
        f"somebody else writes there: {_some(e.obs.destination.foreign_writers) or 'just now'}",
        "stop it: whatever it writes can collide with what is replicated",
    )


def servers_unchanged(e: Evidence) -> Verdict:
    """Both servers are those, and on the timeline, that the copy was taken with."""
    if e.obs.marker is None or e.obs.source is None or Step.SUBSCRIBED not in e.obs.marker.steps:
        return _NOT_YET
    changes = server_changes(e.obs)
    fix = "drop the destination database and copy it anew: confirmed LSNs prove nothing any more"
    return _judged(not changes, "both servers are the same as ever", "; ".join(changes), fix)


def data_fresh(e: Evidence) -> Verdict:
    """Both servers were read just now; grows stale when the daemon hangs."""
    if e.obs.source is None or e.obs.destination is None:
        return Verdict(UNKNOWN, "a server was not read")
    return Verdict(PASS, "both servers were read")


GATES: tuple[Gate, ...] = (
    tables_streaming,
    apply_running,
    no_apply_errors,
    no_conflicts,
    lag_bytes,
    lag_seconds,
    no_problem_tables,
    schema_match,
    indexes_built,
    sequences_synced,
    row_counts_match,
    statistics_present,
    slot_healthy,
    roles_match,
    destination_quiet,
    servers_unchanged,
    data_fresh,
)
GATE_NAMES: tuple[str, ...] = tuple(gate.__name__ for gate in GATES)


def evaluate(
    obs: Observation, history: History, problems: tuple[Problem, ...]
) -> tuple[GateResult, ...]:
    """Judge every gate on the same observation."""
    evidence = Evidence(obs, history, problems)
    fresh = obs.policy.fresh_seconds
    return tuple(_result(gate, gate(evidence), obs.at, fresh) for gate in GATES)


def _result(gate: Gate, verdict: Verdict, at: float, fresh_seconds: float) -> GateResult:
    measured_at = verdict.measured_at if verdict.measured_at is not None else at
    valid = verdict.valid_seconds if verdict.valid_seconds is not None else fresh_seconds
    stale = abs(at - measured_at) > valid
    return GateResult(
        name=gate.__name__,
        status=UNKNOWN if stale else verdict.status,
        reason=f"last measured {at - measured_at:.0f} s ago" if stale else verdict.reason,
        fix=verdict.fix,
        value=verdict.value,
        limit=verdict.limit,
        unit=verdict.unit,
        measured_at=measured_at,
        valid_seconds=valid,
    )
