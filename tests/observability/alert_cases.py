"""One case per alert: the trouble, the text that it must fire with, and what must not fire it.

Names of series are without prefix and without the labels of the database in trouble, orders/shop;
promtool.py turns each case into promtool's unit tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

MINUTE = 60
HOUR = 60 * MINUTE


@dataclass(frozen=True)
class Ramp:
    """A value that grows with time: offset + slope * time."""

    offset: float = 0
    slope: float = 1


#: None: the series is absent
Value = float | Ramp | None
Series = Mapping[str, Value]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What one alert is tried with."""

    alert: str
    severity: Literal["critical", "warning", "info"]
    #: what changes when the trouble begins
    trouble: Series
    #: the complete text
    description: str
    #: of the database in trouble, all the time
    phase: str = "catching_up"
    #: changes on top of the trouble with which it must not fire: a phase, a smaller number
    near: tuple[Series, ...]
    #: seconds from the beginning of the trouble until the expression is true
    delay: int = 0
    #: seconds that it stays true after the trouble
    linger: int = 0
    #: what is otherwise than before once the trouble is over: counters do not go back
    after: Series = field(default_factory=dict)
    #: labels beside job, severity, mapping and database
    labels: Mapping[str, str] = field(default_factory=dict)
    level: Literal["database", "mapping", "daemon"] = "database"
    #: severities of the same alert that fire too
    accompanied_by: tuple[str, ...] = ()
    #: keeps firing while the daemon's pod is replaced
    outlives_restart: bool = True


def phase(name: str, before: str = "catching_up") -> Series:
    """Move the database to another phase."""
    return {f'database_phase{{phase="{before}"}}': 0, f'database_phase{{phase="{name}"}}': 1}


def gate(name: str, status: str) -> Series:
    """Set one gate."""
    return {
        f'cutover_gate_status{{gate="{name}",status="{each}"}}': int(each == status)
        for each in ("pass", "fail", "unknown")
    }


def wal_status(name: str) -> Series:
    """Set the status of the slot."""
    return {'slot_wal_status{status="reserved"}': 0, f'slot_wal_status{{status="{name}"}}': 1}


SHOP = "database shop of mapping orders"

CASES = (
    Case(
        alert="PgMigratorDown",
        severity="critical",
        trouble={"up": 0},
        near=({"up": 1},),
        level="daemon",
        outlives_restart=False,
        description="The daemon of job postgres-migrator has not answered for 5 minutes."
        " Replication goes on without it, but nobody limits the WAL that its slots keep on the"
        " sources.",
    ),
    Case(
        alert="PgMigratorTicksStalled",
        severity="critical",
        trouble={"report_timestamp_seconds": 597},
        near=({'alert_limit_seconds{limit="report_age"}': 3600},),
        delay=120,
        description=f"The facts about {SHOP} are 4m 33s old. The green light is off until they are"
        " read again.",
    ),
    Case(
        alert="PgMigratorServerUnreachable",
        severity="critical",
        trouble={'server_up{side="source"}': 0},
        near=({'server_up{side="source"}': 1},),
        labels={"side": "source"},
        level="mapping",
        description="The source of mapping orders has not answered for 2 minutes. Its databases are"
        " unknown, and nothing is started for them.",
    ),
    Case(
        alert="PgMigratorFailed",
        severity="critical",
        trouble=phase("failed"),
        near=({**phase("blocked"), 'database_phase{phase="failed"}': 0},),
        description="Database shop of mapping orders is failed. Its reason and the exact fix are in"
        " /status/orders.",
    ),
    Case(
        alert="PgMigratorBlocked",
        severity="warning",
        trouble=phase("blocked"),
        near=({**phase("failed"), 'database_phase{phase="blocked"}': 0},),
        description="Database shop of mapping orders is blocked. Nothing has been created. Every"
        " finding and its exact fix is in /status/orders.",
    ),
    Case(
        alert="PgMigratorServersChanged",
        severity="critical",
        trouble=gate("servers_unchanged", "fail"),
        near=(gate("servers_unchanged", "unknown"),),
        description=f"A server behind {SHOP} is not the one, or not on the timeline, that the copy"
        " was taken with.",
    ),
    Case(
        alert="PgMigratorProblemTables",
        severity="warning",
        trouble={'tables{state="problem"}': 3},
        near=({'tables{state="problem"}': 0},),
        description=f"3 tables of {SHOP} are not migrated. Each with its reason and fix:"
        " /status/orders.",
    ),
    Case(
        alert="PgMigratorCopyStalled",
        severity="warning",
        phase="copying",
        trouble={"copy_completed_bytes": 5000, "copy_completed_rows": 500},
        near=(
            {"copy_completed_rows": Ramp(10_000)},
            {"copy_completed_bytes": Ramp(10_000)},
            phase("indexing", before="copying"),
            {'throttle_active{mapping="orders",reason="rate_limit"}': 1},
        ),
        delay=30 * MINUTE,
        description=f"Nothing of {SHOP} was copied in the last 30 minutes; about 953.7MiB are"
        " left.",
    ),
    Case(
        alert="PgMigratorThrottled",
        severity="info",
        trouble={'throttle_active{reason="max_parallel_tables"}': 1},
        near=({'throttle_active{reason="max_parallel_tables"}': 0},),
        labels={"reason": "max_parallel_tables"},
        level="mapping",
        description="Mapping orders has waited for 30 minutes because of max_parallel_tables.",
    ),
    Case(
        alert="PgMigratorSlotLost",
        severity="critical",
        trouble=wal_status("lost"),
        near=({**wal_status("unreserved"), 'slot_wal_status{status="lost"}': 0},),
        description=f"The source removed WAL that the slot of {SHOP} still needed. Changes are"
        " missing on the destination for good.",
    ),
    Case(
        alert="PgMigratorSlotUnreserved",
        severity="critical",
        trouble=wal_status("unreserved"),
        near=({**wal_status("extended"), 'slot_wal_status{status="unreserved"}': 0},),
        description=f"The source no longer reserves the WAL of the slot of {SHOP}: the next"
        " checkpoint may remove it.",
    ),
    Case(
        alert="PgMigratorWalRunwayShort",
        severity="critical",
        trouble={"slot_wal_runway_seconds": 1800},
        # between both limits only the warning fires, which is the next case
        near=({"slot_wal_runway_seconds": 11_000},),
        accompanied_by=("warning",),
        description=f"At the present rate the slot of {SHOP} reaches its limit in 30m 0s; it is"
        " then given up, and the migration of that database fails.",
    ),
    Case(
        alert="PgMigratorWalRunwayShort",
        severity="warning",
        trouble={"slot_wal_runway_seconds": 7200},
        near=({"slot_wal_runway_seconds": 11_000}, {"slot_wal_runway_seconds": None}),
        description=f"At the present rate the slot of {SHOP} reaches its limit in 2h 0m 0s; it is"
        " then given up, and the migration of that database fails.",
    ),
    Case(
        alert="PgMigratorRetainedWalHigh",
        severity="warning",
        trouble={
            'slot_retained_wal_bytes{slot="main"}': 400 * 1024**2,
            'slot_retained_wal_bytes{slot="sync"}': 200 * 1024**2,
        },
        near=({"max_retained_wal_bytes": 2000 * 1024**2},),
        description=f"The source keeps 600MiB of WAL for {SHOP}: more than half of what it may"
        " (MAX_RETAINED_WAL).",
    ),
    Case(
        alert="PgMigratorSourceTransactionTooOld",
        severity="warning",
        trouble={"source_oldest_transaction_timestamp_seconds": -7200},
        near=({"source_oldest_transaction_timestamp_seconds": 0},),
        description=f"The oldest transaction on the source of {SHOP} has been open for 2h 15m 30s."
        " A slot cannot be created before it ends, and vacuum removes nothing.",
    ),
    Case(
        alert="PgMigratorBlocksSource",
        severity="critical",
        trouble={"source_sessions_blocked": 2},
        near=({"source_sessions_blocked": 0},),
        level="mapping",
        outlives_restart=False,
        description="2 sessions on the source of mapping orders wait behind a session of ours.",
    ),
    Case(
        alert="PgMigratorSlotInactive",
        severity="critical",
        trouble={"slot_active": 0},
        near=(phase("copying"), phase("switched")),
        description=f"The destination has not read from the slot of {SHOP} for 5 minutes. WAL piles"
        " up on the source.",
    ),
    Case(
        alert="PgMigratorReplicationLagHigh",
        severity="warning",
        trouble={"replication_lag_seconds": 90},
        near=(phase("copying"), {"replication_lag_seconds": 5}, {"cutover_max_lag_seconds": 120}),
        description="Database shop of mapping orders is 1m 30s behind its source: more than"
        " CUTOVER__MAX_LAG_SECONDS.",
    ),
    Case(
        alert="PgMigratorReplicationStalled",
        severity="critical",
        trouble={"confirmed_flush_lsn_bytes": 5, "replication_lag_bytes": 3 * 1024**2},
        near=(
            {"replication_lag_bytes": 0},
            phase("switched"),
            {"confirmed_flush_lsn_bytes": Ramp(0, 1)},
        ),
        delay=10 * MINUTE,
        description=f"The destination has confirmed nothing of {SHOP} for 10 minutes, and 3MiB"
        " wait.",
    ),
    Case(
        alert="PgMigratorApplyErrors",
        severity="critical",
        trouble={"apply_errors_total": 8},
        after={"apply_errors_total": 8},
        near=({"apply_errors_total": 3}, {"apply_errors_total": None, "sync_errors_total": 50}),
        linger=10 * MINUTE,
        description=f"Apply failed 5 times in 10 minutes for {SHOP}. It is retried for ever, and"
        " the same change fails again until somebody mends the cause.",
    ),
    Case(
        alert="PgMigratorSyncErrors",
        severity="warning",
        trouble={"sync_errors_total": 8},
        after={"sync_errors_total": 8},
        near=({"sync_errors_total": 2}, {"sync_errors_total": None, "apply_errors_total": 50}),
        linger=10 * MINUTE,
        description=f"Copies failed 6 times in 10 minutes for {SHOP}. They are retried from the"
        " start.",
    ),
    Case(
        alert="PgMigratorConflicts",
        severity="critical",
        trouble={'conflicts_total{conflict="insert_exists"}': 4},
        after={'conflicts_total{conflict="insert_exists"}': 4},
        near=({'conflicts_total{conflict="insert_exists"}': 1},),
        linger=15 * MINUTE,
        description=f"3 changes of {SHOP} met a row on the destination that was not as expected.",
    ),
    Case(
        alert="PgMigratorSchemaDrift",
        severity="critical",
        trouble={'schema_drift_objects{kind="table"}': 1, 'schema_drift_objects{kind="column"}': 2},
        near=(
            {'schema_drift_objects{kind="table"}': None, 'schema_drift_objects{kind="column"}': 0},
        ),
        description="3 objects of database shop of mapping orders differ between source and"
        " destination. DDL is not replicated; the green light stays off.",
    ),
    Case(
        alert="PgMigratorContentMismatch",
        severity="critical",
        trouble={'verified_tables{result="mismatch"}': 2},
        near=({'verified_tables{result="mismatch"}': 0},),
        description=f"2 tables of {SHOP} have other rows on the destination, or another number of"
        " them, at the same LSN.",
    ),
    Case(
        alert="PgMigratorVerificationStale",
        severity="warning",
        trouble={"verification_last_success_timestamp_seconds": -26 * HOUR},
        near=(phase("switched"), {"verification_last_success_timestamp_seconds": -20 * HOUR}),
        description="The rows of database shop of mapping orders were last counted 1d 2h 25m 30s"
        " ago.",
    ),
    Case(
        alert="PgMigratorSequencesBehind",
        severity="warning",
        trouble=gate("sequences_synced", "fail"),
        near=(phase("copying"), gate("sequences_synced", "unknown")),
        description=f"Sequences of {SHOP} are behind or missing on the destination. After a cutover"
        " they would hand out numbers that are taken.",
    ),
    Case(
        alert="PgMigratorCutoverReadinessLost",
        severity="warning",
        phase="ready",
        trouble={**phase("catching_up", before="ready"), "cutover_ready": 0},
        near=(
            {"cutover_ready": 1},
            {**phase("switched", before="ready"), 'database_phase{phase="catching_up"}': 0},
        ),
        after={
            **phase("ready", before="catching_up"),
            "cutover_ready": 1,
        },
        description="Database shop of mapping orders was ready within the last hour and is not any"
        " more. Which gates fail, and why: /cutover/orders.",
    ),
    Case(
        alert="PgMigratorCutoverReady",
        severity="info",
        trouble={"cutover_ready": 1, 'cutover_ready{mapping="orders",database="crm"}': 1},
        near=(
            {'cutover_ready{mapping="orders",database="crm"}': 0},
            # a daemon that hangs still says 1
            {"report_timestamp_seconds": 450},
        ),
        level="mapping",
        outlives_restart=False,
        description="Every database of mapping orders has passed every gate for 5 minutes. The"
        " steps of its cutover: /cutover/orders/guide.",
    ),
    Case(
        alert="PgMigratorLateWrites",
        severity="critical",
        phase="switched",
        trouble={"late_writes": 4},
        near=(phase("completed", before="switched"), {"late_writes": 0}),
        description=f"4 transactions were written to the source of {SHOP} after its switch. They"
        " are not on the destination.",
    ),
    Case(
        alert="PgMigratorSwitchedNotCompleted",
        severity="warning",
        phase="switched",
        trouble={"switched_timestamp_seconds": -80 * HOUR},
        near=(
            phase("completed", before="switched"),
            {"switched_timestamp_seconds": -70 * HOUR},
        ),
        description="Database shop of mapping orders was switched 3d 8h 11m 0s ago and never"
        " completed: its slot keeps WAL on the source.",
    ),
)
