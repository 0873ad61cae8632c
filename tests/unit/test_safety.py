"""Each invariant stops the actions that would break it, whatever `decide` may have thought."""

import pytest

from pgmigrator.core import actions as a
from pgmigrator.core.facts import PartitionedTable
from pgmigrator.core.marker import ServerIdentity, Step
from pgmigrator.core.model import Measured, Observation, RoleDifference
from pgmigrator.core.names import TableName
from pgmigrator.core.safety import BRIEF, CLAIMS, PROTECTING, assert_safe
from pgmigrator.errors import InvariantBroken
from tests.unit.builders import (
    ITEMS,
    NOW,
    ORDERS,
    at_switch,
    by_inserts,
    change,
    database,
    destination_table,
    fresh,
    marked,
    publication,
    sequence,
    slot,
    source_table,
    streaming,
    switched,
)


def roles(*exist: bool) -> Measured[tuple[RoleDifference, ...]]:
    """Differences of roles that the destination has, or has not."""
    made = (RoleDifference(role="app", exists=each, reason="why", fix="") for each in exist)
    return Measured(tuple(made), NOW, 25.0)


BOTH = ((101, ORDERS), (102, ITEMS))
FRESH, EMPTY, RESTORED = fresh(), marked(), marked(Step.SCHEMA_DONE)
READY_TO_COPY = change(RESTORED, {"source.publication": publication(*BOTH), "source.slot": slot()})
STREAMING, SWITCHED = streaming(), switched()
COMPLETING = switched(Step.COMPLETING)
#: ITEMS was published and is not subscribed yet
BY_INSERTS = by_inserts()
SWITCHED_BY_INSERTS = change(
    BY_INSERTS,
    {
        "destination.marker": SWITCHED.marker,
        "destination.subscription.enabled": False,
        "source.late_writes": 0,
        "destination.at_switch": at_switch(BY_INSERTS),
    },
)
INSERT_ONLY: dict[str, object] = {"policy.tables_without_identity": "insert_only"}
PUBLISHED = change(STREAMING, {"destination.tables.1": destination_table(ITEMS)})

LATER = TableName("public", "later")
JUST_LATER = ((103, LATER),)
CAME: dict[str, object] = {
    "source.tables": (*map(source_table, (101, 102, 103), (ORDERS, ITEMS, LATER)),),
    "settled": {LATER: 10_000},
}

#: LATER is a partitioned table that has no leaf yet
BARE: dict[str, object] = {
    "source.partitioned": (PartitionedTable(oid=103, name=LATER),),
    "settled": {LATER: 10_001},
}
#: ORDERS is another table on the source, by now out of the publication
SWAPPED: dict[str, object] = {
    "source.tables.0.oid": 999,
    "source.publication": publication((102, ITEMS)),
}
IDLE: dict[str, object] = {"destination.tables.0.state": ""}
RESYNC: dict[str, object] = {"destination.tables.0.resync": True}

DETACHED: dict[str, object] = {
    "destination.tables.0.partition_of": ITEMS,
    "settled": {ORDERS: 10_001},
}
JOINED: dict[str, object] = {
    "source.tables.0.partition_of": ITEMS,
    "settled": {ORDERS: 10_000},
}
RENAMED: dict[str, object] = {"source.tables.0.name": LATER, "settled": {LATER: 10_001}}
#: the partitioned table FAMILY is called LATER on the source
FAMILY = TableName("public", "family")
RENAMED_ROOT: dict[str, object] = {
    "source.partitioned": (PartitionedTable(oid=103, name=LATER),),
    "destination.partitioned": (PartitionedTable(oid=7, name=FAMILY, source_oid=103),),
    "settled": {LATER: 10_001},
}
ROOT_TO_LATER = a.RenamePartitioned((a.Renaming(103, FAMILY, LATER),))
ANEW_TO_LATER = a.RenamePartitioned((a.Renaming(103, FAMILY, LATER, anew=True),))
TO_LATER = a.RenameTables((a.Renaming(101, ORDERS, LATER),))
GONE: dict[str, object] = {
    "source.tables": (source_table(102, ITEMS),),
    "source.publication": publication((102, ITEMS)),
    "settled": {ORDERS: 10_000},
}

LACKING: dict[str, object] = {"roles": roles(False, True)}

#: where each action may run
SAFE: list[tuple[a.Action, Observation, dict[str, object]]] = [
    (a.CreateRoles(), FRESH, LACKING),
    (a.CreateDatabase(), FRESH, {}),
    (a.AdoptDatabase(), FRESH, {"destination.database": database()}),
    (a.DropUnfinishedDatabase(), EMPTY, {"destination.has_user_objects": True}),
    (a.RestoreSchema(), EMPTY, {}),
    (a.CreatePublication(BOTH), RESTORED, {}),
    (a.CreateSlot(), READY_TO_COPY, {"source.slot": None}),
    (a.CreateSubscription(), READY_TO_COPY, {}),
    (a.AddToPublication(((102, ITEMS),)), STREAMING, {}),
    (a.RefreshSubscription(), PUBLISHED, {}),
    (a.RestoreTables(JUST_LATER), STREAMING, CAME),
    (a.RestoreTables(JUST_LATER), STREAMING, BARE),
    (a.WithdrawTables(((999, ORDERS),)), STREAMING, SWAPPED),
    (a.EmptyTables((ORDERS,)), STREAMING, SWAPPED | IDLE),
    (a.DetachPartitions((ORDERS,)), STREAMING, DETACHED),
    (a.DetachPartitions((ORDERS,)), STREAMING, DETACHED | GONE),
    (a.AttachPartitions((ORDERS,)), STREAMING, JOINED),
    (TO_LATER, STREAMING, RENAMED),
    (ROOT_TO_LATER, STREAMING, RENAMED_ROOT),
    (a.DropTables((ORDERS,)), STREAMING, GONE | IDLE),
    (a.EnableSubscription(), STREAMING, {"destination.subscription.enabled": False}),
    (a.RememberStart(), STREAMING, {"destination.start_remembered": False}),
    (a.RememberConflicts(), STREAMING, {}),
    (a.ForgetCounts(), BY_INSERTS, {}),
    (a.MarkCopied(), STREAMING, {}),
    (a.RestoreRest(), STREAMING, {}),
    (a.SynchronizeSequences(), STREAMING, {}),
    (a.VerifyRowCounts(), STREAMING, {}),
    (a.DropFromPublication(((102, ITEMS),)), STREAMING, {"source.tables.1.identity_usable": False}),
    (a.CreatePublication((), insert_only=True), RESTORED, INSERT_ONLY),
    (a.AddToPublication(((102, ITEMS),), insert_only=True), BY_INSERTS, {}),
    (a.BeginCompletion(), SWITCHED_BY_INSERTS, {}),
    (a.DropSlot(), STREAMING, {}),
    (a.DropSlot(), STREAMING, {"destination": None}),
    (a.DropSlot(), SWITCHED, {}),
    (a.DisableSubscription(), SWITCHED, {}),
    (a.DisableSubscription(), SWITCHED, {"source": None}),
    (a.BeginCompletion(), SWITCHED, {}),
    (a.RemoveReplication(), COMPLETING, {}),
    (a.RemoveReplication(), COMPLETING, {"source": None}),
    (a.RemoveReplication(), switched(Step.COMPLETED), {}),
    (a.RemoveReplication(), streaming(Step.SUBSCRIBED, Step.ABANDONED), {}),
]
#: those that bring a migration forward; only before the switch
FORWARD = SAFE[:24]
#: those that need the source's answer, too
WITH_SOURCE = SAFE[:25]

KNOWN = "no action starts while a server that it needs is unknown"
NAMED = "no action starts before its names are known"
BESIDE = "only what is brief or protects starts beside another"
NEWER = "a newer daemon's database is left alone"
LEFT_ALONE = "a switched destination is left alone"
ASKED = "only what was asked for is removed"
AFTER_SWITCH = "a migration ends only after its switch"
ONCE = "nothing is created again once subscribed"
LACK = "roles are only created where some lack"
OURS = "only our own unfinished database is dropped"
OVER = "no database is created over another"
TWICE = "no table is in both publications"
IDENTITY = "every published table has a usable identity"
EMPTY_TABLES = "no initial copy goes into a table with rows"
WHOLE = "REFRESH needs a whole publication"
FOREIGN = "a publication that is not ours is left alone"
SAME_SERVERS = "the servers are those that were copied"

WITHDRAWN = "only tables to be copied anew are withdrawn"
EMPTIED = "only idle tables of ours are emptied"
JOINS = "only what the source attached is attached"
LOOSE = "only what the source detached is detached"
RENAMES = "only what the source renamed is renamed"
RENAMES_ROOTS = "only partitioned tables of ours that the source renamed are renamed"
DROPPED = "only tables that we created and the source dropped are dropped"
PARTITION: dict[str, object] = {"source.tables.0.partition_of": ITEMS}
NOT_CREATED: dict[str, object] = {"destination.tables.0.created": False}
THEIR_ROWS: dict[str, object] = {
    "destination.tables.0.filled": False,
    "destination.tables.0.has_rows": True,
}
TOO_EARLY = "no table is created over another, nor too early"

NO_IDENTITY: dict[str, object] = {"source.tables.0.identity_usable": False}
FILLED: dict[str, object] = {"destination.tables.1.has_rows": True}
NOT_LOOKED: dict[str, object] = {"destination.tables.1.has_rows": None}
THEIRS: dict[str, object] = {"source.publication.comment": "someone else's"}
THEIR_INSERTS: dict[str, object] = {"source.insert_only.comment": "someone else's"}
DOUBTS: list[dict[str, object]] = [
    {"source.tables.1.changes": 8},
    {"source.counting_since": "never 2"},
    {"source.counting_since": ""},
    {"destination.tables.1.baseline": None},
]
NO_ROOT: list[dict[str, object]] = [
    {"settled": {}},
    {"source.publication.whole": False},
    {"source.insert_only": change(publication((102, ITEMS)), {"whole": False})},
    {"destination.partitioned.0.source_oid": None},
    {"destination.partitioned.0.source_oid": 104},
    {"source.partitioned.0.oid": 104},
    {"source.tables.1.name": FAMILY},
    {"destination.tables.1.name": LATER},
]
NO_RENAMING: list[dict[str, object]] = [
    NOT_CREATED,
    {"settled": {}},
    {"destination.tables.0.source_oid": 999},
    {"destination.tables.1.name": LATER},
    {"source.tables.1.name": ORDERS},
    {"source.tables.0.oid": 999},
]
ONLY_OURS = "only our own database is changed"
HEALTHY = "no healthy table leaves the publication"
STAYS_ON = "the stream stays on until the switch"
OTHER_SERVER = ServerIdentity(system_identifier=1, timeline=1)
REPLACED: list[dict[str, object]] = [
    {"source.server.identity": OTHER_SERVER},
    {"destination.server.identity": OTHER_SERVER},
    {"source.server.identity.timeline": 2},
    {"doubt": "it is an older copy"},
]

UNSAFE: list[tuple[str, a.Action, Observation, dict[str, object]]] = [
    *((KNOWN, action, obs, {**facts, "source": None}) for action, obs, facts in WITH_SOURCE),
    *((KNOWN, action, obs, {**facts, "destination": None}) for action, obs, facts in FORWARD),
    (KNOWN, a.BeginCompletion(), SWITCHED, {"destination": None}),
    (KNOWN, a.RemoveReplication(), COMPLETING, {"destination": None}),
    *((NAMED, action, obs, {**facts, "names": None}) for action, obs, facts in SAFE),
    *(
        (BESIDE, action, obs, facts | {"running": frozenset({"DropFromPublication"})})
        for action, obs, facts in SAFE
        if not isinstance(action, PROTECTING + BRIEF)
    ),
    (BESIDE, a.DropSlot(), STREAMING, {"running": frozenset({"DropSlot"})}),
    (NEWER, a.AdoptDatabase(), FRESH, {"destination.newer_marker": "format 2"}),
    (NEWER, a.SynchronizeSequences(), STREAMING, {"destination.newer_marker": "format 2"}),
    (NEWER, a.RemoveReplication(), COMPLETING, {"destination.newer_marker": "format 2"}),
    *((LEFT_ALONE, action, SWITCHED, {}) for action, _, _ in FORWARD),
    *((LEFT_ALONE, action, switched(Step.COMPLETED), {}) for action, _, _ in FORWARD),
    *((ASKED, a.RemoveReplication(), obs, {}) for obs in (FRESH, RESTORED, STREAMING, SWITCHED)),
    *((AFTER_SWITCH, a.BeginCompletion(), obs, {}) for obs in (FRESH, RESTORED, STREAMING)),
    (AFTER_SWITCH, a.BeginCompletion(), SWITCHED, {"source.late_writes": 1}),
    (AFTER_SWITCH, a.BeginCompletion(), SWITCHED, {"source.late_writes": None}),
    (AFTER_SWITCH, a.BeginCompletion(), SWITCHED, {"source.tables.0.oid": 999}),
    (AFTER_SWITCH, a.BeginCompletion(), SWITCHED, {"source.publication": publication()}),
    (AFTER_SWITCH, a.BeginCompletion(), SWITCHED, {"source.sequences": (sequence(8),)}),
    (AFTER_SWITCH, a.BeginCompletion(), SWITCHED, {"destination.at_switch": None}),
    (AFTER_SWITCH, a.BeginCompletion(), SWITCHED, {"source": None}),
    *((ONCE, action, STREAMING, {}) for action, _, _ in FORWARD[1:8]),
    (LACK, a.CreateRoles(), FRESH, {}),
    (LACK, a.CreateRoles(), STREAMING, {"roles": None}),
    (LACK, a.CreateRoles(), STREAMING, {"roles": roles(True)}),
    (LEFT_ALONE, a.CreateRoles(), SWITCHED, LACKING),
    (OURS, a.DropUnfinishedDatabase(), FRESH, {"destination.database": database()}),
    (OURS, a.DropUnfinishedDatabase(), marked(created=False), {}),
    (OURS, a.DropUnfinishedDatabase(), RESTORED, {}),
    (OVER, a.CreateDatabase(), FRESH, {"destination.database": database()}),
    (OVER, a.AdoptDatabase(), FRESH, {"destination.has_user_objects": True}),
    (IDENTITY, a.CreatePublication(BOTH), RESTORED, NO_IDENTITY),
    (IDENTITY, a.CreatePublication(((999, ORDERS),)), RESTORED, {}),
    (IDENTITY, a.AddToPublication(((101, ORDERS),)), STREAMING, NO_IDENTITY),
    (IDENTITY, a.CreatePublication((), insert_only=True), RESTORED, {}),
    (IDENTITY, a.AddToPublication(((102, ITEMS),)), BY_INSERTS, {}),
    (TWICE, a.AddToPublication(((102, ITEMS),)), BY_INSERTS, {}),
    (TWICE, a.AddToPublication(((101, ORDERS),), insert_only=True), BY_INSERTS, {}),
    (FOREIGN, a.AddToPublication((), insert_only=True), BY_INSERTS, THEIR_INSERTS),
    (WHOLE, a.RefreshSubscription(), BY_INSERTS, {"source.insert_only": None}),
    (WHOLE, a.RefreshSubscription(), BY_INSERTS, THEIR_INSERTS),
    *((AFTER_SWITCH, a.BeginCompletion(), SWITCHED_BY_INSERTS, facts) for facts in DOUBTS),
    (EMPTY_TABLES, a.CreateSubscription(), READY_TO_COPY, FILLED),
    (EMPTY_TABLES, a.CreateSubscription(), READY_TO_COPY, NOT_LOOKED),
    (EMPTY_TABLES, a.RefreshSubscription(), PUBLISHED, FILLED),
    (EMPTY_TABLES, a.RefreshSubscription(), PUBLISHED, NOT_LOOKED),
    (WHOLE, a.RefreshSubscription(), PUBLISHED, {"source.publication": None}),
    (WHOLE, a.RefreshSubscription(), PUBLISHED, THEIRS),
    (
        WHOLE,
        a.RefreshSubscription(),
        PUBLISHED,
        {"source.publication": publication((102, ITEMS))},
    ),
    *(
        (ONLY_OURS, action, obs, {**facts, "destination.marker": None})
        for action, obs, facts in FORWARD[3:]
    ),
    (ONLY_OURS, a.RestoreSchema(), EMPTY, {"destination.has_user_objects": True}),
    (HEALTHY, a.DropFromPublication(BOTH), STREAMING, {"source.tables.1.identity_usable": False}),
    (STAYS_ON, a.DisableSubscription(), STREAMING, {}),
    (FOREIGN, a.CreateSlot(), READY_TO_COPY, THEIRS),
    (FOREIGN, a.CreateSubscription(), READY_TO_COPY, THEIRS),
    (FOREIGN, a.CreateSubscription(), READY_TO_COPY, {"source.publication": None}),
    (FOREIGN, a.AddToPublication(BOTH), STREAMING, THEIRS),
    (FOREIGN, a.DropFromPublication(BOTH), STREAMING, THEIRS),
    (TOO_EARLY, a.RestoreTables(JUST_LATER), STREAMING, CAME | {"settled": {}}),
    (
        TOO_EARLY,
        a.RestoreTables(JUST_LATER),
        STREAMING,
        CAME | {"source.tables.2.partition_of": ORDERS, "settled": {LATER: 10_001}},
    ),
    (TOO_EARLY, a.RestoreTables(((104, LATER),)), STREAMING, CAME),
    (TOO_EARLY, a.RestoreTables(((104, LATER),)), STREAMING, BARE),
    (TOO_EARLY, a.RestoreTables(JUST_LATER), STREAMING, BARE | {"settled": {}}),
    (
        TOO_EARLY,
        a.RestoreTables(JUST_LATER),
        STREAMING,
        BARE | {"source.partitioned.0.partition_of": ORDERS},
    ),
    (
        TOO_EARLY,
        a.RestoreTables(JUST_LATER),
        STREAMING,
        BARE | {"destination.partitioned": (PartitionedTable(oid=1, name=LATER),)},
    ),
    (TOO_EARLY, a.RestoreTables(((101, ORDERS),)), STREAMING, {"settled": {ORDERS: 1}}),
    (TOO_EARLY, a.RestoreTables(JUST_LATER), STREAMING, CAME | {"source.slot": None}),
    (TOO_EARLY, a.RestoreTables(JUST_LATER), RESTORED, CAME),
    (WITHDRAWN, a.WithdrawTables(((101, ORDERS),)), STREAMING, {}),
    (WITHDRAWN, a.WithdrawTables(((102, ITEMS),)), STREAMING, SWAPPED),
    (
        WITHDRAWN,
        a.WithdrawTables(((999, ORDERS),)),
        STREAMING,
        SWAPPED | {"destination.tables.0.source_oid": None},
    ),
    (EMPTIED, a.EmptyTables((ORDERS,)), STREAMING, SWAPPED),
    (EMPTIED, a.EmptyTables((ORDERS,)), STREAMING, IDLE),
    (EMPTIED, a.EmptyTables((ORDERS,)), STREAMING, RESYNC | IDLE),  # it is published
    (EMPTIED, a.EmptyTables((ITEMS,)), STREAMING, SWAPPED | IDLE),
    (EMPTIED, a.EmptyTables((ORDERS,)), STREAMING, SWAPPED | IDLE | THEIR_ROWS),
    (
        EMPTIED,
        a.EmptyTables((ORDERS,)),
        STREAMING,
        SWAPPED | IDLE | {"destination.tables.0.source_oid": None},
    ),
    (
        WHOLE,
        a.RefreshSubscription(),
        STREAMING,
        SWAPPED | {"destination.tables.0.source_oid": None},
    ),
    (LOOSE, a.DetachPartitions((ORDERS,)), STREAMING, DETACHED | {"settled": {}}),
    (LOOSE, a.DetachPartitions((ORDERS,)), STREAMING, DETACHED | PARTITION),
    (LOOSE, a.DetachPartitions((ORDERS,)), STREAMING, DETACHED | NOT_CREATED),
    (JOINS, a.AttachPartitions((ORDERS,)), STREAMING, DETACHED),
    (JOINS, a.AttachPartitions((ORDERS,)), STREAMING, JOINED | NOT_CREATED),
    (JOINS, a.AttachPartitions((ORDERS,)), STREAMING, JOINED | {"settled": {}}),
    (JOINS, a.AttachPartitions((ORDERS,)), STREAMING, JOINED | {"settled": {ORDERS: 10_001}}),
    (RENAMES, TO_LATER, STREAMING, {}),
    *((RENAMES, TO_LATER, STREAMING, RENAMED | facts) for facts in NO_RENAMING),
    (RENAMES_ROOTS, ROOT_TO_LATER, STREAMING, {}),
    (RENAMES_ROOTS, ANEW_TO_LATER, STREAMING, RENAMED_ROOT),
    *((RENAMES_ROOTS, ROOT_TO_LATER, STREAMING, RENAMED_ROOT | facts) for facts in NO_ROOT),
    (DROPPED, a.DropTables((ORDERS,)), STREAMING, GONE),
    (DROPPED, a.DropTables((ORDERS,)), STREAMING, GONE | IDLE | NOT_CREATED),
    (DROPPED, a.DropTables((ORDERS,)), STREAMING, GONE | IDLE | THEIR_ROWS),
    (DROPPED, a.DropTables((ORDERS,)), STREAMING, GONE | IDLE | {"settled": {}}),
    (DROPPED, a.DropTables((ORDERS,)), STREAMING, GONE | IDLE | {"settled": {ORDERS: 10_001}}),
    (DROPPED, a.DropTables((ORDERS,)), STREAMING, DETACHED | GONE | IDLE),
    (DROPPED, a.DropTables((ORDERS,)), STREAMING, IDLE | {"settled": {ORDERS: 10_000}}),
    *((SAME_SERVERS, a.RefreshSubscription(), STREAMING, facts) for facts in REPLACED),
    *((SAME_SERVERS, a.SynchronizeSequences(), STREAMING, facts) for facts in REPLACED),
    *((SAME_SERVERS, a.EnableSubscription(), STREAMING, facts) for facts in REPLACED),
    (SAME_SERVERS, a.RememberStart(), STREAMING, {"doubt": "an older copy"}),
]


@pytest.mark.parametrize(("action", "obs", "changes"), SAFE)
def test_an_action_passes_where_it_belongs(
    action: a.Action, obs: Observation, changes: dict[str, object]
) -> None:
    assert_safe(action, change(obs, changes))


@pytest.mark.parametrize("under_way", ["RestoreRest", "VerifyRowCounts", "DropFromPublication"])
@pytest.mark.parametrize("action", [a.SynchronizeSequences(), a.RememberStart(), a.DropSlot()])
def test_what_is_brief_or_protects_passes_beside_another(action: a.Action, under_way: str) -> None:
    assert_safe(action, change(STREAMING, {"running": frozenset({under_way})}))


@pytest.mark.parametrize(("claim", "action", "obs", "changes"), UNSAFE)
def test_an_action_is_stopped(
    claim: str, action: a.Action, obs: Observation, changes: dict[str, object]
) -> None:
    with pytest.raises(InvariantBroken) as stopped:
        assert_safe(action, change(obs, changes))
    assert claim in str(stopped.value)
    assert f"{action.kind} on orders/shop" in str(stopped.value)


def test_every_claim_and_every_action_has_its_cases() -> None:
    assert {claim for claim, *_ in UNSAFE} == {meaning for meaning, _ in CLAIMS}
    kinds = {action.__name__ for action in a.Action.__subclasses__()}
    assert {action.kind for action, *_ in SAFE} == kinds
