"""What must never happen, stated a second time and independently of `decide`.

`assert_safe` looks at an action right before it starts. It shares no rule with `decide`: each line
here is an invariant of docs/safety.md. A broken one stops all acting on the database.
"""

from collections.abc import Callable

from pgmigrator.core import actions as a
from pgmigrator.core.facts import DestinationTable
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation
from pgmigrator.core.names import TableName
from pgmigrator.errors import InvariantBroken

#: what may still run once the operator has switched
AFTER_SWITCH = (
    a.DisableSubscription,
    a.BeginCompletion,
    a.RemoveReplication,
    a.DropSlot,
    a.DropFromPublication,
)
#: what protects the source: it asks nothing of the destination
PROTECTING = (a.DropSlot, a.DropFromPublication)
#: sequences and notes of ours, which touch nothing that another action does
BRIEF = (a.RememberStart, a.RememberConflicts, a.ForgetCounts, a.SynchronizeSequences)
#: what needs no answer of the source
WITHOUT_SOURCE = (a.DisableSubscription, a.BeginCompletion, a.RemoveReplication)

Claim = Callable[[a.Action, Observation], bool]


def _sides_are_known(action: a.Action, obs: Observation) -> bool:
    if isinstance(action, PROTECTING):
        return obs.source is not None and obs.names is not None
    return obs.destination is not None and (
        obs.source is not None or isinstance(action, WITHOUT_SOURCE)
    )


def _names_are_known(_: a.Action, obs: Observation) -> bool:
    return obs.names is not None


def _what_is_under_way_is_left_alone(action: a.Action, obs: Observation) -> bool:
    return not obs.running or (
        action.kind not in obs.running and isinstance(action, PROTECTING + BRIEF)
    )


def _newer_marker_is_left_alone(action: a.Action, obs: Observation) -> bool:
    return isinstance(action, PROTECTING) or not (obs.destination and obs.destination.newer_marker)


def _switched_destination_is_left_alone(action: a.Action, obs: Observation) -> bool:
    ended = {Step.SWITCHED, Step.COMPLETING, Step.COMPLETED, Step.ABANDONED}
    return not (_steps(obs) & ended) or isinstance(action, AFTER_SWITCH)


def _removal_only_when_asked(action: a.Action, obs: Observation) -> bool:
    if not isinstance(action, a.RemoveReplication):
        return True
    return bool(_steps(obs) & {Step.COMPLETING, Step.COMPLETED, Step.ABANDONED})


def _completion_only_after_switch(action: a.Action, obs: Observation) -> bool:
    if not isinstance(action, a.BeginCompletion):
        return True
    return (
        Step.SWITCHED in _steps(obs)
        and obs.source is not None
        and obs.source.late_writes == 0
        and _source_is_as_switched(obs)
        and _inserts_were_enough(obs)
    )


def _source_is_as_switched(obs: Observation) -> bool:
    """No table came, none left its publication, and no sequence moved."""
    then = obs.destination.at_switch if obs.destination else None
    if obs.source is None or then is None:
        return False
    listed = [p.tables for p in (obs.source.publication, obs.source.insert_only) if p]
    published = {oid for tables in listed for oid in tables}
    return (
        all(table.oid in then.tables for table in obs.source.tables)
        and all(t.oid in published for t in obs.source.tables if t.oid in then.published)
        and all(
            then.sequences.get(str(each.name)) == f"{each.last_value} {each.is_called}"
            for each in obs.source.sequences
        )
    )


def _inserts_were_enough(obs: Observation) -> bool:
    """Nothing was counted of tables that are replicated without their updates and deletes."""
    if obs.source is None or obs.destination is None:
        return False
    published = _by_inserts(obs)
    kept = {table.name: table.baseline for table in obs.destination.tables if table.state}
    return all(
        (then := kept[table.name]) is not None
        and then.changes == table.changes
        and then.counting_since == obs.source.counting_since != ""
        for table in obs.source.tables
        if table.oid in published and table.name in kept
    )


def _nothing_created_twice(action: a.Action, obs: Observation) -> bool:
    first_time = (
        a.CreateDatabase,
        a.AdoptDatabase,
        a.DropUnfinishedDatabase,
        a.RestoreSchema,
        a.CreatePublication,
        a.CreateSlot,
        a.CreateSubscription,
    )
    return not isinstance(action, first_time) or Step.SUBSCRIBED not in _steps(obs)


def _roles_are_only_created_where_some_lack(action: a.Action, obs: Observation) -> bool:
    if not isinstance(action, a.CreateRoles):
        return True
    return obs.roles is not None and not all(difference.exists for difference in obs.roles.value)


def _only_our_unfinished_database_is_dropped(action: a.Action, obs: Observation) -> bool:
    if not isinstance(action, a.DropUnfinishedDatabase):
        return True
    marker = obs.marker
    return (
        marker is not None
        and marker.created
        and not marker.steps
        and obs.destination is not None
        and obs.destination.subscription is None
    )


def _no_database_is_created_over_another(action: a.Action, obs: Observation) -> bool:
    if isinstance(action, a.CreateDatabase):
        return obs.destination is not None and obs.destination.database is None
    if isinstance(action, a.AdoptDatabase):
        return obs.destination is not None and not obs.destination.has_user_objects
    return True


def _only_our_database_is_changed(action: a.Action, obs: Observation) -> bool:
    """Before its marker, a database is not ours; what is in ours by then, its restore put there."""
    first = (a.CreateRoles, a.CreateDatabase, a.AdoptDatabase, *PROTECTING)
    if isinstance(action, first):
        return True
    if obs.marker is None or obs.destination is None:
        return False
    restores = isinstance(action, a.RestoreSchema)
    return not (restores and obs.marker.created and obs.destination.has_user_objects)


def _healthy_tables_stay_published(action: a.Action, obs: Observation) -> bool:
    if not isinstance(action, a.DropFromPublication):
        return True
    unusable = {t.oid for t in obs.source.tables if not t.identity_usable} if obs.source else set()
    return all(oid in unusable for oid, _ in action.tables)


def _stream_stays_on_until_the_switch(action: a.Action, obs: Observation) -> bool:
    return not isinstance(action, a.DisableSubscription) or Step.SWITCHED in _steps(obs)


def _published_tables_have_identity(action: a.Action, obs: Observation) -> bool:
    if not isinstance(action, a.CreatePublication | a.AddToPublication):
        return True
    if action.insert_only:  # what it publishes needs no identity
        return obs.policy.tables_without_identity == "insert_only"
    usable = {t.oid for t in obs.source.tables if t.identity_usable} if obs.source else set()
    return all(oid in usable for oid, _ in action.tables)


def _no_table_is_published_twice(action: a.Action, obs: Observation) -> bool:
    """In both publications, a table without identity would refuse the application's UPDATE."""
    if not isinstance(action, a.AddToPublication) or obs.source is None:
        return True
    publication = obs.source.publication if action.insert_only else obs.source.insert_only
    if publication is None or obs.names is None:
        return True
    # somebody else's hinders the application with or without us
    ours = publication.comment == obs.names.publication_comment
    return not ours or not any(oid in publication.tables for oid, _ in action.tables)


def _copy_only_into_empty_tables(action: a.Action, obs: Observation) -> bool:
    if not isinstance(action, a.CreateSubscription | a.RefreshSubscription):
        return True
    if obs.source is None or obs.source.publication is None or obs.destination is None:
        return False
    named = set(_named(obs).values())
    return all(
        table.has_rows is False
        for table in obs.destination.tables
        if table.name in named and table.state == ""
    )


def _refresh_only_with_a_whole_publication(action: a.Action, obs: Observation) -> bool:
    if not isinstance(action, a.RefreshSubscription):
        return True
    if obs.source is None or obs.source.publication is None or obs.destination is None:
        return False
    if obs.names is None or obs.source.publication.comment != obs.names.publication_comment:
        return False
    named = set(_named(obs).values())
    return all(
        table.name in named
        for table in obs.destination.tables
        if table.state and _exists(table, obs) and not _is_stale(table, obs)
    )


def _exists(table: DestinationTable, obs: Observation) -> bool:
    return obs.source is not None and table.name in {each.name for each in obs.source.tables}


def _is_stale(table: DestinationTable, obs: Observation) -> bool:
    """It stands for another table by now, or an operator distrusts its rows."""
    if obs.source is None or table.source_oid is None:
        return False
    oids = {each.name: each.oid for each in obs.source.tables}
    return table.resync or oids.get(table.name, table.source_oid) != table.source_oid


def _loses_nothing(table: DestinationTable) -> bool:
    """Its rows came from our copy, or it certainly has none."""
    return table.filled or table.has_rows is False


def _only_stale_tables_are_withdrawn(action: a.Action, obs: Observation) -> bool:
    if not isinstance(action, a.WithdrawTables):
        return True
    there = {t.name: t for t in obs.destination.tables} if obs.destination else {}
    return Step.SUBSCRIBED in _steps(obs) and all(
        name in there and _is_stale(there[name], obs) for _, name in action.tables
    )


def _only_our_idle_tables_are_emptied(action: a.Action, obs: Observation) -> bool:
    """Nothing flows into them, and what they hold came from us."""
    if not isinstance(action, a.EmptyTables):
        return True
    if obs.source is None or obs.source.publication is None or obs.destination is None:
        return False
    there = {table.name: table for table in obs.destination.tables}
    named = set(_named(obs).values())
    return Step.SUBSCRIBED in _steps(obs) and all(
        name in there
        and there[name].state == ""
        and name not in named
        and _exists(there[name], obs)
        and _is_stale(there[name], obs)
        and _loses_nothing(there[name])
        for name in action.tables
    )


def _tables_are_only_created_where_none_is(action: a.Action, obs: Observation) -> bool:
    """And where we subscribed; a partition that comes too early would halt apply for ever."""
    if not isinstance(action, a.RestoreTables):
        return True
    if obs.source is None or obs.source.slot is None or obs.destination is None:
        return False
    there = {table.name for table in obs.destination.tables}
    there |= {table.name for table in obs.destination.partitioned}
    roots = {(table.oid, table.name): table.partition_of for table in obs.source.tables}
    roots |= {(table.oid, table.name): table.partition_of for table in obs.source.partitioned}
    confirmed = obs.source.slot.confirmed_flush_lsn
    return Step.SUBSCRIBED in _steps(obs) and all(
        (oid, name) in roots
        and name not in there
        and name in obs.settled
        and (roots[oid, name] is None or obs.settled[name] <= confirmed)
        for oid, name in action.tables
    )


def _only_what_the_source_detached_is_detached(action: a.Action, obs: Observation) -> bool:
    if not isinstance(action, a.DetachPartitions):
        return True
    if obs.source is None or obs.destination is None:
        return False
    there = {table.name: table for table in obs.destination.tables}
    roots = {table.name: table.partition_of for table in obs.source.tables}
    return Step.SUBSCRIBED in _steps(obs) and all(
        name in there
        and there[name].created
        and name in obs.settled
        and (roots.get(name) is None or roots[name] != there[name].partition_of)
        for name in action.tables
    )


def _only_what_the_source_attached_is_attached(action: a.Action, obs: Observation) -> bool:
    """And only once apply has passed that."""
    if not isinstance(action, a.AttachPartitions):
        return True
    if obs.source is None or obs.source.slot is None or obs.destination is None:
        return False
    there = {table.name: table for table in obs.destination.tables}
    roots = {table.name: table.partition_of for table in obs.source.tables}
    confirmed = obs.source.slot.confirmed_flush_lsn
    return Step.SUBSCRIBED in _steps(obs) and all(
        name in there
        and there[name].created
        and there[name].partition_of is None
        and roots.get(name) is not None
        and obs.settled.get(name, confirmed + 1) <= confirmed
        for name in action.tables
    )


def _only_what_the_source_renamed_is_renamed(action: a.Action, obs: Observation) -> bool:
    """Ours, which nobody else's changes can have reached under the old or the new name."""
    if not isinstance(action, a.RenameTables):
        return True
    if obs.source is None or obs.destination is None:
        return False
    there = {table.name: table for table in obs.destination.tables}
    here = {table.name: table.oid for table in obs.source.tables}
    return Step.SUBSCRIBED in _steps(obs) and all(
        item.old in there
        and there[item.old].created
        and there[item.old].source_oid == item.oid
        and (item.anew or item.old not in here)
        and here.get(item.new) == item.oid
        and item.new not in there
        and item.new in obs.settled
        for item in action.tables
    )


def _only_partitioned_tables_that_the_source_renamed_are_renamed(
    action: a.Action, obs: Observation
) -> bool:
    """Ours, while nothing has the old name there, nor the new one here."""
    if not isinstance(action, a.RenamePartitioned):
        return True
    if obs.source is None or obs.source.publication is None or obs.destination is None:
        return False
    sent = (obs.source.publication, obs.source.insert_only)
    ours = {table.name: table.source_oid for table in obs.destination.partitioned}
    here = {table.name: table.oid for table in obs.source.partitioned}
    gone = {table.name for table in obs.source.tables} | here.keys()
    taken = {table.name for table in obs.destination.tables} | ours.keys()
    return (
        Step.SUBSCRIBED in _steps(obs)
        and all(each is None or each.whole for each in sent)
        and all(
            ours.get(item.old) == item.oid
            and here.get(item.new) == item.oid
            and item.old not in gone
            and item.new not in taken
            and item.new in obs.settled
            and not item.anew
            for item in action.tables
        )
    )


def _only_what_we_created_and_the_source_dropped(action: a.Action, obs: Observation) -> bool:
    """And only once apply has passed that, and nothing is replicated into it."""
    if not isinstance(action, a.DropTables):
        return True
    if obs.source is None or obs.source.slot is None or obs.destination is None:
        return False
    there = {table.name: table for table in obs.destination.tables}
    confirmed = obs.source.slot.confirmed_flush_lsn
    return Step.SUBSCRIBED in _steps(obs) and all(
        name in there
        and there[name].created
        and there[name].state == ""
        and there[name].partition_of is None
        and _loses_nothing(there[name])
        and not _exists(there[name], obs)
        and obs.settled.get(name, confirmed + 1) <= confirmed
        for name in action.tables
    )


def _foreign_publication_is_left_alone(action: a.Action, obs: Observation) -> bool:
    touching = (
        a.CreateSubscription,
        a.CreateSlot,
        a.AddToPublication,
        a.DropFromPublication,
        a.WithdrawTables,
        a.EmptyTables,
    )
    if not isinstance(action, touching):
        return True
    if obs.names is None or obs.source is None:
        return False
    by_inserts = isinstance(action, a.AddToPublication | a.WithdrawTables) and action.insert_only
    publication = obs.source.insert_only if by_inserts else obs.source.publication
    return publication is not None and publication.comment == obs.names.publication_comment


def _servers_are_those_that_were_copied(action: a.Action, obs: Observation) -> bool:
    """Once subscribed, only what protects the source may run against a changed server."""
    if Step.SUBSCRIBED not in _steps(obs) or isinstance(action, AFTER_SWITCH):
        return True
    marker = obs.marker
    return (
        marker is not None
        and obs.source is not None
        and obs.destination is not None
        and marker.source == obs.source.server.identity
        and marker.destination == obs.destination.server.identity
        and not obs.doubt
    )


def _named(obs: Observation) -> dict[int, TableName]:
    """Tables that our publications publish, by oid."""
    assert obs.source is not None
    return _by_inserts(obs) | dict(obs.source.publication.tables if obs.source.publication else {})


def _by_inserts(obs: Observation) -> dict[int, TableName]:
    found = obs.source.insert_only if obs.source else None
    if found is None or obs.names is None or found.comment != obs.names.publication_comment:
        return {}
    return dict(found.tables)


def _steps(obs: Observation) -> frozenset[Step]:
    return obs.marker.steps if obs.marker else frozenset()


#: what each claim means, for the message when it is broken
CLAIMS: tuple[tuple[str, Claim], ...] = (
    ("no action starts while a server that it needs is unknown", _sides_are_known),
    ("no action starts before its names are known", _names_are_known),
    ("only what is brief or protects starts beside another", _what_is_under_way_is_left_alone),
    ("a newer daemon's database is left alone", _newer_marker_is_left_alone),
    ("a switched destination is left alone", _switched_destination_is_left_alone),
    ("only what was asked for is removed", _removal_only_when_asked),
    ("a migration ends only after its switch", _completion_only_after_switch),
    ("nothing is created again once subscribed", _nothing_created_twice),
    ("roles are only created where some lack", _roles_are_only_created_where_some_lack),
    ("only our own unfinished database is dropped", _only_our_unfinished_database_is_dropped),
    ("no database is created over another", _no_database_is_created_over_another),
    ("only our own database is changed", _only_our_database_is_changed),
    ("no healthy table leaves the publication", _healthy_tables_stay_published),
    ("the stream stays on until the switch", _stream_stays_on_until_the_switch),
    ("every published table has a usable identity", _published_tables_have_identity),
    ("no table is in both publications", _no_table_is_published_twice),
    ("no initial copy goes into a table with rows", _copy_only_into_empty_tables),
    ("REFRESH needs a whole publication", _refresh_only_with_a_whole_publication),
    ("no table is created over another, nor too early", _tables_are_only_created_where_none_is),
    ("only tables to be copied anew are withdrawn", _only_stale_tables_are_withdrawn),
    ("only idle tables of ours are emptied", _only_our_idle_tables_are_emptied),
    ("only what the source detached is detached", _only_what_the_source_detached_is_detached),
    ("only what the source attached is attached", _only_what_the_source_attached_is_attached),
    ("only what the source renamed is renamed", _only_what_the_source_renamed_is_renamed),
    (
        "only partitioned tables of ours that the source renamed are renamed",
        _only_partitioned_tables_that_the_source_renamed_are_renamed,
    ),
    (
        "only tables that we created and the source dropped are dropped",
        _only_what_we_created_and_the_source_dropped,
    ),
    ("a publication that is not ours is left alone", _foreign_publication_is_left_alone),
    ("the servers are those that were copied", _servers_are_those_that_were_copied),
)


def assert_safe(action: a.Action, obs: Observation) -> None:
    """Let an action pass, or stop it.

    :raises InvariantBroken: names each invariant that the action would break.
    """
    broken = [meaning for meaning, claim in CLAIMS if not claim(action, obs)]
    if broken:
        raise InvariantBroken(
            f"{action.kind} on {obs.mapping}/{obs.database} was stopped: {'; '.join(broken)}"
        )
