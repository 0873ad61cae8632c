"""The report: what the last tick found, immutable. `/status` and `/metrics` both render it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pgmigrator.core.model import Phase, Problem, RowCountDelta, Severity
from pgmigrator.core.names import TableName


class GateStatus(StrEnum):
    """A gate that was not measured is unknown, and unknown never passes."""

    PASS = "pass"  # noqa: S105  (not a password)
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One condition of the green light."""

    name: str
    status: GateStatus
    reason: str
    fix: str = ""
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    #: epoch seconds; None: never
    measured_at: float | None = None
    #: how long it stays valid after measured_at
    valid_seconds: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenProblem:
    """A problem, and since when it is open (epoch seconds)."""

    problem: Problem
    since: float

    @property
    def id(self) -> str:
        """A stable name for it: the check and the object."""
        return f"{self.problem.check}:{self.problem.object}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """The slot and the stream; None means unknown."""

    lag_bytes: int | None = None
    lag_seconds: float | None = None
    confirmed_lsn: int | None = None
    retained_wal_bytes: int | None = None
    sync_retained_wal_bytes: int | None = None
    safe_wal_bytes: int | None = None
    wal_runway_seconds: float | None = None
    wal_status: str | None = None
    slot_active: bool | None = None
    subscription_enabled: bool | None = None
    workers: Mapping[str, int] = field(default_factory=dict)
    #: since the daemon started, restarts of the destination included
    apply_errors: int | None = None
    sync_errors: int | None = None
    conflicts: Mapping[str, int] = field(default_factory=dict)


class TableState(StrEnum):
    """What a table is doing."""

    PENDING = "pending"
    COPYING = "copying"
    CATCHING_UP = "catching_up"
    STREAMING = "streaming"
    PROBLEM = "problem"
    EXCLUDED = "excluded"


class Throttle(StrEnum):
    """Why a copy waits although nothing is wrong."""

    #: other databases of the mapping copy as many tables as MAX_PARALLEL_TABLES allows
    MAX_PARALLEL_TABLES = "max_parallel_tables"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReport:
    """One table of the source."""

    name: TableName
    state: TableState
    estimated_rows: int
    estimated_bytes: int
    #: None: unknown
    completed_rows: int | None = None
    completed_bytes: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyProgress:
    """Sums over the tables; estimates, for progress bars only."""

    tables: Mapping[TableState, int]
    completed_bytes: int
    estimated_bytes: int
    completed_rows: int
    estimated_rows: int
    #: predicted instant, epoch seconds; None: unknown
    eta_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The last exact comparison of row counts, and of rows where they were rewritten."""

    #: compared on both sides; some of them may differ
    verified_tables: int = 0
    mismatched_tables: int = 0
    #: tables of the source that it did not cover, or that were rewritten since
    unverified_tables: int = 0
    #: epoch seconds; None: never
    at: float | None = None
    row_count_delta_rows: int | None = None
    #: of those whose counts differ
    worst: tuple[RowCountDelta, ...] = ()
    #: of those with as many rows, but other ones
    other_rows: tuple[TableName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainProof:
    """What a drain proved, or what it lacked."""

    database: str
    #: source LSN up to which everything is applied; None: not reached
    lsn: int | None
    proved: bool
    #: epoch seconds
    at: float
    duration_seconds: float
    #: what is missing for a proof, each a sentence with its fix
    missing: tuple[str, ...] = ()
    #: what the proof does not cover, each a sentence
    not_covered: tuple[str, ...] = ()
    #: sequences that were set a last time
    sequences: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchedReport:
    """The switch, as the marker has it."""

    lsn: int
    #: epoch seconds
    at: float
    #: None: unknown
    late_writes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseReport:
    """One database of a mapping."""

    mapping: str
    name: str
    phase: Phase
    phase_since: float
    #: when both servers were last read for it (epoch seconds)
    observed_at: float
    ready: bool
    ready_since: float | None
    #: last time `ready` changed; None: never since the daemon started
    ready_changed_at: float | None
    #: why it is in this phase, and what it does now
    reason: str
    #: while every gate passes and the light is still off: when they will have for the stable time
    #: (epoch seconds)
    stable_at: float | None = None
    gates: tuple[GateResult, ...] = ()
    problems: tuple[OpenProblem, ...] = ()
    replication: Replication = Replication()
    copy: CopyProgress | None = None
    tables: tuple[TableReport, ...] = ()
    sequences_total: int | None = None
    sequences_behind: int | None = None
    sequences_missing: int | None = None
    #: indexes on the destination by state: pending, building, built, problem
    indexes: Mapping[str, int] = field(default_factory=dict)
    #: kind of difference -> number; None: not compared
    schema_drift: Mapping[str, int] | None = None
    verification: Verification = Verification()
    drain: DrainProof | None = None
    switched: SwitchedReport | None = None
    source_oldest_transaction_at: float | None = None
    #: kinds of the actions under way
    running: tuple[str, ...] = ()
    #: why its copy waits now
    throttles: frozenset[Throttle] = frozenset()

    @property
    def blocking(self) -> tuple[GateResult, ...]:
        """The gates that keep the light off."""
        return tuple(gate for gate in self.gates if gate.status is not GateStatus.PASS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """One side of a mapping."""

    instance: str
    version: str | None
    up: bool
    #: epoch seconds of the last answer
    observed_at: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingReport:
    """One mapping: its servers, its databases, its lease."""

    name: str
    phase: Phase
    phase_since: float
    source: ServerReport
    destination: ServerReport
    databases: tuple[DatabaseReport, ...] = ()
    problems: tuple[OpenProblem, ...] = ()
    lease_held: bool = False
    #: epoch seconds
    observed_at: float
    source_sessions_blocked: int | None = None
    max_lag_bytes: int
    max_lag_seconds: float
    stable_seconds: float
    #: of the source's setting MAX_RETAINED_WAL: beyond it the slot is given up
    max_retained_wal_bytes: int
    refresh_interval_seconds: float

    @property
    def ready(self) -> bool:
        """Every database is ready, and none is missing; a mapping without databases never is."""
        return (
            bool(self.databases)
            and not self.blocking
            and all(database.ready for database in self.databases)
        )

    @property
    def blocking(self) -> tuple[OpenProblem, ...]:
        """What keeps the light off for the mapping as a whole."""
        return tuple(p for p in self.problems if p.problem.severity is Severity.BLOCKS)

    @property
    def throttles(self) -> frozenset[Throttle]:
        """Why the copy of some database waits now."""
        return frozenset[Throttle]().union(*(database.throttles for database in self.databases))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What only grows while the daemon runs."""

    #: (mapping, category) -> errors
    errors: Mapping[tuple[str, str], int] = field(default_factory=dict)
    #: (mapping, result) -> ticks
    ticks: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that the daemon shows."""

    version: str
    #: of the source code; "unknown" if it was not built from a commit
    revision: str = "unknown"
    #: epoch seconds
    started_at: float
    #: when the last tick of any mapping ended; None: none has
    generated_at: float | None = None
    mappings: tuple[MappingReport, ...] = ()
    counters: Counters = Counters()
    event_loop_lag_seconds: float = 0.0
    #: older than that, a report means that ticks do not go on
    report_max_age_seconds: float = 120.0

    def mapping(self, name: str) -> MappingReport | None:
        """Return one mapping's report."""
        return next((mapping for mapping in self.mappings if mapping.name == name), None)
