"""Following the source's tables while changes stream: those that come, go, or are replaced.

What stands for some ticks is followed (see settling.py). A table that comes is created here, then
published and copied like any other. One that is to be copied anew is withdrawn from the
publication, taken out of the subscription and emptied; then it comes like a new one. One that goes
is detached from its partitioned table, taken out of the subscription and dropped. One that is
renamed is renamed here: its oid, which our bookkeeping has, tells it from one that comes.
"""

from pgmigrator.core import plan, roots
from pgmigrator.core.actions import Renaming
from pgmigrator.core.facts import DestinationTable, PartitionedTable, SourceTable
from pgmigrator.core.model import Observation
from pgmigrator.core.names import TableName


def out_of_step(obs: Observation) -> dict[TableName, int | None]:
    """Tables that came, went, moved or were replaced on the source; with their oid there."""
    if obs.source is None or obs.destination is None:
        return {}
    there = plan.destination_tables(obs)
    changed = {*swapped(obs), *moved(obs)}
    here = {
        table.name: table.oid
        for table in obs.source.tables
        if table.name not in there or table.name in changed
    }
    here |= {table.name: table.oid for table in roots.came(obs)}
    here |= {item.new: item.oid for item in roots.renamed(obs)}
    return here | dict.fromkeys(gone(obs))


def to_restore(obs: Observation) -> plan.Tables:
    """Tables that came later on the source, stand for some ticks, and are to be created here.

    A new partition narrows what its DEFAULT partition takes: rows that the source held there before
    must have come and gone, so apply has to be past its creation. Any other table may even be what
    apply waits for.
    """
    if obs.source is None or obs.destination is None:
        return ()
    there = plan.destination_tables(obs)
    here_by_another_name = {item.new for item in renamed(obs)}
    candidates: tuple[PartitionedTable | SourceTable, ...] = (*roots.came(obs), *obs.source.tables)
    missing = [
        (table.oid, table.name)
        for table in candidates
        if table.name not in there
        and table.name not in here_by_another_name
        and table.name in obs.settled
        and (table.partition_of is None or is_applied(obs, obs.settled[table.name]))
    ]
    return tuple(missing[: plan.SLICE])


def unrestored(obs: Observation) -> tuple[TableName, ...]:
    """Published tables that the destination lacks: a REFRESH would fail as a whole."""
    if obs.destination is None:
        return ()
    there = plan.destination_tables(obs)
    return tuple(name for name in plan.published(obs).values() if name not in there)


def gone(obs: Observation) -> tuple[TableName, ...]:
    """Tables that we created, and that the source has no more under that name."""
    if obs.source is None:
        return ()
    exists = {table.name for table in obs.source.tables} | {item.old for item in renamed(obs)}
    return tuple(
        name
        for name, table in plan.destination_tables(obs).items()
        if table.created and name not in exists
    )


def renamed(obs: Observation) -> tuple[Renaming, ...]:
    """Tables that the source has under a name that nothing has here.

    Apply fails at the first change under such a name, so that none is missed. But if another table
    has taken the old name, its changes went into ours; then both are copied anew.
    """
    if obs.source is None:
        return ()
    names = {table.oid: table.name for table in obs.source.tables}
    exists = set(names.values())
    there = plan.destination_tables(obs)
    return tuple(
        Renaming(table.source_oid, old, names[table.source_oid], anew=table.resync or old in exists)
        for old, table in there.items()
        if table.source_oid in names and names[table.source_oid] not in there
    )


def to_rename(obs: Observation) -> tuple[Renaming, ...]:
    """Tables to rename here; whether apply is past their old names, apply itself must show."""
    there = plan.destination_tables(obs)
    return tuple(
        item for item in renamed(obs) if item.new in obs.settled and there[item.old].created
    )


def moved(obs: Observation) -> tuple[TableName, ...]:
    """Tables that we created and that the source has attached elsewhere, or detached."""
    if obs.source is None:
        return ()
    roots = {table.name: table.partition_of for table in obs.source.tables}
    return tuple(
        name
        for name, table in plan.destination_tables(obs).items()
        if table.created and name in roots and roots[name] != table.partition_of
    )


def to_detach(obs: Observation) -> tuple[TableName, ...]:
    """Partitions to detach here, whatever apply has reached: it only gets more freedom by that.

    One that is attached here longer than there may even halt apply: by rows that the source has put
    into its DEFAULT partition since.
    """
    there = plan.destination_tables(obs)
    return tuple(
        name
        for name in (*moved(obs), *gone(obs))
        if name in obs.settled and there[name].partition_of is not None
    )


def to_attach(obs: Observation) -> tuple[TableName, ...]:
    """Tables to attach as partitions: that narrows what the DEFAULT partition takes."""
    there = plan.destination_tables(obs)
    return tuple(
        name
        for name in moved(obs)
        if name in obs.settled
        and there[name].partition_of is None
        # a copy holds its lock until it is done
        and there[name].state in ("", "r")
        and is_applied(obs, obs.settled[name])
    )


def to_drop(obs: Observation) -> tuple[TableName, ...]:
    """Tables to drop here: nothing that was written to them before is on its way any more."""
    there = plan.destination_tables(obs)
    return tuple(
        name
        for name in gone(obs)
        if name in obs.settled
        and there[name].partition_of is None
        and not there[name].state
        and holds_no_other_rows(there[name])
        and is_applied(obs, obs.settled[name])
    )


def swapped(obs: Observation) -> tuple[TableName, ...]:
    """Subscribed tables whose source is now another table of the same name."""
    if obs.source is None:
        return ()
    oids = {table.name: table.oid for table in obs.source.tables}
    return tuple(
        name
        for name, table in plan.destination_tables(obs).items()
        # a subscribed table that our bookkeeping does not know may come from any other
        if (table.state or table.source_oid is not None)
        and name in oids
        and oids[name] != table.source_oid
    )


def to_renew(obs: Observation) -> frozenset[TableName]:
    """Tables to be copied anew: replaced on the source for some ticks, or an operator wants it.

    Only those that stand for a table that the source has, or had, under that name, and hold no rows
    but those of our copy.
    """
    if obs.source is None:
        return frozenset()
    settled = {name for name in swapped(obs) if name in obs.settled}
    exists = {table.name for table in obs.source.tables}
    return frozenset(
        name
        for name, table in plan.destination_tables(obs).items()
        if table.source_oid is not None
        and name in exists
        and (table.resync or name in settled)
        and holds_no_other_rows(table)
    )


def holds_no_other_rows(table: DestinationTable) -> bool:
    """Tell whether no row would be lost with a table but those of our copy."""
    return table.filled or table.has_rows is False


def to_withdraw(obs: Observation, *, insert_only: bool = False) -> plan.Tables:
    """Tables to be copied anew that a publication has still, at most one slice of them."""
    wanted = to_renew(obs)
    found = plan.our_insert_only(obs) if insert_only else plan.our_publication(obs)
    tables = [(oid, name) for oid, name in found.tables.items() if name in wanted] if found else []
    return tuple(tables[: plan.SLICE])


def to_unsubscribe(obs: Observation) -> tuple[TableName, ...]:
    """Tables to be copied anew, or gone, that a REFRESH would take out of the subscription."""
    ours = set(plan.published(obs).values())
    there = plan.destination_tables(obs)
    leaving = to_renew(obs) | {name for name in gone(obs) if name in obs.settled}
    return tuple(sorted(name for name in leaving if there[name].state and name not in ours))


def to_empty(obs: Observation) -> tuple[TableName, ...]:
    """Tables to be copied anew that nothing is replicated into any more."""
    ours = set(plan.published(obs).values())
    there = plan.destination_tables(obs)
    return tuple(sorted(n for n in to_renew(obs) if not there[n].state and n not in ours))


def is_applied(obs: Observation, lsn: int) -> bool:
    """Tell whether the slot has confirmed an LSN."""
    slot = obs.source.slot if obs.source else None
    return slot is not None and slot.confirmed_flush_lsn >= lsn
