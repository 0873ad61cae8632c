"""What only the checks look at: facts of either side that need no reading in every tick.

Each field is a list of rows that `postgres/sql/conditions/<field>.sql` answers, column by column,
but for `extension_rows`, which `postgres/extension_rows.py` reads table by table.
They are read on a schedule, in a session that has no time-outs or other settings of ours: it sees
what a replication session of our role would.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting as a session of our role in this database finds it, in its base unit."""

    name: str
    setting: str
    unit: str
    #: as in pg_settings: default, configuration file, database, user, database user...
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """An object of the server, written as SQL would name it, and what there is to say of it."""

    object: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionRows(Thing):
    """Rows of people's own in a table of an extension; the detail is a hash of them."""

    #: by which the extension tells them from its own: "WHERE ...", or ""
    condition: str = ""
    #: those that were compared
    columns: tuple[str, ...] = ()
    rows: int = 0
    #: why they could not be read; "": they were
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionMember(Thing):
    """A relation, routine or type that belongs to an extension; the object is as ALTER calls it."""

    extension: str
    #: of the extension
    version: str
    #: it may hold rows that no dump has, since the extension did not register it for that
    data: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedTablespace(Thing):
    """A tablespace that a database uses; the detail says for what."""

    #: the database itself is in it
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedRelation:
    """A relation that names its tablespace."""

    object: str
    #: as in ALTER: TABLE or INDEX
    kind: str
    tablespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLabel(Thing):
    """A security label of a role or of the database; the detail is its text."""

    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSetting(Thing):
    """A setting of a role, a database or a function; the object is whose, as ALTER calls it."""

    #: "" for all roles
    role: str
    name: str
    #: of standard_conforming_strings; "" of all others
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preload(Thing):
    """A setting that loads libraries at login; the object is whose, as ALTER calls it."""

    #: "" for all roles
    role: str
    #: "name=value", and where the same sessions look for libraries, likewise; "": where all do
    setting: str
    path: str

    @property
    def login(self) -> tuple[str, ...]:
        """The settings that a session has from it."""
        return (self.setting, self.path) if self.path else (self.setting,)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollationVersion:
    """The version of the library behind a collation; "" where it has none (C, POSIX)."""

    object: str
    #: provider:locale, the same on every server
    locale: str
    #: what its indexes were built with, as far as it was recorded
    recorded: str
    actual: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConditions:
    """The source's side."""

    settings: tuple[Setting, ...] = ()
    #: tables that hold amounts of the type money
    money: tuple[Thing, ...] = ()
    #: those in use in this database
    collations: tuple[CollationVersion, ...] = ()
    standbys: tuple[Thing, ...] = ()
    subscriptions: tuple[Thing, ...] = ()
    publications: tuple[Thing, ...] = ()
    logical_slots: tuple[Thing, ...] = ()
    open_transactions: tuple[Thing, ...] = ()
    prepared_transactions: tuple[Thing, ...] = ()
    row_security: tuple[Thing, ...] = ()
    held_triggers: tuple[Thing, ...] = ()
    unenforced_constraints: tuple[Thing, ...] = ()
    event_triggers: tuple[Thing, ...] = ()
    path_functions: tuple[Thing, ...] = ()
    #: the detail says whether an earlier migration brought the database here: "earlier" or ""
    reserved_schemas: tuple[Thing, ...] = ()
    tablespaces: tuple[UsedTablespace, ...] = ()
    placed_partitioned: tuple[PlacedRelation, ...] = ()
    #: those of ALTER ROLE ALL, by name
    everywhere_settings: tuple[Thing, ...] = ()
    #: without those of extensions, which any server takes
    stored_settings: tuple[StoredSetting, ...] = ()
    preloads: tuple[Preload, ...] = ()
    time_zones: tuple[Thing, ...] = ()
    md5_passwords: tuple[Thing, ...] = ()
    compressions: tuple[Thing, ...] = ()
    archiving: tuple[Thing, ...] = ()
    extension_rows: tuple[ExtensionRows, ...] = ()
    extension_members: tuple[ExtensionMember, ...] = ()
    #: by provider
    security_labels: tuple[Thing, ...] = ()
    shared_labels: tuple[SharedLabel, ...] = ()
    #: what could not be read, and why
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationConditions:
    """The destination's side; of the database itself once it is ours, else of the server."""

    settings: tuple[Setting, ...] = ()
    #: one for each locale that the server has
    available_collations: tuple[CollationVersion, ...] = ()
    standbys: tuple[Thing, ...] = ()
    subscriptions: tuple[Thing, ...] = ()
    #: the detail says whether our role may create objects there: "usable" or ""
    tablespace_names: tuple[Thing, ...] = ()
    partitioned_names: tuple[Thing, ...] = ()
    setting_names: tuple[Thing, ...] = ()
    time_zone_names: tuple[Thing, ...] = ()
    compression_methods: tuple[Thing, ...] = ()
    extension_rows: tuple[ExtensionRows, ...] = ()
    extension_members: tuple[ExtensionMember, ...] = ()
    shared_labels: tuple[SharedLabel, ...] = ()
    #: what could not be read, and why
    unread: Mapping[str, str] = field(default_factory=dict)
