"""What one tick knows of one database of a mapping: the facts of both sides, and how they compare.

None where the type allows it means that a whole side or a `Measured` fact could not be read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from pgmigrator.core.facts import Conflicts, DestinationFacts, SourceFacts
from pgmigrator.core.marker import Marker
from pgmigrator.core.names import Names, TableName

T = TypeVar("T")


class Phase(StrEnum):
    """Where a database stands; the order is the order of progress."""

    UNKNOWN = "unknown"
    PREFLIGHT = "preflight"
    BLOCKED = "blocked"
    SCHEMA = "schema"
    COPYING = "copying"
    INDEXING = "indexing"
    CATCHING_UP = "catching_up"
    READY = "ready"
    SWITCHED = "switched"
    COMPLETED = "completed"
    FAILED = "failed"


class Severity(StrEnum):
    """How much a finding or problem weighs."""

    #: nothing is created before it is gone
    BLOCKS = "blocks"
    #: the object is left out and its gate fails; the rest goes on
    DEGRADES = "degrades"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong with one object; `check` names the rule that found it."""

    check: str
    severity: Severity
    object: str
    reason: str
    #: the exact SQL to run or setting to change
    fix: str


@dataclass(frozen=True, slots=True)
class Measured(Generic[T]):
    """A fact that is read on its own schedule, with the time of its reading."""

    value: T
    #: epoch seconds
    at: float
    #: how old it may grow before it counts as unknown, in seconds
    valid_seconds: float


class SchemaKind(StrEnum):
    """What a line of the fingerprint is about (see postgres/sql/fingerprint)."""

    TABLE = "table"
    COLUMN = "column"
    CONSTRAINT = "constraint"
    INDEX = "index"
    TRIGGER = "trigger"
    RULE = "rule"
    POLICY = "policy"
    STATISTICS = "statistics"
    #: what is set on a relation: storage parameters, statistics targets, view options
    OPTION = "option"
    SEQUENCE = "sequence"
    VIEW = "view"
    FUNCTION = "function"
    TYPE = "type"
    ENUM = "enum"
    OPERATOR = "operator"
    TEXT_SEARCH = "text_search"
    FOREIGN_DATA = "foreign_data"
    SCHEMA = "schema"
    EXTENSION = "extension"
    EVENT_TRIGGER = "event_trigger"
    OWNER = "owner"
    GRANT = "grant"
    COMMENT = "comment"
    LABEL = "label"
    #: languages, casts, transforms, collations, conversions, access methods
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaItem:
    """One line of the fingerprint that only one side has (see postgres/sql/fingerprint)."""

    #: its qualified name, quoted; of what is no relation or type, as pg_identify_object() has it
    object: str
    kind: str
    definition: str
    #: missing on the destination, or extra there
    missing: bool
    #: what the table inherits from, at any distance: it may have this line from there
    ancestors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleDifference:
    """A role of the source that the destination has not, or has otherwise."""

    role: str
    #: the destination has a role of that name
    exists: bool
    #: it is the comment alone, on which nothing depends
    comment: bool = False
    #: it is created with the password that others have too
    common_password: bool = False
    reason: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRefusal:
    """What the destination refused of a role: the role itself, a membership, a setting..."""

    role: str
    object: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tries:
    """How often the copy of a table failed that has begun and not come to its end."""

    failed: int = 0
    #: of those, since another table of the database was last copied
    since_progress: int = 0
    #: pid of its worker in the last tick; 0: it had none
    worker: int = 0


@dataclass(frozen=True, slots=True)
class Copies:
    """What the ticks have shown of the copies of one database (see core/copies.py)."""

    tries: Mapping[TableName, Tries] = field(default_factory=dict)
    #: how many tables were in each state
    states: tuple[tuple[str, int], ...] = ()
    #: when a table was last seen being copied, in epoch seconds; None: none is to be, or not looked
    moved_at: float | None = None
    #: ticks since then
    still_ticks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCountDelta:
    """Exact counts of one table at one LSN."""

    table: TableName
    source_rows: int
    destination_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """An exact comparison of counts while writes flow."""

    #: of the last of them
    lsn: int
    #: those that were counted on both sides
    tables: frozenset[TableName]
    #: those that differ
    deltas: tuple[RowCountDelta, ...]
    #: those whose counts are equal, but not their rows, with the storage on both sides
    differing: Mapping[TableName, tuple[str, str]] = field(default_factory=dict)
    #: those whose rows were compared and are equal, likewise
    equal: Mapping[TableName, tuple[str, str]] = field(default_factory=dict)
    #: when the last of them were counted, in epoch seconds
    last_at: float = 0.0
    #: both servers' start times when it was made: it proves nothing past a restart
    source_started_at: float
    destination_started_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Facts about the mapping as a whole that the checks of each database look at."""

    #: "" if the destination server can connect to the source, else why not; None: not tried
    route_error: str | None = None
    #: those of each pg_dump, like server_version_num, in the order in which they serve; 0: broken
    pg_dump_versions: tuple[int, ...] = ()
    #: databases of all mappings that still need a slot on this source, this one included
    source_databases: int = 1
    #: how many of those have theirs already
    source_slots: int = 0
    #: databases of all mappings that have or need a subscription on this destination
    destination_databases: int = 1
    #: databases of this mapping that copy now, this one not counted
    copying_databases: int = 0
    #: the others of this mapping that are not switched, or may have late writes
    lingering_databases: tuple[str, ...] = ()
    #: mappings that bring a database of the same name to the same destination
    colliding_mappings: tuple[str, ...] = ()
    #: roles that some database of this mapping has to do with (see core/ties.py)
    tied_roles: frozenset[str] = frozenset()
    #: roles that another mapping brings to the same destination otherwise
    colliding_roles: tuple[RoleDifference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the settings say about this database."""

    role_conflicts: str = "fail"
    tables_without_identity: str = "refuse"
    tablespaces: str = "keep"
    max_parallel_tables: int = 4
    max_retained_wal_bytes: int = 50 * 1024**3
    max_lag_bytes: int = 1024**2
    max_lag_seconds: float = 5
    stable_seconds: float = 30
    refresh_interval_seconds: float = 5
    complete: bool = False

    @property
    def keeps_tablespaces(self) -> bool:
        """Whether objects come into tablespaces of the same names; else all into the default."""
        return self.tablespaces == "keep"

    @property
    def fresh_seconds(self) -> float:
        """How long what a tick has read may be relied on."""
        return max(3 * self.refresh_interval_seconds, 15.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything that one tick knows about one database of a mapping."""

    mapping: str
    database: str
    #: epoch seconds
    at: float
    policy: Policy
    environment: Environment = Environment()
    #: None: not derivable yet (a side is unknown)
    names: Names | None = None
    #: None: the source did not answer (and why)
    source: SourceFacts | None = None
    source_error: str = ""
    destination: DestinationFacts | None = None
    destination_error: str = ""
    #: None: not compared
    schema: Measured[tuple[SchemaItem, ...]] | None = None
    roles: Measured[tuple[RoleDifference, ...]] | None = None
    #: roles that the database has to do with, read whenever roles differ (see core/ties.py); None:
    #: not read
    tied_roles: frozenset[str] | None = None
    #: what of the roles the destination refused when they were last created
    roles_refused: tuple[RoleRefusal, ...] = ()
    copies: Copies = Copies()
    #: settings that load libraries at login -> why the destination opens no session with them;
    #: None: it does
    logins: Mapping[tuple[str, ...], str | None] = field(default_factory=dict)
    row_counts: Measured[RowCounts] | None = None
    #: tables that came, went or were replaced on the source, seen so for some ticks -> the source's
    #: flush LSN when that was first seen
    settled: Mapping[TableName, int] = field(default_factory=dict)
    #: why a server may be an older copy of itself; "": none is
    doubt: str = ""
    #: what is to be noted of conflicts; None: it is noted
    conflicts: Conflicts | None = None
    #: kinds of the actions under way
    running: frozenset[str] = frozenset()
    #: kinds of the actions that failed and wait for their back-off
    waiting: frozenset[str] = frozenset()

    @property
    def marker(self) -> Marker | None:
        """The marker of the destination database, if it has one of ours."""
        return self.destination.marker if self.destination else None

    @property
    def starts_remembered(self) -> bool:
        """Both servers' last starts are known to have lost nothing; False also if one is silent."""
        there, here = self.destination, self.source
        if there is None or here is None:
            return False
        return there.start_remembered and there.source_start == here.server.started_at
