"""Partitioned tables, which hold no rows of their own: those that come before their partitions.

One that has a partition with rows comes with it (see follow.py).
"""

from pgmigrator.core import plan
from pgmigrator.core.model import Observation, PartitionedTable, SourceFacts
from pgmigrator.core.names import TableName


def came(obs: Observation) -> tuple[PartitionedTable, ...]:
    """Partitioned tables of the source without any leaf, whose name nothing has here."""
    if obs.source is None or obs.destination is None:
        return ()
    there = {table.name for table in obs.destination.partitioned}
    taken = there | plan.destination_tables(obs).keys() | _with_leaves(obs.source)
    return tuple(table for table in obs.source.partitioned if table.name not in taken)


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
