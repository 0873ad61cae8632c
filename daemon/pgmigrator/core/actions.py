"""The actions: what a tick may start. Each is idempotent and says why it is wanted.

An action is plain data; `runtime/act.py` pairs each with the function of `postgres/` that does it.
"""

from dataclasses import dataclass
from typing import NamedTuple

from pgmigrator.core.names import TableName


@dataclass(frozen=True, slots=True)
class Action:
    """One idempotent step; `kind` names it in logs, errors and back-off."""

    @property
    def kind(self) -> str:
        """The name of the action in logs, session names and status."""
        return type(self).__name__


@dataclass(frozen=True, slots=True)
class CreateRoles(Action):
    """Create the roles that the destination lacks, as far as it takes them; alter none."""


@dataclass(frozen=True, slots=True)
class CreateDatabase(Action):
    """Create under a temporary name, then rename and mark in one transaction."""


@dataclass(frozen=True, slots=True)
class AdoptDatabase(Action):
    """Mark an existing destination database that holds no user object."""


@dataclass(frozen=True, slots=True)
class DropUnfinishedDatabase(Action):
    """Drop a database that we created and whose schema did not get finished."""


@dataclass(frozen=True, slots=True)
class RestoreSchema(Action):
    """Dump the schema; restore pre-data and identity indexes; mark `schema_done`."""


@dataclass(frozen=True, slots=True)
class CreatePublication(Action):
    """Publish each listed table on its own, by source oid; `insert_only` as the name says."""

    tables: tuple[tuple[int, TableName], ...]
    insert_only: bool = False


@dataclass(frozen=True, slots=True)
class CreateSlot(Action):
    """Create the slot on the source; waits for every open writing transaction there."""


@dataclass(frozen=True, slots=True)
class CreateSubscription(Action):
    """Subscribe with an initial copy and mark `subscribed`, in one transaction."""


@dataclass(frozen=True, slots=True)
class EnableSubscription(Action):
    """Enable a subscription that an interrupted verification left disabled."""


@dataclass(frozen=True, slots=True)
class RememberStart(Action):
    """Remember that the last start of each server lost nothing: seen by a daemon that watched."""


@dataclass(frozen=True, slots=True)
class RememberConflicts(Action):
    """Remember which conflicts were counted: a crash of the destination zeroes its counters."""


@dataclass(frozen=True, slots=True)
class ForgetCounts(Action):
    """Forget what the source had counted before the copy: it stopped counting meanwhile."""


@dataclass(frozen=True, slots=True)
class DisableSubscription(Action):
    """Disable a subscription that somebody enabled after the switch."""


@dataclass(frozen=True, slots=True)
class DropFromPublication(Action):
    """Take tables that lost their identity out of the publication: UPDATE would fail."""

    tables: tuple[tuple[int, TableName], ...]


@dataclass(frozen=True, slots=True)
class RestoreTables(Action):
    """Dump the schema; create tables that came later on the source, each with what it needs."""

    tables: tuple[tuple[int, TableName], ...]


@dataclass(frozen=True, slots=True)
class AddToPublication(Action):
    """Publish tables that came later and exist, empty, on the destination."""

    tables: tuple[tuple[int, TableName], ...]
    insert_only: bool = False


@dataclass(frozen=True, slots=True)
class RefreshSubscription(Action):
    """Subscribe to what the publication has gained."""


@dataclass(frozen=True, slots=True)
class WithdrawTables(Action):
    """Take tables out of their publication that are to be copied anew."""

    tables: tuple[tuple[int, TableName], ...]
    insert_only: bool = False


@dataclass(frozen=True, slots=True)
class EmptyTables(Action):
    """Empty tables of ours that are to be copied anew; drop those that differ."""

    tables: tuple[TableName, ...]


@dataclass(frozen=True, slots=True)
class DetachPartitions(Action):
    """Detach partitions that the source has detached or dropped."""

    tables: tuple[TableName, ...]


@dataclass(frozen=True, slots=True)
class AttachPartitions(Action):
    """Attach tables as partitions that the source has attached since they came."""

    tables: tuple[TableName, ...]


class Renaming(NamedTuple):
    """A table of the source that has another name than its counterpart here."""

    #: on the source
    oid: int
    old: TableName
    new: TableName
    #: changes may have gone into the wrong table: it is copied anew under its new name
    anew: bool = False


@dataclass(frozen=True, slots=True)
class RenameTables(Action):
    """Rename tables, or move them to another schema, as the source has done."""

    tables: tuple[Renaming, ...]


@dataclass(frozen=True, slots=True)
class RenamePartitioned(Action):
    """Rename partitioned tables likewise: no change bears their names, none is waited for."""

    tables: tuple[Renaming, ...]


@dataclass(frozen=True, slots=True)
class DropTables(Action):
    """Drop tables that we created and that the source has dropped since."""

    tables: tuple[TableName, ...]


@dataclass(frozen=True, slots=True)
class MarkCopied(Action):
    """Mark that every table that can be copied is."""


@dataclass(frozen=True, slots=True)
class RestoreRest(Action):
    """Build what the destination still lacks after the copy, then mark `indexed`."""


@dataclass(frozen=True, slots=True)
class SynchronizeSequences(Action):
    """Set sequences forward to the source's positions."""


@dataclass(frozen=True, slots=True)
class VerifyRowCounts(Action):
    """Count tables on both sides at one LSN: every one, or only those that a count left out."""

    only: frozenset[TableName] = frozenset()


@dataclass(frozen=True, slots=True)
class BeginCompletion(Action):
    """Mark `completing`: the setting COMPLETE=true asks for it."""


@dataclass(frozen=True, slots=True)
class RemoveReplication(Action):
    """Remove subscription, slots, publication and bookkeeping; mark `completed`."""


@dataclass(frozen=True, slots=True)
class DropSlot(Action):
    """Drop our own slot because it keeps too much WAL: the source outranks the migration."""
