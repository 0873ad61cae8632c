"""Partitioned tables, which hold no rows: those that come without a partition, or are renamed.

One that has a leaf comes with it (see follow.py). One that is renamed is known by its oid, which
our bookkeeping has; its leaves are published one by one, so that no change bears its name, and
nothing has to be waited for.
"""

from collections.abc import Iterator

from pgmigrator.core import plan
from pgmigrator.core.actions import Renaming
from pgmigrator.core.facts import DestinationTable, PartitionedTable, SourceFacts, SourceTable
from pgmigrator.core.model import Observation
from pgmigrator.core.names import TableName


def came(obs: Observation) -> tuple[PartitionedTable, ...]:
    """Partitioned tables of the source without any leaf, which are here under no name."""
    if obs.source is None or obs.destination is None:
        return ()
    taken = _names_here(obs) | _with_leaves(obs.source)
    exists = _names_on_source(obs.source)
    otherwise_called = {
        table.source_oid for table in obs.destination.partitioned if table.name not in exists
    }
    return tuple(
        table
        for table in obs.source.partitioned
        if table.name not in taken and table.oid not in otherwise_called
    )


def _names_here(obs: Observation) -> set[TableName]:
    assert obs.destination is not None
    return {*plan.destination_tables(obs), *(each.name for each in obs.destination.partitioned)}


def _names_on_source(source: SourceFacts) -> set[TableName]:
    return {*(each.name for each in source.tables), *(each.name for each in source.partitioned)}


def _with_leaves(source: SourceFacts) -> frozenset[TableName]:
    """Partitioned tables that have a leaf, at any distance."""
    above = {table.name: table.partition_of for table in source.partitioned}
    found: set[TableName] = set()
    for table in source.tables:
        name = table.partition_of
        while name is not None and name not in found:
            found.add(name)
            name = above.get(name)
    return frozenset(found)


def renamed(obs: Observation) -> tuple[Renaming, ...]:
    """Partitioned tables of ours that the source has under a name that nothing has here.

    Only while nothing has the old name there, and every partition that both sides have is below it
    on both.
    """
    if obs.source is None or obs.destination is None:
        return ()
    here = {table.oid: table.name for table in obs.source.partitioned}
    exists, there = _names_on_source(obs.source), _names_here(obs)
    return tuple(
        Renaming(table.source_oid, table.name, new)
        for table in obs.destination.partitioned
        if table.source_oid is not None
        and (new := here.get(table.source_oid)) is not None
        and new not in there
        and table.name not in exists
        and all(root == new for root in _roots_on_source(table.name, obs.source, obs))
    )


def _roots_on_source(
    root: TableName, source: SourceFacts, obs: Observation
) -> Iterator[TableName | None]:
    """Yield what the source has the partitions attached to that are attached to `root` here."""
    assert obs.destination is not None
    everything: tuple[SourceTable | PartitionedTable, ...] = (*source.tables, *source.partitioned)
    by_oid = {table.oid: table.partition_of for table in everything}
    by_name = {table.name: table.partition_of for table in everything}
    partitions: tuple[DestinationTable | PartitionedTable, ...] = (
        *obs.destination.tables,
        *obs.destination.partitioned,
    )
    for each in partitions:
        if each.partition_of != root:
            continue
        if each.source_oid is None and each.name in by_name:
            yield by_name[each.name]
        elif each.source_oid is not None and each.source_oid in by_oid:
            yield by_oid[each.source_oid]


def to_rename(obs: Observation) -> tuple[Renaming, ...]:
    """Partitioned tables to rename here.

    Not while a publication is not what we made of it: it might send changes under their names.
    """
    if obs.source is None or plan.our_publication(obs) is None:
        return ()
    sent = (obs.source.publication, obs.source.insert_only)
    if not all(each is None or each.whole for each in sent):
        return ()
    return tuple(item for item in renamed(obs) if item.new in obs.settled)
