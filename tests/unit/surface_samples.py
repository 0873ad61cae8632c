"""Reports and a control for the tests of the surface: made up, but complete in every field."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pgmigrator.core.commands import Command, Outcome, OutcomeStatus
from pgmigrator.core.model import Phase, Problem, RowCountDelta, Severity
from pgmigrator.core.names import TableName
from pgmigrator.core.report import (
    CopyProgress,
    Counters,
    DatabaseReport,
    DrainProof,
    GateResult,
    GateStatus,
    MappingReport,
    OpenProblem,
    Replication,
    Report,
    ServerReport,
    SwitchedReport,
    TableReport,
    TableState,
    Verification,
)
from pgmigrator.surface.control import Check
from pgmigrator.surface.guide_facts import ConnectionTarget, GuideContext

NOW = 1_800_000_000.0
GATES = ("tables_streaming", "apply_running", "lag_bytes", "row_counts_match", "data_fresh")


def gate(name: str, status: GateStatus = GateStatus.PASS) -> GateResult:
    return GateResult(
        name=name,
        status=status,
        reason=f"{name} was looked at",
        fix="" if status is GateStatus.PASS else f"mend {name}",
        value=512.0,
        limit=1048576.0,
        unit="bytes",
        measured_at=NOW - 2,
    )


def table(number: int, state: TableState = TableState.STREAMING) -> TableReport:
    return TableReport(
        name=TableName("public", f"t{number:05}"),
        state=state,
        estimated_rows=number,
        estimated_bytes=number * 8192,
        completed_rows=number,
        completed_bytes=number * 4096,
    )


PROBLEM = OpenProblem(
    problem=Problem(
        check="identity",
        severity=Severity.DEGRADES,
        object='"public"."log"',
        reason="no usable replica identity",
        fix='ALTER TABLE "public"."log" ADD PRIMARY KEY (id)',
    ),
    since=NOW - 60,
)

PROOF = DrainProof(
    database="shop",
    lsn=0x16B3740,
    proved=True,
    at=NOW - 5,
    duration_seconds=0.25,
    not_covered=("unlogged table x",),
    sequences=4,
)


def database(name: str = "shop", *, ready: bool = True) -> DatabaseReport:
    blocked = () if ready else (gate("no_conflicts", GateStatus.FAIL),)
    tables = (*map(table, range(5)), table(5, TableState.COPYING))
    return DatabaseReport(
        mapping="orders",
        name=name,
        phase=Phase.READY if ready else Phase.CATCHING_UP,
        phase_since=NOW - 100,
        observed_at=NOW - 2,
        ready=ready,
        ready_since=NOW - 100 if ready else None,
        ready_changed_at=NOW - 100,
        reason="everything passes" if ready else "waits for no_conflicts",
        gates=tuple(map(gate, GATES)) + blocked,
        problems=(PROBLEM,),
        replication=Replication(
            lag_bytes=512,
            lag_seconds=0.4,
            confirmed_lsn=0x16B3740,
            retained_wal_bytes=1024,
            sync_retained_wal_bytes=0,
            safe_wal_bytes=10**9,
            wal_runway_seconds=7200.0,
            wal_status="reserved",
            slot_active=True,
            subscription_enabled=True,
            workers={"apply": 1},
            apply_errors=0,
            sync_errors=3,
            conflicts={"confl_insert_exists": 2},
        ),
        copy=CopyProgress(
            tables={TableState.STREAMING: 5, TableState.COPYING: 1},
            completed_bytes=100,
            estimated_bytes=200,
            completed_rows=10,
            estimated_rows=20,
            eta_at=NOW + 60,
        ),
        tables=tables,
        sequences_total=10,
        sequences_behind=1,
        sequences_missing=2,
        indexes={"built": 4},
        schema_drift={"column": 1},
        verification=Verification(
            verified_tables=5,
            mismatched_tables=1,
            unverified_tables=1,
            at=NOW - 30,
            row_count_delta_rows=3,
            worst=(RowCountDelta(table=table(1).name, source_rows=10, destination_rows=7),),
        ),
        drain=PROOF,
        source_oldest_transaction_at=NOW - 9,
        running=("SynchronizeSequences",),
    )


def switched(base: DatabaseReport) -> DatabaseReport:
    return replace(
        base,
        phase=Phase.SWITCHED,
        ready=False,
        switched=SwitchedReport(lsn=0x16B3740, at=NOW - 1, late_writes=0),
    )


def mapping(*databases: DatabaseReport, name: str = "orders") -> MappingReport:
    ready = bool(databases) and all(each.ready for each in databases)
    return MappingReport(
        name=name,
        phase=Phase.READY if ready else Phase.CATCHING_UP,
        phase_since=NOW - 100,
        source=ServerReport(instance="pg15", version="15.18", up=True, observed_at=NOW - 2),
        destination=ServerReport(
            instance="pg18", version=None, up=False, observed_at=None, reason="no route"
        ),
        databases=databases,
        lease_held=True,
        observed_at=NOW - 2,
        source_sessions_blocked=0,
        max_lag_bytes=1048576,
        max_lag_seconds=5.0,
        stable_seconds=30.0,
        max_retained_wal_bytes=50 * 1024**3,
        refresh_interval_seconds=5.0,
    )


def report(*mappings: MappingReport) -> Report:
    return Report(
        version="0.1.0",
        started_at=NOW - 1000,
        generated_at=NOW - 2,
        mappings=mappings,
        counters=Counters(errors={("orders", "unreachable"): 2}, ticks={("orders", "ok"): 200}),
        event_loop_lag_seconds=0.001,
    )


CONTEXT = GuideContext(
    source=ConnectionTarget(host="pg15.example", port=5432, user="migrator"),
    destination=ConnectionTarget(host="pg18.example", port=5433, user="migrator"),
    base_url="http://127.0.0.1:8432",
    application_roles=("app", "worker's"),
)


DRAINED = Outcome(status=OutcomeStatus.DONE, message="drained", drains=(PROOF,))


@dataclass
class FakeControl:
    """Our own protocol, with answers that a test chooses and commands that it can look at."""

    current: Report
    at: float = NOW
    checks: Sequence[Check] = (Check("last_tick", True, "2 s ago"),)
    outcome: Outcome | Exception = DRAINED
    commands: list[Command] = field(default_factory=list)
    context: GuideContext = CONTEXT

    def report(self) -> Report:
        return self.current

    def now(self) -> float:
        return self.at

    def live(self) -> Sequence[Check]:
        return self.checks

    def ready(self) -> Sequence[Check]:
        return self.checks

    def started(self) -> Sequence[Check]:
        return self.checks

    def guide(self, mapping: str) -> GuideContext:
        return self.context

    async def command(self, command: Command) -> Outcome:
        self.commands.append(command)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome
