"""A model of both servers, as an observation that actions change: what the catalogs would say.

`steps` gives every world that an action passes through, the last being its success; a daemon that
dies in between leaves one of them. `later` lets time pass, `look` derives what is compared.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pgmigrator.core import actions as a
from pgmigrator.core import plan
from pgmigrator.core.facts import Conflicts, DestinationTable, Publication
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Measured, Observation, RoleDifference, RowCounts, SchemaItem
from tests.unit import builders as b

Worlds = list[Observation]
TICK_SECONDS = 5.0


def steps(action: a.Action, obs: Observation) -> Worlds:
    """Return the worlds after each step of an action; the last one is its success."""
    return [look(world) for world in _STEPS[action.kind](action, obs)]


def apply(action: a.Action, obs: Observation) -> Observation:
    """Return the world after an action that went through."""
    return steps(action, obs)[-1]


def restarted(obs: Observation) -> Observation:
    """Return what a new daemon sees: the catalogs, and nothing that was in memory."""
    return replace(obs, row_counts=None, running=frozenset(), waiting=frozenset())


def later(obs: Observation, *, sequences_move: bool = False) -> Observation:
    """Let a tick pass: writes come in, the stream confirms them, copies go on."""
    assert obs.source is not None
    lsn = obs.source.server.flush_lsn
    changes: dict[str, object] = {"at": obs.at + TICK_SECONDS, "source.server.flush_lsn": lsn + 100}
    if sequences_move and Step.SWITCHED not in _steps_of(obs):
        changes["source.sequences"] = tuple(
            replace(sequence, last_value=sequence.last_value + 1)
            for sequence in obs.source.sequences
        )
    subscription = obs.destination.subscription if obs.destination else None
    if subscription is not None and subscription.enabled and obs.source.slot is not None:
        changes["source.slot.active"] = True
        changes["source.slot.confirmed_flush_lsn"] = lsn
        changes["destination.tables"] = _copied_further(obs, lsn)
    elif obs.source.slot is not None:
        changes["source.slot.active"] = False
    return look(b.change(obs, changes))


def _copied_further(obs: Observation, lsn: int) -> tuple[DestinationTable, ...]:
    following = {"i": "d", "d": "s", "s": "r"}
    return tuple(
        replace(
            table,
            state=following.get(table.state, table.state),
            has_statistics=table.has_statistics or table.state == "s",
            synchronized_lsn=lsn if table.state == "s" else table.synchronized_lsn,
        )
        for table in (obs.destination.tables if obs.destination else ())
    )


def switch(obs: Observation) -> Observation:
    """The operator switches: `switched`, the subscription disabled, the slot kept."""
    marked = b.marker(*_steps_of(obs), Step.SWITCHED)
    changes: dict[str, object] = {
        "destination.marker": replace(marked, created=_created(obs)),
        "destination.subscription.enabled": False,
        "source.slot.active": False,
        "source.late_writes": 0,
        "destination.at_switch": b.at_switch(obs),
    }
    return look(b.change(obs, changes))


def look(obs: Observation) -> Observation:
    """Compare both sides anew, as far as an observer does in that phase."""
    passed = _steps_of(obs)
    over = bool(passed & {Step.SWITCHED, Step.COMPLETING, Step.COMPLETED, Step.ABANDONED})
    roles = obs.roles.value if obs.roles else ()
    there = obs.destination is not None and obs.destination.has_user_objects
    schema = _differences(obs) if there and obs.marker and not over else None
    return replace(
        obs,
        roles=None if over else Measured(roles, obs.at, 25.0),
        schema=None if schema is None else Measured(schema, obs.at, 20.0),
        environment=replace(obs.environment, route_error=None if Step.SUBSCRIBED in passed else ""),
    )


def _differences(obs: Observation) -> tuple[SchemaItem, ...]:
    assert obs.source is not None
    assert obs.destination is not None
    there = {table.name for table in obs.destination.tables}
    missing = {str(t.name): "table" for t in obs.source.tables if t.name not in there}
    if Step.INDEXED not in _steps_of(obs):
        missing |= {str(name): "index" for name in there}
    return tuple(
        SchemaItem(object=table, kind=kind, definition="x", missing=True)
        for table, kind in missing.items()
    )


def _steps_of(obs: Observation) -> frozenset[Step]:
    return obs.marker.steps if obs.marker else frozenset()


def _created(obs: Observation) -> bool:
    return obs.marker is None or obs.marker.created


def _worlds(obs: Observation, *changes: Mapping[str, object]) -> Worlds:
    worlds = []
    for each in changes:
        obs = b.change(obs, each)
        worlds.append(obs)
    return worlds


def _mark(obs: Observation, *steps: Step) -> dict[str, object]:
    assert obs.marker is not None
    return {"destination.marker": obs.marker.having(*steps)}


# --- what each action does -----------------------------------------------------------------------


def _create_roles(_: a.CreateRoles, obs: Observation) -> Worlds:
    empty: tuple[RoleDifference, ...] = ()
    return _worlds(obs, {"roles": Measured(empty, obs.at, 25.0)})


def _create_database(_: a.CreateDatabase, obs: Observation) -> Worlds:
    return _worlds(
        obs,
        {},  # dead before the renaming: its temporary name shows nowhere, and goes the next time
        {
            "destination.database": b.database(20_000),
            "destination.marker": b.marker(),
        },
    )


def _adopt_database(_: a.AdoptDatabase, obs: Observation) -> Worlds:
    return _worlds(obs, {"destination.marker": b.marker(created=False)})


def _drop_unfinished(_: a.DropUnfinishedDatabase, obs: Observation) -> Worlds:
    gone = {"database": None, "marker": None, "has_user_objects": False, "tables": ()}
    gone |= {"sequences": (), "subscription": None}
    return _worlds(obs, {f"destination.{name}": value for name, value in gone.items()})


def _restore_schema(_: a.RestoreSchema, obs: Observation) -> Worlds:
    assert obs.source is not None
    tables = tuple(b.destination_table(table.name, created=True) for table in obs.source.tables)
    sequences = tuple(replace(sequence, last_value=1) for sequence in obs.source.sequences)
    some: dict[str, object] = {"destination.has_user_objects": True}
    if _created(obs):  # an adopted database is restored all or nothing
        some["destination.tables"] = tables[:1]
    everything = {"destination.tables": tables, "destination.sequences": sequences}
    worlds = _worlds(obs, {**everything, **some}, _mark(obs, Step.SCHEMA_DONE) | everything)
    return worlds if obs.destination and not obs.destination.has_user_objects else worlds[1:]


def _publish(
    action: a.CreatePublication | a.AddToPublication | a.DropFromPublication | a.WithdrawTables,
    obs: Observation,
) -> Worlds:
    inserts = not isinstance(action, a.DropFromPublication) and action.insert_only
    before = plan.our_insert_only(obs) if inserts else plan.our_publication(obs)
    tables = dict(before.tables) if before else {}
    if isinstance(action, a.DropFromPublication | a.WithdrawTables):
        tables = {oid: name for oid, name in tables.items() if oid not in dict(action.tables)}
    else:
        tables |= dict(action.tables)
    found = Publication(comment=b.NAMES.publication_comment, tables=tables)
    return _worlds(obs, {f"source.{'insert_only' if inserts else 'publication'}": found})


def _create_slot(_: a.CreateSlot, obs: Observation) -> Worlds:
    assert obs.source is not None
    lsn = obs.source.server.flush_lsn
    return _worlds(obs, {"source.slot": b.slot(active=False, confirmed_flush_lsn=lsn)})


def _subscribed(obs: Observation) -> tuple[DestinationTable, ...]:
    assert obs.destination is not None
    oids = {name: oid for oid, name in plan.published(obs).items()}
    kept = plan.baselines(obs)
    return tuple(
        replace(
            table,
            state="i",
            has_rows=None,
            source_oid=oids[table.name],
            filled=True,
            baseline=kept.get(oids[table.name]),
            compared=(plan.storage(obs)[oids[table.name]], table.storage),
        )
        if table.state == "" and table.name in oids
        else table
        for table in obs.destination.tables
    )


def _create_subscription(_: a.CreateSubscription, obs: Observation) -> Worlds:
    return _worlds(
        obs,
        {
            "destination.subscription": b.subscription(
                publications=tuple(plan.our_publications(obs))
            ),
            "destination.tables": _subscribed(obs),
            **_starts(obs),
            **_mark(obs, Step.SUBSCRIBED),
        },
    )


def _refresh(_: a.RefreshSubscription, obs: Observation) -> Worlds:
    assert obs.destination is not None
    named = set(plan.published(obs).values())
    done = tuple(
        table
        if table.name in named
        # out of the subscription; its rows stay
        else replace(table, state="", synchronized_lsn=None, has_rows=bool(table.state))
        for table in _subscribed(obs)
    )
    before = zip(obs.destination.tables, done, strict=True)
    noted = tuple(
        replace(
            old,
            source_oid=new.source_oid,
            filled=new.filled,
            baseline=new.baseline,
            compared=new.compared,
        )
        for old, new in before
    )
    return _worlds(obs, {"destination.tables": noted}, {"destination.tables": done})


def _restore_tables(action: a.RestoreTables, obs: Observation) -> Worlds:
    assert obs.destination is not None
    worlds = []
    tables = obs.destination.tables
    for oid, name in action.tables:
        there = {table.oid: table for table in obs.source.tables} if obs.source else {}
        made = b.destination_table(
            name, source_oid=oid, created=True, partition_of=there[oid].partition_of
        )
        tables = (*tables, made)
        worlds.append(b.change(obs, {"destination.tables": tables}))
    return worlds


def _empty_tables(action: a.EmptyTables, obs: Observation) -> Worlds:
    assert obs.destination is not None
    worlds = []
    tables = obs.destination.tables
    for name in action.tables:
        tables = tuple(
            replace(table, has_rows=False, source_oid=None, filled=False, resync=False)
            if table.name == name
            else table
            for table in tables
        )
        worlds.append(b.change(obs, {"destination.tables": tables}))
    return worlds


def _detach_partitions(action: a.DetachPartitions, obs: Observation) -> Worlds:
    assert obs.destination is not None
    tables = tuple(
        replace(table, partition_of=None) if table.name in action.tables else table
        for table in obs.destination.tables
    )
    return _worlds(obs, {"destination.tables": tables})


def _attach_partitions(action: a.AttachPartitions, obs: Observation) -> Worlds:
    assert obs.source is not None
    assert obs.destination is not None
    roots = {table.name: table.partition_of for table in obs.source.tables}
    tables = tuple(
        replace(table, partition_of=roots[table.name]) if table.name in action.tables else table
        for table in obs.destination.tables
    )
    return _worlds(obs, {"destination.tables": tables})


def _drop_tables(action: a.DropTables, obs: Observation) -> Worlds:
    assert obs.destination is not None
    worlds = []
    tables = obs.destination.tables
    for name in action.tables:
        tables = tuple(table for table in tables if table.name != name)
        worlds.append(b.change(obs, {"destination.tables": tables}))
    return worlds


def _rename_tables(action: a.RenameTables, obs: Observation) -> Worlds:
    assert obs.destination is not None
    worlds = []
    tables = obs.destination.tables
    for item in action.tables:
        tables = tuple(
            replace(table, name=item.new, resync=table.resync or item.anew)
            if table.name == item.old
            else table
            for table in tables
        )
        worlds.append(b.change(obs, {"destination.tables": tables}))
    return worlds


def _rename_partitioned(action: a.RenamePartitioned, obs: Observation) -> Worlds:
    assert obs.destination is not None
    worlds = []
    partitioned = obs.destination.partitioned
    for item in action.tables:
        partitioned = tuple(
            replace(table, name=item.new) if table.name == item.old else table
            for table in partitioned
        )
        worlds.append(b.change(obs, {"destination.partitioned": partitioned}))
    return worlds


def _remember(_: a.RememberStart, obs: Observation) -> Worlds:
    return _worlds(obs, _starts(obs))


def _remember_conflicts(_: a.RememberConflicts, obs: Observation) -> Worlds:
    assert obs.destination is not None
    subscription = obs.destination.subscription
    assert subscription is not None
    counts = {name: count for name, count in subscription.conflicts.items() if count}
    return _worlds(obs, {"destination.conflicts": Conflicts(counts, subscription.stats_reset_at)})


def _starts(obs: Observation) -> dict[str, object]:
    assert obs.source is not None
    return {
        "destination.start_remembered": True,
        "destination.source_start": obs.source.server.started_at,
    }


def _enable(_: a.EnableSubscription, obs: Observation) -> Worlds:
    return _worlds(obs, {"destination.subscription.enabled": True})


def _forget(_: a.ForgetCounts, obs: Observation) -> Worlds:
    assert obs.destination is not None
    tables = tuple(replace(table, baseline=None) for table in obs.destination.tables)
    return _worlds(obs, {"destination.tables": tables})


def _disable(_: a.DisableSubscription, obs: Observation) -> Worlds:
    return _worlds(obs, {"destination.subscription.enabled": False})


def _mark_copied(_: a.MarkCopied, obs: Observation) -> Worlds:
    return _worlds(obs, _mark(obs, Step.COPIED))


def _restore_rest(_: a.RestoreRest, obs: Observation) -> Worlds:
    return _worlds(
        obs, {"destination.indexes_building": 1}, {"destination.indexes_building": 0}, _indexed(obs)
    )


def _indexed(obs: Observation) -> dict[str, object]:
    return _mark(obs, Step.INDEXED)


def _synchronize(_: a.SynchronizeSequences, obs: Observation) -> Worlds:
    assert obs.source is not None
    return _worlds(obs, {"destination.sequences": obs.source.sequences})


def _verify(action: a.VerifyRowCounts, obs: Observation) -> Worlds:
    assert obs.source is not None
    assert obs.destination is not None
    counts = RowCounts(
        lsn=obs.source.server.flush_lsn,
        tables=action.only or frozenset(table.name for table in plan.followed(obs)),
        deltas=(),
        last_at=obs.at,
        source_started_at=obs.source.server.started_at,
        destination_started_at=obs.destination.server.started_at,
    )
    here = {table.name: table.storage for table in obs.source.tables}
    equal = plan.comparable(obs) & counts.tables
    tables = tuple(
        replace(table, compared=(here[table.name], table.storage)) if table.name in equal else table
        for table in obs.destination.tables
    )
    return _worlds(
        obs,
        {"destination.subscription.enabled": False},
        {
            "destination.subscription.enabled": True,
            "destination.tables": tables,
            "row_counts": plan.with_counts(obs.row_counts, counts, action.only)
            if action.only
            else Measured(counts, obs.at, 120.0),
        },
    )


def _begin_completion(_: a.BeginCompletion, obs: Observation) -> Worlds:
    return _worlds(obs, _mark(obs, Step.COMPLETING))


def _remove(_: a.RemoveReplication, obs: Observation) -> Worlds:
    assert obs.destination is not None
    tables = tuple(
        replace(t, state="", source_oid=None, baseline=None) for t in obs.destination.tables
    )
    gone = {"destination.subscription": None, "destination.tables": tables}
    if obs.source is None:
        return _worlds(obs, gone, _mark(obs, Step.COMPLETED))
    return _worlds(
        obs,
        gone,
        {"source.slot": None, "source.late_writes": None},
        {"source.publication": None},
        {"source.insert_only": None},
        _mark(obs, Step.COMPLETED),
    )


def _drop_slot(_: a.DropSlot, obs: Observation) -> Worlds:
    told: dict[str, object] = {}
    if obs.destination is not None and obs.destination.subscription is not None:
        told["destination.subscription.enabled"] = False
    return _worlds(obs, told, {"source.slot": None, "source.late_writes": None})


_STEPS: dict[str, Callable[[Any, Observation], Worlds]] = {
    "CreateRoles": _create_roles,
    "CreateDatabase": _create_database,
    "AdoptDatabase": _adopt_database,
    "DropUnfinishedDatabase": _drop_unfinished,
    "RestoreSchema": _restore_schema,
    "CreatePublication": _publish,
    "AddToPublication": _publish,
    "DropFromPublication": _publish,
    "CreateSlot": _create_slot,
    "CreateSubscription": _create_subscription,
    "RefreshSubscription": _refresh,
    "RememberStart": _remember,
    "RememberConflicts": _remember_conflicts,
    "EnableSubscription": _enable,
    "ForgetCounts": _forget,
    "DisableSubscription": _disable,
    "MarkCopied": _mark_copied,
    "RestoreRest": _restore_rest,
    "RestoreTables": _restore_tables,
    "WithdrawTables": _publish,
    "EmptyTables": _empty_tables,
    "DetachPartitions": _detach_partitions,
    "RenameTables": _rename_tables,
    "RenamePartitioned": _rename_partitioned,
    "DropTables": _drop_tables,
    "AttachPartitions": _attach_partitions,
    "SynchronizeSequences": _synchronize,
    "VerifyRowCounts": _verify,
    "BeginCompletion": _begin_completion,
    "RemoveReplication": _remove,
    "DropSlot": _drop_slot,
}
