"""Comparing two schemas: hashes per object first, single lines only where the hashes differ.

`sql/fingerprint/` describes every object of a database in lines that all versions write alike. What
is in neither file is not compared: a kind of object that a schema can hold belongs there.
"""

import secrets
from collections.abc import Mapping, Sequence

from psycopg.types.json import Jsonb

from pgmigrator.core.model import SchemaItem, SchemaKind
from pgmigrator.postgres import triggers
from pgmigrator.postgres.connect import Connection, fetch
from pgmigrator.postgres.queries import query

#: an adopted database keeps its own owner, privileges and settings
DATABASE = "database"
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
#: the first version that writes no qualifiers that a view, a rule or a body in SQL does not need
_BARE_NAMES_SINCE = 160000
#: what may differ before that: qualifiers, and blanks; literals and quoted names are kept
_QUALIFIED = (
    r"""('(?:[^']|'')*')|(?:"(?:[^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)\.|("(?:[^"]|"")+")|\s+"""
)
_NOTHING = "(?!)"

_HASHES = """
SELECT object, md5(string_agg(kind || ' ' || definition, E'\\n'
                              ORDER BY kind COLLATE "C", definition COLLATE "C")) AS hash
  FROM ({items}) AS items GROUP BY object
"""
_ITEMS = """
SELECT object, kind, definition FROM ({items}) AS items WHERE object = ANY(%(objects)s)
"""

Parameters = Mapping[str, object]


def _items(parts: Sequence[str]) -> str:
    return " UNION ALL ".join(f"({query(f'fingerprint/{part}')})" for part in parts)


async def compare(
    source: Connection, destination: Connection, *, created: bool = True
) -> tuple[SchemaItem, ...]:
    """Return every line that only one of two databases has; nothing means equal.

    `created` tells a destination of ours from an adopted one.
    """
    items = _items((DATABASE, *PARTS) if created else PARTS)
    oldest = min(source.info.server_version, destination.info.server_version)
    parameters = {
        "salt": secrets.token_hex(16),
        "own": [source.info.user, destination.info.user],
        "maintain": oldest >= _MAINTAIN_SINCE,
        "spelling": _NOTHING if oldest >= _BARE_NAMES_SINCE else _QUALIFIED,
    }
    on_source = {**parameters, "held": None, "everywhere": True}
    held = Jsonb(await triggers.held(destination))
    on_destination = {**parameters, "held": held, "everywhere": False}
    here, there = (
        await _hashes(source, items, on_source),
        await _hashes(destination, items, on_destination),
    )
    differing = sorted(
        name for name in here.keys() | there.keys() if here.get(name) != there.get(name)
    )
    if not differing:
        return ()
    source_items = await _lines(source, items, on_source, differing)
    destination_items = await _lines(destination, items, on_destination, differing)
    return tuple(
        SchemaItem(
            object=name,
            kind=SchemaKind(kind),
            definition=definition,
            missing=missing,
            ancestors=ancestors.get(name, ()),
        )
        for lines, missing, ancestors in (
            (source_items - destination_items, True, await _ancestors(source, differing)),
            (destination_items - source_items, False, await _ancestors(destination, differing)),
        )
        for name, kind, definition in sorted(lines)
    )


async def _ancestors(connection: Connection, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    rows = await fetch(connection, query("ancestors"), {"objects": list(names)})
    return {row["object"]: tuple(row["ancestors"]) for row in rows}


async def _hashes(connection: Connection, items: str, parameters: Parameters) -> dict[str, str]:
    rows = await fetch(connection, _HASHES.format(items=items), parameters)
    return {row["object"]: row["hash"] for row in rows}


async def _lines(
    connection: Connection, items: str, parameters: Parameters, names: Sequence[str]
) -> set[tuple[str, str, str]]:
    rows = await fetch(
        connection, _ITEMS.format(items=items), {**parameters, "objects": list(names)}
    )
    return {(row["object"], row["kind"], row["definition"]) for row in rows}
