"""Comparing two schemas: hashes per object first, single lines only where the hashes differ.

`sql/fingerprint/` describes every object of a database in lines that all versions write alike. What
is in neither file is not compared: a kind of object that a schema can hold belongs there.
"""

import secrets
from collections.abc import Mapping, Sequence

from pgmigrator.core.model import SchemaItem, SchemaKind
from pgmigrator.postgres.connect import Connection, fetch
from pgmigrator.postgres.queries import query

PARTS = (
    "tables",
    "indexes",
    "sequences",
    "views",
    "types",
    "routines",
    "others",
    "privileges",
)
#: the first version that knows the privilege MAINTAIN
_MAINTAIN_SINCE = 170000

_HASHES = """
SELECT object, md5(string_agg(kind || ' ' || definition, E'\\n'
                              ORDER BY kind COLLATE "C", definition COLLATE "C")) AS hash
  FROM ({items}) AS items GROUP BY object
"""
_ITEMS = """
SELECT object, kind, definition FROM ({items}) AS items WHERE object = ANY(%(objects)s)
"""

Parameters = Mapping[str, object]


def _items() -> str:
    return " UNION ALL ".join(f"({query(f'fingerprint/{part}')})" for part in PARTS)


async def compare(source: Connection, destination: Connection) -> tuple[SchemaItem, ...]:
    """Return every line that only one of two databases has; nothing means equal."""
    parameters = {
        "salt": secrets.token_hex(16),
        "maintain": min(source.info.server_version, destination.info.server_version)
        >= _MAINTAIN_SINCE,
    }
    here, there = await _hashes(source, parameters), await _hashes(destination, parameters)
    differing = sorted(
        name for name in here.keys() | there.keys() if here.get(name) != there.get(name)
    )
    if not differing:
        return ()
    source_items = await _lines(source, parameters, differing)
    destination_items = await _lines(destination, parameters, differing)
    return tuple(
        SchemaItem(object=name, kind=SchemaKind(kind), definition=definition, missing=missing)
        for lines, missing in (
            (source_items - destination_items, True),
            (destination_items - source_items, False),
        )
        for name, kind, definition in sorted(lines)
    )


async def _hashes(connection: Connection, parameters: Parameters) -> dict[str, str]:
    rows = await fetch(connection, _HASHES.format(items=_items()), parameters)
    return {row["object"]: row["hash"] for row in rows}


async def _lines(
    connection: Connection, parameters: Parameters, names: Sequence[str]
) -> set[tuple[str, str, str]]:
    rows = await fetch(
        connection, _ITEMS.format(items=_items()), {**parameters, "objects": list(names)}
    )
    return {(row["object"], row["kind"], row["definition"]) for row in rows}
