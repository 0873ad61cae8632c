"""What comes after the data, on either side: read by one query, compared by name.

The archive's entries carry source OIDs; the source's inventory gives each its name, and the
destination's tells what is there already. So a restore can be interrupted and run again.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from pgmigrator.core.names import TableName
from pgmigrator.postgres.archive import Entry
from pgmigrator.postgres.connect import Connection, fetch
from pgmigrator.postgres.queries import query

#: entries whose objects the inventory does not list; running them again changes nothing
_REPEATABLE = frozenset({"COMMENT", "DEFAULT ACL", "RULE", "SECURITY LABEL"})

#: (kind, schema, table, name)
Name = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Object:
    """One index, constraint, trigger, rule, policy, ... of a database."""

    name: Name
    #: an index is joined to the index of the partitioned table
    attached: bool
    #: a constraint holds for the rows that were there before it
    valid: bool

    @property
    def table(self) -> TableName:
        """The table that it belongs to; empty names if it belongs to none."""
        return TableName(self.name[1], self.name[2])


@dataclass(frozen=True, slots=True)
class Inventory:
    """The objects of one database."""

    by_oid: Mapping[tuple[int, int], Object]
    by_name: Mapping[Name, Object]

    @classmethod
    async def read(cls, connection: Connection) -> Self:
        """Read one side."""
        rows = await fetch(connection, query("post_data_objects"))
        by_oid = {
            (row["classid"], row["oid"]): Object(
                (row["kind"], row["schema"], row["table"], row["name"]),
                row["attached"],
                row["valid"],
            )
            for row in rows
        }
        return cls(by_oid, {found.name: found for found in by_oid.values()})

    def has_table_of(self, item: Object) -> bool:
        """Tell whether the table that an object of the other side belongs to is here too."""
        _, schema, table, _ = item.name
        return not table or ("relation", schema, table, table) in self.by_name


def lacking(
    entries: Iterable[Entry],
    source: Inventory,
    destination: Inventory,
    other_names: Collection[tuple[str, str]] = (),
) -> tuple[Entry, ...]:
    """Return the entries that the destination still lacks and that fit what it has.

    `other_names`: table and name of what is there, but under another name.
    """
    everything = tuple(entries)
    homeless = {
        entry.id
        for entry in everything
        if (item := source.by_oid.get(entry.key)) and not destination.has_table_of(item)
    }
    keys = {entry.id: entry.key for entry in everything}
    return tuple(
        entry
        for entry in everything
        if entry.id not in homeless
        and not _is_among(other_names, source.by_oid.get(entry.key))
        and not entry.dependencies & homeless
        and _lacks(entry, keys, source, destination)
    )


def _is_among(names: Collection[tuple[str, str]], item: Object | None) -> bool:
    return item is not None and (str(item.table), item.name[3]) in names


def _lacks(
    entry: Entry,
    keys: Mapping[int, tuple[int, int]],
    source: Inventory,
    destination: Inventory,
) -> bool:
    if entry.type == "INDEX ATTACH":
        parts = [
            item
            for needed in entry.dependencies
            if needed in keys and (item := source.by_oid.get(keys[needed])) and item.attached
        ]
        return not all(
            (there := destination.by_name.get(item.name)) is not None and there.attached
            for item in parts
        )
    item = source.by_oid.get(entry.key)
    if item is None:  # dropped on the source since the dump, unless it is of another kind
        return entry.type in _REPEATABLE
    return item.name not in destination.by_name


def unvalidated(source: Inventory, destination: Inventory) -> tuple[Object, ...]:
    """Foreign keys that hold on the source and are not checked yet on the destination."""
    return tuple(
        item
        for name, item in destination.by_name.items()
        if name[0] == "foreign key"
        and not item.valid
        and (there := source.by_name.get(name)) is not None
        and there.valid
    )
