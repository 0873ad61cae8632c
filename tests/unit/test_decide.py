"""The ladder of rules: which phase an observation means, and which action comes next."""

import pytest

from pgmigrator.core import actions as a
from pgmigrator.core.decide import decide, throttles
from pgmigrator.core.facts import Conflicts, PartitionedTable
from pgmigrator.core.marker import Step
from pgmigrator.core.model import (
    Copies,
    Measured,
    Observation,
    Phase,
    RoleDifference,
    RowCountDelta,
    SchemaItem,
    Tries,
)
from pgmigrator.core.names import TableName
from pgmigrator.core.preflight import find_problems
from pgmigrator.core.report import Throttle
from tests.unit.builders import (
    ITEMS,
    NOW,
    ORDERS,
    by_inserts,
    change,
    database,
    destination_table,
    fresh,
    marked,
    publication,
    row_counts,
    sequence,
    slot,
    source_table,
    streaming,
    switched,
)

SCHEMA_DONE, SUBSCRIBED, COPIED = Step.SCHEMA_DONE, Step.SUBSCRIBED, Step.COPIED
BOTH = ((101, ORDERS), (102, ITEMS))
JUST_ITEMS = ((102, ITEMS),)
FRESH, EMPTY, RESTORED = fresh(), marked(), marked(SCHEMA_DONE)
PUBLISHED = change(RESTORED, {"source.publication": publication(*BOTH)})
WITH_SLOT = change(PUBLISHED, {"source.slot": slot()})
COPYING = change(streaming(SCHEMA_DONE, SUBSCRIBED), {"row_counts": None})
INDEXING = streaming(SCHEMA_DONE, SUBSCRIBED, COPIED)
STREAMING, SWITCHED = streaming(), switched()
COMPLETING = switched(Step.COMPLETING)
COMPLETED = change(
    switched(Step.COMPLETING, Step.COMPLETED), {"source.slot": None, "source.publication": None}
)

NO_ROLE = RoleDifference(role="app", exists=False, reason="missing", fix="")
OTHER_ROLE = RoleDifference(role="app", exists=True, reason="other", fix="")
LACKING: dict[str, object] = {"roles": Measured((OTHER_ROLE, NO_ROLE), NOW, 25.0)}
DELTA = RowCountDelta(table=ORDERS, source_rows=3, destination_rows=2)
NEW_TABLE: dict[str, object] = {
    "destination.tables.1": destination_table(ITEMS),
    "source.publication": publication((101, ORDERS)),
}
LATER = TableName("public", "later")
JUST_LATER = ((103, LATER),)
WITH_LATER = (*map(source_table, (101, 102, 103), (ORDERS, ITEMS, LATER)),)
CAME: dict[str, object] = {"source.tables": WITH_LATER, "settled": {LATER: 10_000}}
PARTITION: dict[str, object] = {
    "source.tables.2.partition_of": TableName("public", "whole"),
}
WHOLE = TableName("public", "whole")


def bare(
    name: TableName, partition_of: TableName | None = None, oid: int = 103
) -> PartitionedTable:
    return PartitionedTable(oid=oid, name=name, partition_of=partition_of)


BARE: dict[str, object] = {"source.partitioned": (bare(LATER),), "settled": {LATER: 10_001}}
BARE_ROOT = "source.partitioned.0.partition_of"
#: WHOLE is called LATER on the source; ORDERS is a leaf of it
MOVED_ROOT: dict[str, object] = BARE | {
    "destination.partitioned": (PartitionedTable(oid=7, name=WHOLE, source_oid=103),),
    "source.tables.0.partition_of": LATER,
    "destination.tables.0.partition_of": WHOLE,
}
SETTLED_LEAF = {LATER: 10_001, ORDERS: 10_001}
LEAFLESS: dict[str, object] = {
    "source.tables.0.partition_of": None,
    "destination.tables.0.partition_of": None,
}
NOTHING = (Phase.CATCHING_UP, None)
JUST = publication((102, ITEMS))
RENAME_ROOT = a.RenamePartitioned((a.Renaming(103, WHOLE, LATER),))
SWAPPED: dict[str, object] = {
    "source.tables.0.oid": 999,
    "source.publication": publication((102, ITEMS)),
    "settled": {ORDERS: 10_000},
}
RESYNC: dict[str, object] = {"destination.tables.0.resync": True}
IDLE: dict[str, object] = {
    "destination.tables.0.state": "",
    "destination.tables.0.has_rows": True,
}
UNFILLED: dict[str, object] = {"destination.tables.0.filled": False}
NO_ROWS: dict[str, object] = {"destination.tables.0.has_rows": False}
ATTACHED: dict[str, object] = {"destination.tables.0.partition_of": TableName("public", "whole")}
DETACHED: dict[str, object] = ATTACHED | {"settled": {ORDERS: 10_001}}
JOINED: dict[str, object] = {
    "source.tables.0.partition_of": TableName("public", "whole"),
    "settled": {ORDERS: 10_000},
}
RENAMED: dict[str, object] = {
    "source.tables.0.name": LATER,
    "source.publication": publication((101, LATER), (102, ITEMS)),
    "settled": {LATER: 10_001},
}
GONE: dict[str, object] = {
    "source.tables": (source_table(102, ITEMS),),
    "source.publication": publication((102, ITEMS)),
    "settled": {ORDERS: 10_000},
}
BEHIND: dict[str, object] = {"destination.sequences": (sequence(6),)}
FULL: dict[str, object] = {"source.slot.retained_bytes": 51 * 1024**3}
LOST_IDENTITY: dict[str, object] = {"source.tables.1.identity_usable": False}
ROUTE = "environment.route_error"


def lacking(kind: str) -> Measured[tuple[SchemaItem, ...]]:
    item = SchemaItem(object=str(ORDERS), kind=kind, definition="x", missing=True)
    return Measured((item,), NOW, 20.0)


REFUSED_ROLE: dict[str, object] = {
    "roles": Measured((NO_ROLE,), NOW, 25.0),
    "waiting": frozenset({"CreateRoles"}),
}
NOT_NEEDED: dict[str, object] = {
    "tied_roles": frozenset(),
    "environment.tied_roles": frozenset({NO_ROLE.role}),
}


def failing(since_progress: int, copied: int = 1) -> dict[str, object]:
    """The copy of a table fails; so many others came through, the last so many tries ago."""
    return {
        "destination.tables.0.state": "d",
        "copies": Copies({ORDERS: Tries(9, since_progress)}, states=(("d", 1), ("r", copied))),
    }


Case = tuple[Observation, dict[str, object], Phase, a.Action | None]
DROPPING = frozenset({"DropFromPublication"})
CASES: list[Case] = [
    # nothing is known
    (FRESH, {"destination": None}, Phase.UNKNOWN, None),
    (FRESH, {"source": None}, Phase.UNKNOWN, None),
    (EMPTY, {"source": None}, Phase.UNKNOWN, None),
    (STREAMING, {"source": None}, Phase.UNKNOWN, None),
    (STREAMING, {"destination": None}, Phase.UNKNOWN, None),
    (FRESH, {"destination.newer_marker": "format 2"}, Phase.UNKNOWN, None),
    # before anything is created
    (FRESH, {"roles": None}, Phase.PREFLIGHT, None),
    (FRESH, {ROUTE: None}, Phase.PREFLIGHT, None),
    (FRESH, {ROUTE: "timeout"}, Phase.BLOCKED, None),
    (
        FRESH,
        {"roles": Measured((NO_ROLE,), NOW, 25.0)},
        Phase.PREFLIGHT,
        a.CreateRoles(),
    ),
    # a role that cannot be made is waited for only by a database that needs it
    (FRESH, REFUSED_ROLE, Phase.PREFLIGHT, None),
    (FRESH, REFUSED_ROLE | NOT_NEEDED, Phase.PREFLIGHT, a.CreateDatabase()),
    (
        FRESH,
        REFUSED_ROLE | NOT_NEEDED | {"destination.database": database()},
        Phase.PREFLIGHT,
        a.AdoptDatabase(),
    ),
    (
        FRESH,
        {"roles": Measured((NO_ROLE,), NOW, 25.0)} | NOT_NEEDED,
        Phase.PREFLIGHT,
        a.CreateRoles(),
    ),
    (FRESH, {}, Phase.PREFLIGHT, a.CreateDatabase()),
    (FRESH, {"destination.database": database()}, Phase.PREFLIGHT, a.AdoptDatabase()),
    # the schema
    (EMPTY, {}, Phase.SCHEMA, a.RestoreSchema()),
    (EMPTY, {ROUTE: "timeout"}, Phase.SCHEMA, None),
    (EMPTY, {"destination.has_user_objects": True}, Phase.SCHEMA, a.DropUnfinishedDatabase()),
    (marked(created=False), {"destination.has_user_objects": True}, Phase.SCHEMA, None),
    (RESTORED, {}, Phase.SCHEMA, a.CreatePublication(BOTH)),
    (RESTORED, LOST_IDENTITY, Phase.SCHEMA, a.CreatePublication(BOTH[:1])),
    (
        RESTORED,
        {"destination.tables.1.has_rows": True},
        Phase.SCHEMA,
        a.CreatePublication(BOTH[:1]),
    ),
    (
        PUBLISHED,
        {"source.publication": publication((101, ORDERS))},
        Phase.SCHEMA,
        a.AddToPublication(JUST_ITEMS),
    ),
    (PUBLISHED, {}, Phase.SCHEMA, a.CreateSlot()),
    (PUBLISHED, LOST_IDENTITY, Phase.SCHEMA, a.DropFromPublication(JUST_ITEMS)),
    (WITH_SLOT, {}, Phase.SCHEMA, a.CreateSubscription()),
    (WITH_SLOT, FULL, Phase.SCHEMA, a.DropSlot()),
    (WITH_SLOT, {"environment.copying_databases": 2}, Phase.SCHEMA, None),
    (WITH_SLOT, {"environment.copying_databases": 1}, Phase.SCHEMA, a.CreateSubscription()),
    # the copy
    (COPYING, {"destination.tables.0.state": "d"}, Phase.COPYING, None),
    (COPYING, {}, Phase.COPYING, a.MarkCopied()),
    # one that fails is not waited for, unless what another table brought may have helped it
    (COPYING, failing(3), Phase.COPYING, a.MarkCopied()),
    (COPYING, failing(2), Phase.COPYING, None),
    (COPYING, failing(9, copied=0), Phase.COPYING, None),
    (COPYING, failing(3) | {"destination.tables.1.state": "i"}, Phase.COPYING, None),
    (COPYING, {"destination.subscription.enabled": False}, Phase.COPYING, a.EnableSubscription()),
    (COPYING, {"destination.start_remembered": False}, Phase.COPYING, a.RememberStart()),
    (COPYING, {"destination.source_start": NOW}, Phase.COPYING, a.RememberStart()),
    (COPYING, {"conflicts": Conflicts({}, NOW)}, Phase.COPYING, a.RememberConflicts()),
    (
        by_inserts(),
        {"source.counting_since": ""},
        Phase.CATCHING_UP,
        a.ForgetCounts(),
    ),
    (
        STREAMING,
        {"destination.start_remembered": False, "doubt": "an older copy"},
        Phase.FAILED,
        None,
    ),
    (COPYING, NEW_TABLE, Phase.COPYING, a.AddToPublication(JUST_ITEMS)),
    (
        COPYING,
        {"destination.tables.1": destination_table(ITEMS)},
        Phase.COPYING,
        a.RefreshSubscription(),
    ),
    (COPYING, LOST_IDENTITY, Phase.COPYING, a.DropFromPublication(JUST_ITEMS)),
    (COPYING, {"source.publication": publication((101, ORDERS))}, Phase.COPYING, a.MarkCopied()),
    # a finding that blocked before does not move a phase back
    (COPYING, {"source.server.settings.max_wal_senders": "1"}, Phase.COPYING, a.MarkCopied()),
    # the rest
    (INDEXING, {}, Phase.INDEXING, a.RestoreRest()),
    (INDEXING, {"running": frozenset({"RestoreRest"})}, Phase.INDEXING, None),
    (
        INDEXING,
        {"running": frozenset({"RestoreRest"}), **BEHIND},
        Phase.INDEXING,
        a.SynchronizeSequences(),
    ),
    (INDEXING, {"waiting": frozenset({"RestoreRest"})}, Phase.INDEXING, None),
    # streaming
    (STREAMING, {}, Phase.CATCHING_UP, None),
    (STREAMING, BEHIND, Phase.CATCHING_UP, a.SynchronizeSequences()),
    # a busy application leaves sequences behind in every tick: that must not keep a count away
    (STREAMING, {"row_counts": None, **BEHIND}, Phase.CATCHING_UP, a.VerifyRowCounts()),
    (
        STREAMING,
        {"row_counts": None, "running": frozenset({"VerifyRowCounts"}), **BEHIND},
        Phase.CATCHING_UP,
        a.SynchronizeSequences(),
    ),
    (STREAMING, {"schema": lacking("index")}, Phase.CATCHING_UP, a.RestoreRest()),
    (STREAMING, {"schema": lacking("constraint")}, Phase.CATCHING_UP, a.RestoreRest()),
    (STREAMING, {"schema": lacking("column")}, Phase.CATCHING_UP, None),
    # a table that came later is analysed as those before it were
    (
        STREAMING,
        {"destination.tables.0.has_statistics": False},
        Phase.CATCHING_UP,
        a.RestoreRest(),
    ),
    (STREAMING, {"row_counts": None}, Phase.CATCHING_UP, a.VerifyRowCounts()),
    (STREAMING, {"row_counts.at": NOW - 61}, Phase.CATCHING_UP, a.VerifyRowCounts()),
    (
        STREAMING,
        {"row_counts": row_counts(deltas=(DELTA,)), "at": NOW + 11},
        Phase.CATCHING_UP,
        a.VerifyRowCounts(),
    ),
    (
        STREAMING,
        {"source.server.started_at": NOW, "destination.source_start": NOW},
        Phase.CATCHING_UP,
        a.VerifyRowCounts(),
    ),
    (STREAMING, NEW_TABLE, Phase.CATCHING_UP, a.AddToPublication(JUST_ITEMS)),
    # a table that came later: left alone at first, and until apply has passed its creation
    (STREAMING, {"source.tables": WITH_LATER}, Phase.CATCHING_UP, None),
    (STREAMING, CAME, Phase.CATCHING_UP, a.RestoreTables(JUST_LATER)),
    (COPYING, CAME, Phase.COPYING, a.RestoreTables(JUST_LATER)),
    (INDEXING, CAME, Phase.INDEXING, a.RestoreTables(JUST_LATER)),
    (STREAMING, CAME | PARTITION, Phase.CATCHING_UP, a.RestoreTables(JUST_LATER)),
    (STREAMING, CAME | PARTITION | {"settled": {LATER: 10_001}}, Phase.CATCHING_UP, None),
    (
        STREAMING,
        CAME | {"settled": {LATER: 10_001}},
        Phase.CATCHING_UP,
        a.RestoreTables(JUST_LATER),
    ),
    # so is a partitioned table that has no leaf yet; one that has comes with it
    (STREAMING, BARE | {"settled": {}}, Phase.CATCHING_UP, None),
    (STREAMING, BARE, Phase.CATCHING_UP, a.RestoreTables(JUST_LATER)),
    (STREAMING, BARE | {BARE_ROOT: ORDERS}, Phase.CATCHING_UP, None),
    (
        STREAMING,
        BARE | {BARE_ROOT: ORDERS, "settled": {LATER: 10_000}},
        Phase.CATCHING_UP,
        a.RestoreTables(JUST_LATER),
    ),
    (STREAMING, BARE | {"source.tables.0.partition_of": LATER}, Phase.CATCHING_UP, None),
    (
        STREAMING,
        BARE
        | {
            "source.partitioned": (bare(LATER), bare(WHOLE, LATER)),
            "source.tables.0.partition_of": WHOLE,
            "destination.tables.0.partition_of": WHOLE,
        },
        Phase.CATCHING_UP,
        None,
    ),
    (STREAMING, BARE | {"destination.partitioned": (bare(LATER),)}, Phase.CATCHING_UP, None),
    (
        STREAMING,
        BARE | {"destination.tables.1": destination_table(LATER)},
        Phase.CATCHING_UP,
        None,
    ),
    # until then a REFRESH would fail
    (
        STREAMING,
        {
            **CAME,
            "settled": {},
            "destination.tables.1": destination_table(ITEMS),
            "source.publication": publication(*BOTH, *JUST_LATER),
        },
        Phase.CATCHING_UP,
        None,
    ),
    # its indexes come after its copy
    (
        STREAMING,
        {"schema": lacking("index"), "destination.tables.0": destination_table(ORDERS, "d")},
        Phase.CATCHING_UP,
        None,
    ),
    # a table that was replaced, or is asked for: withdrawn, unsubscribed, emptied, then as any new
    (STREAMING, SWAPPED | {"settled": {}}, Phase.CATCHING_UP, None),
    (
        STREAMING,
        SWAPPED | {"source.publication": publication((999, ORDERS), (102, ITEMS))},
        Phase.CATCHING_UP,
        a.WithdrawTables(((999, ORDERS),)),
    ),
    (STREAMING, SWAPPED, Phase.CATCHING_UP, a.RefreshSubscription()),
    (COPYING, SWAPPED, Phase.COPYING, a.RefreshSubscription()),
    (STREAMING, SWAPPED | IDLE, Phase.CATCHING_UP, a.EmptyTables((ORDERS,))),
    # nothing is known of where its rows came from
    (
        STREAMING,
        SWAPPED | IDLE | {"destination.tables.0.source_oid": None},
        Phase.CATCHING_UP,
        None,
    ),
    (STREAMING, RESYNC, Phase.CATCHING_UP, a.WithdrawTables(((101, ORDERS),))),
    (
        STREAMING,
        RESYNC | {"source.publication": publication((102, ITEMS))},
        Phase.CATCHING_UP,
        a.RefreshSubscription(),
    ),
    (
        STREAMING,
        RESYNC | IDLE | {"source.publication": publication((102, ITEMS))},
        Phase.CATCHING_UP,
        a.EmptyTables((ORDERS,)),
    ),
    # empty by chance: it is noted down as filled still
    (
        STREAMING,
        RESYNC
        | IDLE
        | {
            "source.publication": publication((102, ITEMS)),
            "destination.tables.0.has_rows": False,
        },
        Phase.CATCHING_UP,
        a.EmptyTables((ORDERS,)),
    ),
    # a partition that was detached, whatever apply has reached; one that was dropped, only then
    (STREAMING, DETACHED | {"settled": {}}, Phase.CATCHING_UP, None),
    (STREAMING, DETACHED, Phase.CATCHING_UP, a.DetachPartitions((ORDERS,))),
    (COPYING, DETACHED, Phase.COPYING, a.DetachPartitions((ORDERS,))),
    (STREAMING, DETACHED | {"destination.tables.0.created": False}, Phase.CATCHING_UP, None),
    (STREAMING, JOINED, Phase.CATCHING_UP, a.AttachPartitions((ORDERS,))),
    (STREAMING, JOINED | {"settled": {ORDERS: 10_001}}, Phase.CATCHING_UP, None),
    (STREAMING, JOINED | {"destination.tables.0.created": False}, Phase.CATCHING_UP, None),
    (STREAMING, JOINED | {"destination.tables.0.state": "d"}, Phase.CATCHING_UP, None),
    (STREAMING, JOINED | ATTACHED, Phase.CATCHING_UP, None),
    (
        STREAMING,
        JOINED | {"destination.tables.0.partition_of": ITEMS},
        Phase.CATCHING_UP,
        a.DetachPartitions((ORDERS,)),
    ),
    # an index that is there under another name is not built again
    (
        STREAMING,
        {
            "schema": Measured(
                tuple(
                    SchemaItem(
                        object=str(ORDERS),
                        kind="index",
                        definition=f"CREATE INDEX {name} ON public.orders USING btree (x)",
                        missing=name == "new",
                    )
                    for name in ("new", "old")
                ),
                NOW,
                20.0,
            )
        },
        Phase.CATCHING_UP,
        None,
    ),
    # renamed, whatever the slot has confirmed: apply may halt at the new name
    (
        STREAMING,
        RENAMED,
        Phase.CATCHING_UP,
        a.RenameTables((a.Renaming(101, ORDERS, LATER),)),
    ),
    (STREAMING, RENAMED | {"settled": {}}, Phase.CATCHING_UP, None),
    (STREAMING, RENAMED | {"destination.tables.0.created": False}, Phase.CATCHING_UP, None),
    # another one has taken its name: changes have gone into the wrong one
    (
        STREAMING,
        RENAMED | {"source.tables.1.name": ORDERS},
        Phase.CATCHING_UP,
        a.RenameTables((a.Renaming(101, ORDERS, LATER, anew=True),)),
    ),
    # a partitioned table, before its leaves would be detached; one without a leaf likewise
    (STREAMING, MOVED_ROOT, Phase.CATCHING_UP, RENAME_ROOT),
    (STREAMING, MOVED_ROOT | {"settled": SETTLED_LEAF}, Phase.CATCHING_UP, RENAME_ROOT),
    (STREAMING, MOVED_ROOT | LEAFLESS, Phase.CATCHING_UP, RENAME_ROOT),
    (STREAMING, MOVED_ROOT | {"settled": {}}, Phase.CATCHING_UP, None),
    (STREAMING, MOVED_ROOT | {"source.publication.whole": False}, Phase.CATCHING_UP, None),
    (
        STREAMING,
        MOVED_ROOT | LEAFLESS | {"source.publication.whole": False},
        Phase.CATCHING_UP,
        None,
    ),
    # whether it is the same is not known, or its name has gone to another one
    (STREAMING, MOVED_ROOT | {"destination.partitioned.0.source_oid": None}, *NOTHING),
    (STREAMING, MOVED_ROOT | {"destination.partitioned.0.source_oid": 104}, *NOTHING),
    (
        STREAMING,
        MOVED_ROOT | {"source.partitioned": (bare(LATER), bare(WHOLE, oid=104))},
        *NOTHING,
    ),
    (STREAMING, MOVED_ROOT | {"destination.tables.1.name": LATER}, *NOTHING),
    # a leaf says otherwise: it is moved first
    (STREAMING, MOVED_ROOT | {"source.tables.0.partition_of": ITEMS}, *NOTHING),
    (
        STREAMING,
        MOVED_ROOT | {"source.tables.0.partition_of": None, "settled": SETTLED_LEAF},
        Phase.CATCHING_UP,
        a.DetachPartitions((ORDERS,)),
    ),
    # one that the source dropped says nothing; one that was never copied is known by its name
    (
        STREAMING,
        MOVED_ROOT | {"source.tables": (source_table(102, ITEMS),), "source.publication": JUST},
        Phase.CATCHING_UP,
        RENAME_ROOT,
    ),
    (
        STREAMING,
        MOVED_ROOT
        | {"destination.tables.0.source_oid": None, "source.tables.0.partition_of": ITEMS},
        *NOTHING,
    ),
    (STREAMING, GONE | ATTACHED, Phase.CATCHING_UP, a.DetachPartitions((ORDERS,))),
    (STREAMING, GONE | {"settled": {}}, Phase.CATCHING_UP, None),
    (STREAMING, GONE, Phase.CATCHING_UP, a.RefreshSubscription()),
    (STREAMING, GONE | IDLE, Phase.CATCHING_UP, a.DropTables((ORDERS,))),
    (STREAMING, GONE | IDLE | {"settled": {ORDERS: 10_001}}, Phase.CATCHING_UP, None),
    (STREAMING, GONE | IDLE | {"destination.tables.0.created": False}, Phase.CATCHING_UP, None),
    # what somebody else put into it is never lost; what never held a row is no loss
    (STREAMING, GONE | IDLE | UNFILLED, Phase.CATCHING_UP, None),
    (STREAMING, GONE | IDLE | UNFILLED | NO_ROWS, Phase.CATCHING_UP, a.DropTables((ORDERS,))),
    (STREAMING, SWAPPED | IDLE | UNFILLED, Phase.CATCHING_UP, None),
    (STREAMING, SWAPPED | IDLE | UNFILLED | NO_ROWS, Phase.CATCHING_UP, a.EmptyTables((ORDERS,))),
    # a table that the last count left out, or counted before it was copied anew, is counted soon
    (
        STREAMING,
        {"row_counts": row_counts(tables=frozenset({ORDERS}))},
        Phase.CATCHING_UP,
        a.VerifyRowCounts(frozenset({ITEMS})),
    ),
    (
        STREAMING,
        {"destination.tables.1.synchronized_lsn": 10_000},
        Phase.CATCHING_UP,
        a.VerifyRowCounts(frozenset({ITEMS})),
    ),
    (
        STREAMING,
        {"row_counts": row_counts(tables=frozenset({ORDERS}), last_at=NOW - 4)},
        Phase.CATCHING_UP,
        None,
    ),
    # not beside a count: that gives way first
    (
        STREAMING,
        {"destination.subscription.enabled": False, "running": frozenset({"VerifyRowCounts"})},
        Phase.CATCHING_UP,
        None,
    ),
    (STREAMING, {"policy.complete": True}, Phase.CATCHING_UP, None),
    # a role that came later; before the tables that may be its own
    (COPYING, LACKING, Phase.COPYING, a.CreateRoles()),
    (INDEXING, LACKING, Phase.INDEXING, a.CreateRoles()),
    (STREAMING, LACKING | CAME, Phase.CATCHING_UP, a.CreateRoles()),
    (STREAMING, LACKING | {"waiting": frozenset({"CreateRoles"})}, Phase.CATCHING_UP, None),
    (STREAMING, LACKING | {"source.slot": None}, Phase.FAILED, None),
    (STREAMING, {"roles": Measured((OTHER_ROLE,), NOW, 25.0)}, Phase.CATCHING_UP, None),
    (SWITCHED, LACKING, Phase.SWITCHED, None),
    # what a person must mend
    (STREAMING, {"source.slot": None}, Phase.FAILED, None),
    (STREAMING, {"source.slot.wal_status": "lost", **FULL}, Phase.FAILED, None),
    (STREAMING, {"source.publication": None}, Phase.FAILED, None),
    (STREAMING, {"destination.subscription": None}, Phase.FAILED, None),
    (STREAMING, {"source.server.identity.timeline": 2}, Phase.FAILED, None),
    (STREAMING, {"destination.server.identity.timeline": 2}, Phase.FAILED, None),
    (STREAMING, {"source.server.identity.system_identifier": 1}, Phase.FAILED, None),
    (STREAMING, {"source.server.identity.timeline": 2, **FULL}, Phase.FAILED, a.DropSlot()),
    # what protects the source does not wait
    (STREAMING, FULL, Phase.CATCHING_UP, a.DropSlot()),
    (STREAMING, {**FULL, "destination": None}, Phase.UNKNOWN, a.DropSlot()),
    (STREAMING, {**FULL, "running": frozenset({"RestoreRest"})}, Phase.CATCHING_UP, a.DropSlot()),
    (STREAMING, {"source.slot.sync_retained_bytes": 2**50}, Phase.CATCHING_UP, a.DropSlot()),
    (
        STREAMING,
        {**LOST_IDENTITY, "running": frozenset({"VerifyRowCounts"})},
        Phase.CATCHING_UP,
        a.DropFromPublication(JUST_ITEMS),
    ),
    # and what is brief does not wait for it: it may be at that for hours
    *(
        (STREAMING, BEHIND | {"running": under_way}, Phase.CATCHING_UP, a.SynchronizeSequences())
        for under_way in (DROPPING, frozenset({"DropSlot"}), DROPPING | {"VerifyRowCounts"})
    ),
    (STREAMING, CAME | {"running": DROPPING}, Phase.CATCHING_UP, None),
    (STREAMING, BEHIND | {"running": DROPPING | {"RenameTables"}}, Phase.CATCHING_UP, None),
    # the end
    (SWITCHED, {}, Phase.SWITCHED, None),
    (SWITCHED, BEHIND, Phase.SWITCHED, None),
    (SWITCHED, {"source": None}, Phase.SWITCHED, None),
    (SWITCHED, {"source.server.identity.timeline": 2}, Phase.SWITCHED, None),
    (
        SWITCHED,
        {"destination.subscription.enabled": True},
        Phase.SWITCHED,
        a.DisableSubscription(),
    ),
    (SWITCHED, {"policy.complete": True}, Phase.SWITCHED, a.BeginCompletion()),
    (SWITCHED, {"policy.complete": True, "source.late_writes": 1}, Phase.SWITCHED, None),
    (SWITCHED, {"policy.complete": True, "source.late_writes": None}, Phase.SWITCHED, None),
    (SWITCHED, {"policy.complete": True, "source": None}, Phase.SWITCHED, None),
    (
        SWITCHED,
        {"policy.complete": True, "environment.lingering_databases": ("other",)},
        Phase.SWITCHED,
        None,
    ),
    (COMPLETING, {}, Phase.SWITCHED, a.RemoveReplication()),
    (COMPLETING, {"source": None}, Phase.SWITCHED, a.RemoveReplication()),
    (streaming(SUBSCRIBED, Step.ABANDONED), {}, Phase.SWITCHED, a.RemoveReplication()),
    (COMPLETED, {}, Phase.COMPLETED, None),
    (COMPLETED, {"source": None}, Phase.COMPLETED, None),
    (COMPLETED, {"source.slot": slot()}, Phase.COMPLETED, a.RemoveReplication()),
    (COMPLETED, {"source.publication": publication()}, Phase.COMPLETED, a.RemoveReplication()),
]


@pytest.mark.parametrize(("obs", "changes", "phase", "action"), CASES)
def test_phase_and_action(
    obs: Observation, changes: dict[str, object], phase: Phase, action: a.Action | None
) -> None:
    changed = change(obs, changes)
    decision = decide(changed, find_problems(changed))
    assert (decision.phase, decision.action) == (phase, action), decision.reason
    assert decision.reason


COUNTING = {"running": frozenset({"VerifyRowCounts"})}


@pytest.mark.parametrize(
    ("obs", "changes", "held_up"),
    [
        (STREAMING, COUNTING | CAME, a.RestoreTables(JUST_LATER)),
        (
            STREAMING,
            COUNTING | {"destination.subscription.enabled": False},
            a.EnableSubscription(),
        ),
        (STREAMING, COUNTING | CAME | {"waiting": frozenset({"RestoreTables"})}, None),
        # another action is in its way as well
        (STREAMING, CAME | {"running": frozenset({"VerifyRowCounts", "CreateRoles"})}, None),
        (STREAMING, {"running": frozenset({"RestoreRest"})} | CAME, None),
        # these wait, or need not
        (STREAMING, COUNTING | BEHIND, None),
        (STREAMING, COUNTING | {"schema": lacking("index")}, None),
        (STREAMING, COUNTING | {"row_counts": None}, None),
    ],
)
def test_a_count_gives_way_to_what_must_not_wait(
    obs: Observation, changes: dict[str, object], held_up: a.Action | None
) -> None:
    changed = change(obs, changes)
    assert decide(changed, find_problems(changed)).held_up == held_up


def test_every_phase_has_a_case() -> None:
    # `ready` is `catching_up` with every gate passing: see the tests of history
    assert {case[2] for case in CASES} == set(Phase) - {Phase.READY}


def test_every_action_has_a_case() -> None:
    kinds = {action.__name__ for action in a.Action.__subclasses__()}
    assert {case[3].kind for case in CASES if case[3] is not None} == kinds


def test_what_is_lost_is_named() -> None:
    changed = change(STREAMING, {"source.slot": None, "source.publication": None})
    reason = decide(changed, ()).reason
    assert "slot" in reason
    assert "publication" in reason


def test_who_holds_up_the_slot_is_named() -> None:
    changed = change(PUBLISHED, {"source.open_writers": ("pid 12, role x",)})
    assert "pid 12, role x" in decide(changed, ()).reason


def test_the_preferred_action_that_waits_lets_the_next_start() -> None:
    changed = change(
        STREAMING,
        {**BEHIND, "schema": lacking("index"), "waiting": frozenset({"RestoreRest"})},
    )
    decision = decide(changed, ())
    assert [offer.kind for offer in decision.offers] == ["RestoreRest", "SynchronizeSequences"]
    assert decision.action == a.SynchronizeSequences()


@pytest.mark.parametrize(
    ("base", "copying", "expected"),
    [
        (WITH_SLOT, 2, {Throttle.MAX_PARALLEL_TABLES}),
        (WITH_SLOT, 1, set()),
        (streaming(), 2, set()),
        (fresh(), 2, set()),
    ],
)
def test_a_copy_that_is_held_back_says_so(
    base: Observation, copying: int, expected: set[Throttle]
) -> None:
    assert throttles(change(base, {"environment.copying_databases": copying})) == expected


def test_what_keeps_the_checks_is_said() -> None:
    waiting: dict[str, object] = {"roles": None, "source_error": "source old: no"}
    reason = decide(change(FRESH, waiting), ()).reason
    assert reason == "the checks are not through yet; source old: no"


def test_sequences_are_followed_in_the_tick_that_asks_for_a_lock() -> None:
    changed = change(STREAMING, LOST_IDENTITY | BEHIND)
    decision = decide(changed, find_problems(changed))
    assert decision.action == a.DropFromPublication(JUST_ITEMS)
    assert decision.beside == a.SynchronizeSequences()


@pytest.mark.parametrize(
    "kind",
    ["RestoreRest", "RestoreTables", "VerifyRowCounts", "DropFromPublication", "DropSlot"],
)
def test_what_a_crash_would_forget_is_noted_beside_what_may_take_hours(kind: str) -> None:
    under_way: dict[str, object] = {"running": frozenset({kind})}
    started = change(STREAMING, under_way | {"destination.source_start": NOW})
    assert decide(started, ()).action == a.RememberStart()
    assert decide(started, ()).held_up is None
    counted = change(STREAMING, under_way | {"conflicts": Conflicts({}, NOW)})
    assert decide(counted, ()).action == a.RememberConflicts()
    stopped = change(by_inserts(), under_way | {"source.counting_since": ""})
    assert decide(stopped, ()).action == a.ForgetCounts()
