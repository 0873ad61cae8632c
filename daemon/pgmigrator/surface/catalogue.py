"""The metrics that we expose: one table, from which exposition and documentation both follow.

A new metric is one entry of `METRICS`. Its `read` yields label values and a number from the report;
None stands for unknown and becomes no series at all, never 0. Instruments have no `read`: they are
observed where things happen (see instruments.py).
"""

import heapq
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pgmigrator.core.model import Phase, RowCountDelta, SchemaKind, Severity
from pgmigrator.core.names import TableName
from pgmigrator.core.report import (
    DatabaseReport,
    GateStatus,
    MappingReport,
    Report,
    TableReport,
    TableState,
    Throttle,
)

PREFIX = "pgmigrator_"
#: series per database that name a table, for each metric that does
TABLE_SERIES_MAX = 20

#: Label values that are always there, so that a rate or an alert never misses its first event.
ERROR_CATEGORIES = ("unreachable", "refused", "invariant", "unexpected")
TICK_RESULTS = ("ok", "error", "skipped")
WAL_STATUSES = ("reserved", "extended", "unreserved", "lost")
INDEX_STATES = ("pending", "building", "built", "problem")
DRIFT_KINDS = tuple(SchemaKind)
#: What alerts compare with, beside what is configured; dashboards draw them too.
ALERT_LIMITS_SECONDS = {
    "wal_runway_warning": 3 * 3600.0,
    "wal_runway_critical": 3600.0,
    "source_transaction_age": 3600.0,
    "verification_age": 24 * 3600.0,
    "switched_age": 3 * 24 * 3600.0,
}

Value = float | bool | None
#: the values of the labels, and the number
Sample = tuple[tuple[str, ...], Value]
Samples = Iterable[Sample]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family; `name` is without our prefix."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    help: str
    #: None: an instrument
    read: Callable[[Report], Samples] | None = None

    @property
    def full_name(self) -> str:
        """The name as it is exposed."""
        return PREFIX + self.name


def _of_mappings(
    name: str,
    help_text: str,
    read: Callable[[MappingReport], Samples],
    labels: tuple[str, ...] = (),
) -> Metric:
    def every(report: Report) -> Iterator[Sample]:
        for mapping in report.mappings:
            for values, number in read(mapping):
                yield (mapping.name, *values), number

    return Metric(name, "gauge", ("mapping", *labels), help_text, every)


def _of_databases(
    name: str,
    help_text: str,
    read: Callable[[DatabaseReport], Samples],
    labels: tuple[str, ...] = (),
    kind: Literal["gauge", "counter"] = "gauge",
) -> Metric:
    def every(report: Report) -> Iterator[Sample]:
        for mapping in report.mappings:
            for database in mapping.databases:
                for values, number in read(database):
                    yield (mapping.name, database.name, *values), number

    return Metric(name, kind, ("mapping", "database", *labels), help_text, every)


def _one(number: Value) -> Samples:
    yield (), number


def _each(numbers: Mapping[str, Value], always: Iterable[str] = ()) -> Samples:
    """One series per key; those of `always` are there with 0 if they are not given."""
    for key, number in (dict.fromkeys(always, 0) | dict(numbers)).items():
        yield (str(key),), number


def _state(current: str | None, states: Iterable[str]) -> Samples:
    """A state-set: every state as 0 or 1; nothing at all while the state is unknown."""
    if current is not None:
        for state in states:
            yield (str(state),), state == current


# --- what takes more than an expression ----------------------------------------------------------


def _build(report: Report) -> Samples:
    yield (report.version, report.revision, platform.python_version()), 1


def _alert_limits(report: Report) -> Samples:
    return _each({"report_age": report.report_max_age_seconds, **ALERT_LIMITS_SECONDS})


def _mapping_info(mapping: MappingReport) -> Samples:
    source, destination = mapping.source, mapping.destination
    versions = (source.version or "", destination.version or "")
    yield (source.instance, destination.instance, *versions), 1


def _gates(database: DatabaseReport) -> Samples:
    for gate in database.gates:
        for (state,), number in _state(gate.status, GateStatus):
            yield (gate.name, state), number


def _sequences(database: DatabaseReport) -> Samples:
    total, behind, missing = (
        database.sequences_total,
        database.sequences_behind,
        database.sequences_missing,
    )
    known = total is not None and behind is not None and missing is not None
    yield ("synced",), total - behind - missing if known else None  # type: ignore[operator]
    yield ("behind",), behind
    yield ("missing",), missing


def _verified(database: DatabaseReport) -> Samples:
    found = database.verification
    if found.at is None:
        return
    yield ("match",), found.verified_tables - found.mismatched_tables
    yield ("mismatch",), found.mismatched_tables
    yield ("unverified",), found.unverified_tables
    yield ("skipped",), database.copy.tables.get(TableState.EXCLUDED, 0) if database.copy else None


def _problems(database: DatabaseReport) -> Samples:
    open_now = [each.problem.severity for each in database.problems]
    for severity in Severity:
        yield (severity,), open_now.count(severity)


def _copying(database: DatabaseReport) -> list[TableReport]:
    """Return the largest tables that are copied now."""
    copying = (table for table in database.tables if table.state is TableState.COPYING)
    return heapq.nsmallest(
        TABLE_SERIES_MAX, copying, key=lambda table: (-table.estimated_bytes, table.name)
    )


def _delta_rows(delta: RowCountDelta) -> int:
    return abs(delta.source_rows - delta.destination_rows)


def _differing(database: DatabaseReport) -> list[tuple[TableName, int]]:
    """Return the tables whose counts differ most, then those with as many rows, but other ones."""
    found = database.verification
    deltas = [(delta.table, _delta_rows(delta)) for delta in found.worst]
    deltas += [(table, 0) for table in found.other_rows]
    return heapq.nsmallest(TABLE_SERIES_MAX, deltas, key=lambda each: (-each[1], each[0]))


def _dropped(database: DatabaseReport) -> int:
    copying = sum(table.state is TableState.COPYING for table in database.tables)
    mismatched = database.verification.mismatched_tables
    return copying - len(_copying(database)) + mismatched - len(_differing(database))


def _errors(report: Report) -> Samples:
    yield from _counted(report, report.counters.errors, ERROR_CATEGORIES)


def _ticks(report: Report) -> Samples:
    yield from _counted(report, report.counters.ticks, TICK_RESULTS)


def _counted(
    report: Report, counts: Mapping[tuple[str, str], int], always: Iterable[str]
) -> Samples:
    zero = {(mapping.name, key): 0 for mapping in report.mappings for key in always}
    yield from (zero | dict(counts)).items()


# --- the table -----------------------------------------------------------------------------------

METRICS: tuple[Metric, ...] = (
    Metric(
        "build_info",
        "gauge",
        ("version", "revision", "python_version"),
        "Always 1; which daemon this is.",
        _build,
    ),
    _of_mappings(
        "mapping_info",
        "Always 1; the names of both instances and their versions.",
        _mapping_info,
        ("source", "destination", "source_version", "destination_version"),
    ),
    _of_mappings(
        "server_up",
        "1 if the last tick reached the server.",
        lambda m: _each({"source": m.source.up, "destination": m.destination.up}),
        ("side",),
    ),
    _of_mappings(
        "mapping_phase",
        "1 for the phase of the mapping: that of its least advanced database.",
        lambda m: _state(m.phase, Phase),
        ("phase",),
    ),
    _of_mappings(
        "mapping_cutover_ready",
        "1 if every database of the mapping is ready, and none is missing.",
        lambda m: _one(m.ready),
    ),
    _of_databases(
        "database_phase",
        "1 for the phase of the database.",
        lambda d: _state(d.phase, Phase),
        ("phase",),
    ),
    _of_databases(
        "database_phase_start_timestamp_seconds",
        "When the database entered its phase.",
        lambda d: _one(d.phase_since),
    ),
    _of_databases(
        "cutover_ready",
        "The green light: 1 if every gate passes and has for the stable time.",
        lambda d: _one(d.ready),
    ),
    _of_databases(
        "cutover_ready_transition_timestamp_seconds",
        "When the green light last changed.",
        lambda d: _one(d.ready_changed_at),
    ),
    _of_databases(
        "cutover_gate_status",
        "1 for the status of each gate; a gate that was not measured lately is unknown.",
        _gates,
        ("gate", "status"),
    ),
    _of_databases(
        "cutover_gate_value",
        "What the gate measured, in its unit; absent if it measures no number.",
        lambda d: (((g.name, g.unit), g.value) for g in d.gates),
        ("gate", "unit"),
    ),
    _of_databases(
        "cutover_gate_limit",
        "What the gate compares its value with.",
        lambda d: (((g.name, g.unit), g.limit) for g in d.gates),
        ("gate", "unit"),
    ),
    _of_mappings(
        "cutover_max_lag_bytes",
        "The configured limit of the gate lag_bytes.",
        lambda m: _one(m.max_lag_bytes),
    ),
    _of_mappings(
        "cutover_max_lag_seconds",
        "The configured limit of the gate lag_seconds.",
        lambda m: _one(m.max_lag_seconds),
    ),
    _of_mappings(
        "cutover_stable_seconds",
        "How long all gates must have passed for the green light, as configured.",
        lambda m: _one(m.stable_seconds),
    ),
    _of_mappings(
        "max_retained_wal_bytes",
        "The configured MAX_RETAINED_WAL of the source: beyond it the slot is given up.",
        lambda m: _one(m.max_retained_wal_bytes),
    ),
    Metric(
        "alert_limit_seconds",
        "gauge",
        ("limit",),
        "What the alerts on ages and on the WAL runway compare with.",
        _alert_limits,
    ),
    _of_databases(
        "switched_timestamp_seconds",
        "When the operator switched; absent before that.",
        lambda d: _one(d.switched.at if d.switched else None),
    ),
    _of_databases(
        "late_writes",
        "Transactions on the source that wait in the slot after the switch; at least 1 if anything"
        " came that no slot shows: a table that is new or left the publication, a sequence that"
        " moved, large objects.",
        lambda d: _one(d.switched.late_writes if d.switched else None),
    ),
    _of_mappings(
        "source_sessions_blocked",
        "Sessions on the source that wait behind one of ours now.",
        lambda m: _one(m.source_sessions_blocked),
    ),
    _of_databases(
        "drain_duration_seconds",
        "How long the last drain took.",
        lambda d: _one(d.drain.duration_seconds if d.drain else None),
    ),
    _of_databases(
        "replication_lag_bytes",
        "WAL of the source that the destination has not confirmed.",
        lambda d: _one(d.replication.lag_bytes),
    ),
    _of_databases(
        "replication_lag_seconds",
        "Age of the oldest change of the source that the destination has not confirmed.",
        lambda d: _one(d.replication.lag_seconds),
    ),
    _of_databases(
        "confirmed_flush_lsn_bytes",
        "The LSN of the source that the destination has confirmed, as a number.",
        lambda d: _one(d.replication.confirmed_lsn),
    ),
    _of_databases(
        "slot_retained_wal_bytes",
        "WAL that the source keeps for the slot (main) and the table-sync slots together (sync).",
        lambda d: _each(
            {
                "main": d.replication.retained_wal_bytes,
                "sync": d.replication.sync_retained_wal_bytes,
            }
        ),
        ("slot",),
    ),
    _of_databases(
        "slot_safe_wal_bytes",
        "WAL that may still be written before the slot is at risk; absent without a limit.",
        lambda d: _one(d.replication.safe_wal_bytes),
    ),
    _of_databases(
        "slot_wal_runway_seconds",
        "Predicted time until the slot is lost or reaches our limit, at the present rate.",
        lambda d: _one(d.replication.wal_runway_seconds),
    ),
    _of_databases(
        "slot_wal_status",
        "1 for the wal_status of the slot.",
        lambda d: _state(d.replication.wal_status, WAL_STATUSES),
        ("status",),
    ),
    _of_databases(
        "slot_active",
        "1 if the slot is in use.",
        lambda d: _one(d.replication.slot_active),
    ),
    _of_databases(
        "subscription_enabled",
        "1 if the subscription is enabled.",
        lambda d: _one(d.replication.subscription_enabled),
    ),
    _of_databases(
        "subscription_workers",
        "Workers of the subscription that run now.",
        lambda d: _each(d.replication.workers),
        ("worker_type",),
    ),
    _of_databases(
        "apply_errors_total",
        "Errors of the apply worker since the daemon started.",
        lambda d: _one(d.replication.apply_errors),
        kind="counter",
    ),
    _of_databases(
        "sync_errors_total",
        "Errors of initial table copies since the daemon started.",
        lambda d: _one(d.replication.sync_errors),
        kind="counter",
    ),
    _of_databases(
        "conflicts_total",
        "Replication conflicts since the daemon started; a row of another origin is none.",
        lambda d: _each({k.removeprefix("confl_"): n for k, n in d.replication.conflicts.items()}),
        ("conflict",),
        kind="counter",
    ),
    _of_databases(
        "tables",
        "Tables of the source by what they are doing.",
        lambda d: _each({s: d.copy.tables.get(s, 0) for s in TableState}) if d.copy else (),
        ("state",),
    ),
    _of_databases(
        "copy_completed_bytes",
        "Copied so far by the initial copy; a copy that is retried moves backwards.",
        lambda d: _one(d.copy.completed_bytes if d.copy else None),
    ),
    _of_databases(
        "copy_estimated_bytes",
        "Estimated size of the initial copy.",
        lambda d: _one(d.copy.estimated_bytes if d.copy else None),
    ),
    _of_databases(
        "copy_completed_rows",
        "Rows copied so far by the initial copy.",
        lambda d: _one(d.copy.completed_rows if d.copy else None),
    ),
    _of_databases(
        "copy_estimated_rows",
        "Estimated rows of the initial copy.",
        lambda d: _one(d.copy.estimated_rows if d.copy else None),
    ),
    _of_databases(
        "copy_eta_timestamp_seconds",
        "When the initial copy is predicted to end; absent while that is unknown.",
        lambda d: _one(d.copy.eta_at if d.copy else None),
    ),
    _of_databases(
        "table_copy_completed_bytes",
        f"Copied so far, of the largest {TABLE_SERIES_MAX} tables that are copied now.",
        lambda d: (((t.name.schema, t.name.name), t.completed_bytes) for t in _copying(d)),
        ("schema", "table"),
    ),
    _of_databases(
        "table_copy_estimated_bytes",
        f"Estimated size of the largest {TABLE_SERIES_MAX} tables that are copied now.",
        lambda d: (((t.name.schema, t.name.name), t.estimated_bytes) for t in _copying(d)),
        ("schema", "table"),
    ),
    _of_databases(
        "indexes",
        "Indexes on the destination by state.",
        lambda d: _each(d.indexes, INDEX_STATES) if d.indexes else (),
        ("state",),
    ),
    _of_databases(
        "sequences",
        "Sequences of the source by their state on the destination.",
        _sequences,
        ("state",),
    ),
    _of_databases(
        "verified_tables",
        "Tables by the result of the last exact comparison, of counts and, if rows were rewritten,"
        " of rows; unverified: not in it, or rewritten since; skipped: excluded by setting.",
        _verified,
        ("result",),
    ),
    _of_databases(
        "row_count_delta_rows",
        "Sum of the absolute differences of row counts at one LSN; other rows do not show in it.",
        lambda d: _one(d.verification.row_count_delta_rows),
    ),
    _of_databases(
        "table_row_count_delta_rows",
        f"Absolute difference of row counts, of the worst {TABLE_SERIES_MAX} tables; 0: as many"
        " rows, but other ones.",
        lambda d: (((t.schema, t.name), rows) for t, rows in _differing(d)),
        ("schema", "table"),
    ),
    _of_databases(
        "verification_last_success_timestamp_seconds",
        "When an exact comparison last ran to its end, whatever it found.",
        lambda d: _one(d.verification.at),
    ),
    _of_databases(
        "schema_drift_objects",
        "Differences between both schemas by kind; absent if not compared.",
        lambda d: () if d.schema_drift is None else _each(d.schema_drift, DRIFT_KINDS),
        ("kind",),
    ),
    _of_databases(
        "problems",
        "Open problems by severity.",
        _problems,
        ("severity",),
    ),
    _of_databases(
        "table_series_dropped",
        f"Tables left out of metrics because only {TABLE_SERIES_MAX} are named; see /status.",
        lambda d: _one(_dropped(d)),
    ),
    _of_databases(
        "source_oldest_transaction_timestamp_seconds",
        "When the oldest open transaction on the source began; absent without one.",
        lambda d: _one(d.source_oldest_transaction_at),
    ),
    _of_mappings(
        "throttle_active",
        "1 while the copy of some database waits for the reason, although nothing is wrong.",
        lambda m: _each({reason: reason in m.throttles for reason in Throttle}),
        ("reason",),
    ),
    Metric(
        "errors_total",
        "counter",
        ("mapping", "category"),
        "Errors since the daemon started.",
        _errors,
    ),
    _of_databases(
        "report_timestamp_seconds",
        "When the facts behind these numbers were read: old means that nothing here is news.",
        lambda d: _one(d.observed_at),
    ),
    Metric(
        "ticks_total",
        "counter",
        ("mapping", "result"),
        "Ticks since the daemon started; skipped: due while the one before still ran.",
        _ticks,
    ),
    _of_mappings(
        "lease_held",
        "1 on the daemon that acts for the mapping.",
        lambda m: _one(m.lease_held),
    ),
    Metric(
        "event_loop_lag_seconds",
        "gauge",
        (),
        "How late the event loop runs what is due.",
        lambda report: _one(report.event_loop_lag_seconds),
    ),
    Metric("tick_duration_seconds", "histogram", (), "How long ticks take."),
    Metric("query_duration_seconds", "histogram", ("side", "query"), "How long our reads take."),
    Metric(
        "http_requests_total",
        "counter",
        ("route", "method", "code"),
        "Requests since the daemon started.",
    ),
)
