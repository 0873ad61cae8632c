"""Every gate passes on a healthy migration, and fails or is unknown as each of its facts says."""

import pytest

from pgmigrator.core.gates import GATE_NAMES, Evidence, evaluate
from pgmigrator.core.history import Counter
from pgmigrator.core.marker import Step
from pgmigrator.core.model import (
    Measured,
    Problem,
    RoleDifference,
    RowCountDelta,
    SchemaItem,
    Severity,
)
from pgmigrator.core.names import TableName
from pgmigrator.core.report import GateResult, GateStatus
from tests.unit.builders import (
    ITEMS,
    NOW,
    ORDERS,
    STORAGE,
    change,
    destination_table,
    green,
    marker,
    publication,
    row_counts,
    sequence,
    source_table,
)

FAIL, UNKNOWN = GateStatus.FAIL, GateStatus.UNKNOWN
#: what is not read is unknown to this one, never wrong
NEVER_FAILS = {"data_fresh"}


def item(kind: str) -> Measured[tuple[SchemaItem, ...]]:
    found = SchemaItem(object=str(ORDERS), kind=kind, definition="x", missing=True)
    return Measured((found,), NOW, 20.0)


def problem(severity: Severity) -> Problem:
    return Problem(check="check", severity=severity, object="table", reason="why", fix="do this")


DIFFERENT_ROLE = RoleDifference(role="app", exists=True, reason="LOGIN differs", fix="ALTER ROLE")
COMMENT = RoleDifference(
    role="app", exists=True, comment=True, reason="another", fix="COMMENT ON ROLE"
)
DELTA = RowCountDelta(table=ORDERS, source_rows=3, destination_rows=2)
REWRITTEN = {"obs.source.tables.0.storage": "16999/2"}
NO_SUBSCRIPTION: dict[str, object] = {"obs.destination.subscription": None}
NO_SLOT: dict[str, object] = {"obs.source.slot": None}
NO_SOURCE: dict[str, object] = {"obs.source": None}
NO_DESTINATION: dict[str, object] = {"obs.destination": None}

CASES: list[tuple[str, GateStatus, dict[str, object]]] = [
    ("tables_streaming", FAIL, {"obs.destination.tables.0.state": "s"}),
    ("tables_streaming", FAIL, {"obs.destination.tables": (destination_table(ORDERS, "r"),)}),
    ("tables_streaming", FAIL, {"obs.destination.tables.1": destination_table(ITEMS)}),
    ("tables_streaming", FAIL, {"obs.source.publication": publication((101, ORDERS))}),
    ("tables_streaming", UNKNOWN, NO_SUBSCRIPTION),
    ("tables_streaming", UNKNOWN, NO_SOURCE),
    ("apply_running", FAIL, {"obs.destination.subscription.enabled": False}),
    ("apply_running", FAIL, {"obs.destination.subscription.worker_running": False}),
    ("apply_running", FAIL, {"obs.source.slot.active": False}),
    ("apply_running", UNKNOWN, NO_SUBSCRIPTION),
    ("apply_running", UNKNOWN, NO_SLOT),
    ("no_apply_errors", FAIL, {"history.counters.apply": Counter(1, 1, NOW - 5)}),
    ("no_apply_errors", FAIL, {"history.counters.sync": Counter(1, 1, NOW - 5)}),
    ("no_apply_errors", UNKNOWN, NO_SUBSCRIPTION),
    ("no_apply_errors", UNKNOWN, {"history.counters": {}}),
    ("no_conflicts", FAIL, {"history.counters.confl_insert_exists": Counter(1, 1, None)}),
    ("no_conflicts", UNKNOWN, NO_SUBSCRIPTION),
    ("lag_bytes", FAIL, {"obs.source.server.flush_lsn": 10_001 + 1024**2}),
    ("lag_bytes", UNKNOWN, {"obs.source.slot.confirmed_flush_lsn": 10_001}),
    ("lag_bytes", UNKNOWN, NO_SLOT),
    ("lag_seconds", FAIL, {"history.lag_seconds": 5.1}),
    ("lag_seconds", UNKNOWN, {"history.lag_seconds": None}),
    ("lag_seconds", UNKNOWN, NO_SLOT),
    ("no_problem_tables", FAIL, {"problems": (problem(Severity.DEGRADES),)}),
    ("no_problem_tables", FAIL, {"problems": (problem(Severity.BLOCKS),)}),
    ("no_problem_tables", UNKNOWN, NO_SOURCE),
    ("no_problem_tables", UNKNOWN, NO_DESTINATION),
    ("schema_match", FAIL, {"obs.schema": item("column")}),
    ("schema_match", FAIL, {"obs.schema": item("trigger")}),
    ("schema_match", UNKNOWN, {"obs.schema": None}),
    ("schema_match", UNKNOWN, {"obs.schema.at": NOW - 21}),
    ("indexes_built", FAIL, {"obs.schema": item("index")}),
    ("indexes_built", FAIL, {"obs.destination.invalid_indexes": ("broken",)}),
    ("indexes_built", FAIL, {"obs.destination.indexes_building": 1}),
    ("indexes_built", UNKNOWN, {"obs.schema": None}),
    ("indexes_built", UNKNOWN, NO_DESTINATION),
    ("sequences_synced", FAIL, {"obs.destination.sequences": (sequence(6),)}),
    ("sequences_synced", FAIL, {"obs.destination.sequences": ()}),
    ("sequences_synced", UNKNOWN, {"history.previous_sequences": None}),
    ("row_counts_match", FAIL, {"obs.row_counts": row_counts(deltas=(DELTA,))}),
    ("row_counts_match", UNKNOWN, {"obs.row_counts": None}),
    ("row_counts_match", UNKNOWN, {"obs.row_counts.at": NOW - 121}),
    ("row_counts_match", UNKNOWN, {"obs.row_counts": row_counts(tables=frozenset({ORDERS}))}),
    ("row_counts_match", UNKNOWN, {"obs.source.server.started_at": NOW - 1}),
    ("row_counts_match", UNKNOWN, {"obs.destination.server.started_at": NOW - 1}),
    ("row_counts_match", FAIL, {"obs.row_counts": row_counts(differing={ORDERS: STORAGE})}),
    # one that nobody knows to have been equal, and one that was so for too long a time ago
    ("row_counts_match", UNKNOWN, {**REWRITTEN, "history.proven_at": {}}),
    ("row_counts_match", UNKNOWN, {**REWRITTEN, "history.proven_at": {ORDERS: NOW - 16}}),
    ("row_counts_match", UNKNOWN, {"obs.destination.tables.0.storage": "1/1", "obs.at": NOW + 16}),
    ("row_counts_match", UNKNOWN, {**REWRITTEN, "history.proven_at": {}, "obs.schema": None}),
    ("statistics_present", FAIL, {"obs.destination.tables.0.has_statistics": False}),
    ("statistics_present", UNKNOWN, NO_SUBSCRIPTION),
    ("slot_healthy", FAIL, {"obs.source.slot.wal_status": "unreserved"}),
    ("slot_healthy", FAIL, {"obs.source.slot.wal_status": "lost"}),
    ("slot_healthy", FAIL, {"obs.source.slot.retained_bytes": 51 * 1024**3}),
    ("slot_healthy", FAIL, {"obs.source.server.settings.max_slot_wal_keep_size": "-1"}),
    ("slot_healthy", UNKNOWN, NO_SLOT),
    ("roles_match", FAIL, {"obs.roles": Measured((DIFFERENT_ROLE,), NOW, 20.0)}),
    # no database has to do with it: then all have
    (
        "roles_match",
        FAIL,
        {"obs.roles": Measured((DIFFERENT_ROLE,), NOW, 20.0), "obs.tied_roles": frozenset()},
    ),
    (
        "roles_match",
        FAIL,
        {
            "obs.roles": Measured((DIFFERENT_ROLE,), NOW, 20.0),
            "obs.tied_roles": frozenset({DIFFERENT_ROLE.role}),
            "obs.environment.tied_roles": frozenset({DIFFERENT_ROLE.role}),
        },
    ),
    ("roles_match", UNKNOWN, {"obs.roles": None}),
    ("roles_match", UNKNOWN, {"obs.roles.at": NOW - 26}),
    ("destination_quiet", FAIL, {"history.foreign_writer_at": NOW - 29}),
    ("destination_quiet", UNKNOWN, NO_DESTINATION),
    ("servers_unchanged", FAIL, {"obs.source.server.identity.timeline": 2}),
    ("servers_unchanged", FAIL, {"obs.source.server.identity.system_identifier": 1}),
    ("servers_unchanged", FAIL, {"obs.destination.server.identity.timeline": 2}),
    ("servers_unchanged", FAIL, {"obs.doubt": "it is an older copy"}),
    ("servers_unchanged", UNKNOWN, {"obs.destination.marker": None}),
    ("servers_unchanged", UNKNOWN, {"obs.destination.marker": marker(Step.SCHEMA_DONE)}),
    ("servers_unchanged", UNKNOWN, NO_SOURCE),
    ("data_fresh", UNKNOWN, NO_SOURCE),
    ("data_fresh", UNKNOWN, NO_DESTINATION),
]

STILL_PASSES: list[tuple[str, dict[str, object]]] = [
    # it is being compared; what was known of it is not older than what any gate relies on
    ("row_counts_match", {**REWRITTEN, "history.proven_at": {ORDERS: NOW - 14}}),
    # its columns differ: that is for schema_match
    ("row_counts_match", {**REWRITTEN, "history.proven_at": {}, "obs.schema": item("column")}),
    ("no_apply_errors", {"history.counters.apply": Counter(1, 1, NOW - 30)}),
    ("no_apply_errors", {"history.counters.apply": Counter(9, 9, None)}),
    ("lag_bytes", {"obs.source.server.flush_lsn": 10_000 + 1024**2}),
    ("lag_seconds", {"history.lag_seconds": 5.0}),
    ("no_problem_tables", {"problems": (problem(Severity.NOTE),)}),
    ("schema_match", {"obs.schema": item("index")}),
    ("indexes_built", {"obs.schema": item("column")}),
    ("sequences_synced", {"obs.destination.sequences": (sequence(8),)}),
    ("sequences_synced", {"obs.source.sequences": (sequence(9),)}),
    ("destination_quiet", {"history.foreign_writer_at": NOW - 30}),
    ("slot_healthy", {"obs.source.slot.wal_status": "extended"}),
    ("roles_match", {"obs.roles": Measured((COMMENT,), NOW, 20.0)}),
    # the database has nothing to do with it, and its finding is a note
    (
        "roles_match",
        {
            "obs.roles": Measured((DIFFERENT_ROLE,), NOW, 20.0),
            "obs.tied_roles": frozenset(),
            "obs.environment.tied_roles": frozenset({DIFFERENT_ROLE.role}),
        },
    ),
    # accepted beforehand by the setting, and named by a finding
    (
        "roles_match",
        {
            "obs.roles": Measured((DIFFERENT_ROLE,), NOW, 20.0),
            "obs.policy.role_conflicts": "merge",
        },
    ),
]


def judge(gate: str, evidence: Evidence) -> GateResult:
    results = evaluate(evidence.obs, evidence.history, evidence.problems)
    return next(result for result in results if result.name == gate)


@pytest.mark.parametrize("gate", GATE_NAMES)
def test_passes_on_a_healthy_migration(gate: str) -> None:
    result = judge(gate, green())
    assert (result.status, result.fix) == (GateStatus.PASS, "")
    assert result.reason


@pytest.mark.parametrize(("gate", "status", "changes"), CASES)
def test_does_not_pass(gate: str, status: GateStatus, changes: dict[str, object]) -> None:
    result = judge(gate, change(green(), changes))
    assert result.status is status, result.reason
    assert result.reason
    assert result.fix or status is UNKNOWN


@pytest.mark.parametrize(("gate", "changes"), STILL_PASSES)
def test_passes_up_to_its_limit(gate: str, changes: dict[str, object]) -> None:
    result = judge(gate, change(green(), changes))
    assert result.status is GateStatus.PASS, result.reason


def test_every_gate_has_its_cases() -> None:
    cases = {(gate, status) for gate, status, _ in CASES}
    wanted = {(gate, status) for gate in GATE_NAMES for status in (FAIL, UNKNOWN)}
    assert cases == wanted - {(gate, FAIL) for gate in NEVER_FAILS}


def test_a_table_that_came_later_fails_the_gate() -> None:
    later = source_table(103, TableName("public", "later"))
    result = judge("tables_streaming", change(green(), {"obs.source.tables.1": later}))
    assert result.status is FAIL
    assert "later" in result.reason


def test_a_result_tells_when_it_was_measured() -> None:
    evidence = change(green(), {"obs.schema.at": NOW - 3, "obs.policy.refresh_interval_seconds": 7})
    assert judge("schema_match", evidence).measured_at == NOW - 3
    assert judge("data_fresh", evidence).measured_at == NOW
    assert judge("data_fresh", evidence).valid_seconds == 21
