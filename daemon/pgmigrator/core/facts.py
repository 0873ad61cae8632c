"""What the two servers say of one database of a mapping.

A value of None where the type allows it means either "is not there" (a slot, a subscription) or
"could not be read"; each field says which. Nothing here is ever guessed: what was not read stays
None, and unknown is never good news.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pgmigrator.core.conditions import DestinationConditions, SourceConditions
from pgmigrator.core.marker import Marker, ServerIdentity
from pgmigrator.core.names import TableName

# --- servers -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server as it described itself in this tick."""

    #: as in server_version_num, e.g. 150018
    version_num: int
    version: str
    identity: ServerIdentity
    in_recovery: bool
    #: epoch seconds
    started_at: float
    #: no checkpoint ran since its start: `checkpoint_lsn` is where it found its data
    checkpoint_of_start: bool = True
    #: the role that we connect as
    user: str
    superuser: bool
    #: the settings that the checks look at, as pg_settings.setting (base units)
    settings: Mapping[str, str]
    slots_used: int
    walsenders_used: int
    #: LSN of the end of flushed WAL
    flush_lsn: int
    #: LSN of the last checkpoint: right after a start, where the server found its data
    checkpoint_lsn: int = 0
    #: what answered was not the server that we connected to, but a pooler before it
    pooled: bool = False
    #: the managed service that it belongs to: rds, cloudsql, azure; "": none that is known
    service: str = ""
    #: extension -> default version; read on the destination only
    available_extensions: Mapping[str, str] = field(default_factory=dict)

    def setting(self, name: str) -> int:
        """Return a numeric setting in its base unit."""
        return int(self.settings[name])


# --- the source ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTable:
    """A plain table or a leaf partition: what can be published on its own."""

    oid: int
    name: TableName
    #: the partitioned table to which it is attached; None: it is a table of its own
    partition_of: TableName | None = None
    #: UPDATE and DELETE stay possible when it is published
    identity_usable: bool
    #: why not, and which unique index could serve ("" if none)
    identity_reason: str = ""
    identity_candidate: str = ""
    #: why REPLICA IDENTITY FULL would not make it usable ("": it would, or is not needed)
    full_reason: str = ""
    estimated_rows: int = 0
    estimated_bytes: int = 0
    #: why its rows belong to other partitions on another server ("": they do not)
    partition_reason: str = ""
    #: provider:locale of the collations by which its partitioned tables order rows
    partition_collations: tuple[str, ...] = ()
    #: rows updated or deleted, rolled back or not, since `SourceFacts.counting_since`
    changes: int = 0
    #: its file and columns: another one once its rows may have changed unseen by replication
    storage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionedTable:
    """A partitioned table of either side: it holds no rows, and is not published."""

    #: on its own side
    oid: int
    name: TableName
    #: the partitioned table to which it is attached itself
    partition_of: TableName | None = None
    #: on the destination, if we created it: the oid of the source's; None: nothing is known of that
    source_oid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One of our publications, or one that has its name."""

    comment: str
    #: it publishes what it should of its tables: no row filter, column list or action is left out
    whole: bool = True
    #: oid -> name, of every published table
    tables: Mapping[int, TableName]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The logical slot of our subscription."""

    wal_status: str
    active: bool
    confirmed_flush_lsn: int
    #: bytes of WAL that it and the table-sync slots keep
    retained_bytes: int
    sync_retained_bytes: int
    #: None: no limit is set
    safe_wal_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A sequence and its position; `is_called` as in setval()."""

    name: TableName
    increment: int
    cycle: bool
    last_value: int
    is_called: bool

    def position(self) -> tuple[int, bool]:
        """Order positions in the direction of the sequence."""
        return (self.last_value if self.increment > 0 else -self.last_value, self.is_called)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseProperties:
    """What CREATE DATABASE must repeat."""

    oid: int
    owner: str
    encoding: str
    collate: str
    ctype: str
    locale_provider: str
    locale: str
    #: its default one, quoted where that is needed
    tablespace: str = "pg_default"
    #: -1: none; 0: superusers alone get in
    connection_limit: int = -1
    #: extension -> version installed
    extensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """The source's side of one database."""

    server: Server
    #: None: there is no such database
    database: DatabaseProperties | None
    tables: tuple[SourceTable, ...] = ()
    partitioned: tuple[PartitionedTable, ...] = ()
    #: None: there is none
    publication: Publication | None = None
    #: the one of INSERT and TRUNCATE only
    insert_only: Publication | None = None
    slot: Slot | None = None
    sequences: tuple[Sequence, ...] = ()
    #: source sessions that wait behind one of ours for over two seconds
    blocked_sessions: int = 0
    #: epoch seconds; None: no transaction is open
    oldest_transaction_at: float | None = None
    #: who holds up the creation of a slot: "pid 12, role x, database y, since ..."
    open_writers: tuple[str, ...] = ()
    #: what logical replication never carries
    unlogged_tables: tuple[str, ...] = ()
    #: those of them that hold rows, or may
    unlogged_with_rows: tuple[str, ...] = ()
    large_objects: int = 0
    #: since when `SourceTable.changes` counts: changes whenever counts may have been lost (a reset,
    #: a crash); "": nothing is counted
    counting_since: str = ""
    #: published transactions that wait in the slot; None: not looked (only after the switch)
    late_writes: int | None = None
    #: None: not read
    conditions: SourceConditions | None = None


# --- the destination -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Our subscription in the destination database."""

    oid: int
    enabled: bool
    slot_name: str
    #: names of the publications that it follows
    publications: tuple[str, ...] = ()
    #: the apply worker runs
    worker_running: bool
    apply_error_count: int
    sync_error_count: int
    #: epoch seconds; None: never, or a crash zeroed the counters
    stats_reset_at: float | None = None
    #: confl_* column -> count
    conflicts: Mapping[str, int] = field(default_factory=dict)
    #: worker_type -> number of workers
    workers: Mapping[str, int] = field(default_factory=dict)
    #: source LSN of the end of the last transaction that was applied and had changes; 0: none was
    applied_lsn: int = 0


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the source counted of a table right before it was copied."""

    #: as in SourceTable.changes
    changes: int
    #: as in SourceFacts.counting_since
    counting_since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationTable:
    """A table on the destination, by name the counterpart of a source table."""

    name: TableName
    #: the partitioned table to which it is attached; None: it is a table of its own
    partition_of: TableName | None = None
    #: srsubstate: i, d, f, s, r; "" while it is not subscribed
    state: str = ""
    #: False only if it certainly holds no row; None: not looked (only asked before a copy)
    has_rows: bool | None = None
    #: pid of the worker that copies it or brings it up to date; 0: none does now
    worker: int = 0
    #: progress of a running copy
    copied_rows: int = 0
    copied_bytes: int = 0
    #: ANALYZE has seen it, or it has nothing to analyse
    has_statistics: bool = False
    #: oid of the source table for which it stands, from our bookkeeping
    source_oid: int | None = None
    #: we created it, by our bookkeeping
    created: bool = False
    #: it is or was subscribed, being empty; else a row that it holds is somebody else's
    filled: bool = False
    #: an operator wants it copied anew
    resync: bool = False
    #: source LSN at which its copy had caught up; None: it has not
    synchronized_lsn: int | None = None
    #: counts of that table right before it was copied; None: none were kept
    baseline: Baseline | None = None
    #: as in SourceTable.storage
    storage: str = ""
    #: storage of the source's table and its own, when last known to hold equal rows; None: never
    compared: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Conflicts that were counted since the counters were last reset on purpose."""

    #: confl_* column -> count, none of them zero
    counts: Mapping[str, int]
    #: epoch seconds; None: they never were
    reset_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtSwitch:
    """What the source was at the switch: all that was proved to be on the destination."""

    #: oids of plain tables and leaves
    tables: frozenset[int]
    #: those that were published
    published: frozenset[int]
    #: name -> position, see core/late.py
    sequences: Mapping[str, str]
    unlogged: frozenset[str] = frozenset()
    large_objects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationFacts:
    """The destination's side of one database."""

    server: Server
    #: None: there is no such database
    database: DatabaseProperties | None
    #: None: it bears no marker of ours
    marker: Marker | None = None
    #: a newer daemon's marker: stand by
    newer_marker: str = ""
    #: the mapping, of another daemon, whose marker it bears
    other_mapping: str = ""
    has_user_objects: bool = False
    tables: tuple[DestinationTable, ...] = ()
    partitioned: tuple[PartitionedTable, ...] = ()
    #: None: there is none
    subscription: Subscription | None = None
    sequences: tuple[Sequence, ...] = ()
    invalid_indexes: tuple[str, ...] = ()
    #: valid ones
    indexes_built: int = 0
    indexes_building: int = 0
    #: this start of the server is known to have lost nothing; False: it was started since
    start_remembered: bool = True
    #: started_at of the source's start that is known to have lost nothing; None: none is
    source_start: float | None = None
    #: by our bookkeeping, which a crash does not forget
    conflicts: Conflicts | None = None
    #: None: not switched, or not remembered
    at_switch: AtSwitch | None = None
    #: other sessions that write here now: "role, application, address, pid"
    foreign_writers: tuple[str, ...] = ()
    #: None: not read
    conditions: DestinationConditions | None = None
