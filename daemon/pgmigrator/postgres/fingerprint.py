"""Comparing two schemas: hashes per table first, single lines only where the hashes differ."""

from collections.abc import Sequence

from pgmigrator.core.model import SchemaItem, SchemaKind
from pgmigrator.postgres.connect import Connection, fetch
from pgmigrator.postgres.queries import query

_KINDS = {
    "T": SchemaKind.TABLE,
    "C": SchemaKind.COLUMN,
    "K": SchemaKind.CONSTRAINT,
    "I": SchemaKind.INDEX,
    "G": SchemaKind.TRIGGER,
    "E": SchemaKind.ENUM,
    "V": SchemaKind.VIEW,
    "F": SchemaKind.FUNCTION,
    "Y": SchemaKind.TYPE,
    "P": SchemaKind.POLICY,
    "R": SchemaKind.RULE,
}
_HASHES = """
SELECT tbl, md5(string_agg(item, E'\\n' ORDER BY item COLLATE "C")) AS hash
  FROM ({items}) AS items GROUP BY tbl
"""
_ITEMS = "SELECT tbl, item FROM ({items}) AS items WHERE tbl = ANY(%(tables)s)"


async def hashes(connection: Connection) -> dict[str, str]:
    """Return one hash for each table (and enum type) of a database, by qualified name."""
    rows = await fetch(connection, _HASHES.format(items=query("fingerprint_items")), {})
    return {row["tbl"]: row["hash"] for row in rows}


async def compare(source: Connection, destination: Connection) -> tuple[SchemaItem, ...]:
    """Return every line that only one of two databases has; nothing means equal."""
    here, there = await hashes(source), await hashes(destination)
    differing = sorted(
        table for table in here.keys() | there.keys() if here.get(table) != there.get(table)
    )
    if not differing:
        return ()
    source_items = await _items(source, differing)
    destination_items = await _items(destination, differing)
    return tuple(
        _item(table, line, missing=missing)
        for lines, missing in (
            (source_items - destination_items, True),
            (destination_items - source_items, False),
        )
        for table, line in sorted(lines)
    )


async def _items(connection: Connection, tables: Sequence[str]) -> set[tuple[str, str]]:
    text = _ITEMS.format(items=query("fingerprint_items"))
    rows = await fetch(connection, text, {"tables": list(tables)})
    return {(row["tbl"], row["item"]) for row in rows}


def _item(table: str, line: str, *, missing: bool) -> SchemaItem:
    kind, _, definition = line.partition(" ")
    return SchemaItem(table=table, kind=_KINDS[kind], definition=definition, missing=missing)
