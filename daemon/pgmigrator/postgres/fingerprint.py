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
from pgmigrator.postgres.left_out import left_out
from pgmigrator.postgres.queries import query

#: an adopted database keeps its own owner, privileges and settings
DATABASE = "database"
PARTS = (
    "tables",
    "options",
    "indexes",
    "sequences",
    "views",
    "types",
    "routines",
    "dependents",
    "others",
    "privileges",
)
#: these print what reads relations, and so lock each of those until the statement ends
READING = ("views", "routines")
#: all comparisons under way leave the applications the rest of the source's lock table
LOCK_TABLE_SHARE = 4
_SLICES_MAX = 32
#: the first version that knows the privilege MAINTAIN
_MAINTAIN_SINCE = 170000
#: the first version that writes no qualifiers that a view, a rule or a body in SQL does not need
_BARE_NAMES_SINCE = 160000
#: what may differ before that: qualifiers, and blanks; literals and quoted names are kept
_QUALIFIED = (
    r"""('(?:[^']|'')*')|(?:"(?:[^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)\.|("(?:[^"]|"")+")|\s+"""
)
_NOTHING = "(?!)"
#: from here on GiST has a default for inet and cidr of its own, and does not name it
_INET_DEFAULT_SINCE = 190000
_INET_NAMED = r"""(?<=[\w")]) inet_ops(?=[,) ])"""

_HASHES = """
SELECT object, md5(string_agg(kind || ' ' || definition, E'\\n'
                              ORDER BY kind COLLATE "C", definition COLLATE "C")) AS hash
  FROM ({items}) AS items WHERE abs(hashtext(object)::bigint) %% %(slices)s = %(slice)s
 GROUP BY object
"""
_ITEMS = """
SELECT object, kind, definition FROM ({items}) AS items
 WHERE abs(hashtext(object)::bigint) %% %(slices)s = %(slice)s AND object = ANY(%(objects)s)
"""

Parameters = Mapping[str, object]


def _items(parts: Sequence[str]) -> str:
    return " UNION ALL ".join(f"({query(f'fingerprint/{part}')})" for part in parts)


async def compare(
    source: Connection,
    destination: Connection,
    *,
    created: bool = True,
    tablespaces: bool = True,
    at_once: int = 1,
) -> tuple[SchemaItem, ...]:
    """Return every line that only one of two databases has; nothing means equal.

    `created` tells a destination of ours from an adopted one, `tablespaces` whether those of
    tables, indexes and materialized views are to be the same; `at_once` is the number of databases
    of the same servers that may be compared at the same time.
    """
    parts = (DATABASE, *PARTS) if created else PARTS
    versions = (source.info.server_version, destination.info.server_version)
    oldest, newest = min(versions), max(versions)
    parameters = {
        "salt": secrets.token_hex(16),
        "own": [source.info.user, destination.info.user],
        "maintain": oldest >= _MAINTAIN_SINCE,
        "spelling": _NOTHING if oldest >= _BARE_NAMES_SINCE else _QUALIFIED,
        "named_default": _INET_NAMED if oldest < _INET_DEFAULT_SINCE <= newest else _NOTHING,
        "home": await _home(destination) if tablespaces else None,
        "closed": await _closed(source) if created else False,
        "left_out": await left_out(source, destination),
    }
    on_source = {**parameters, "held": None, "everywhere": True}
    held = Jsonb(await triggers.held(destination))
    on_destination = {**parameters, "held": held, "everywhere": False}
    here_in = await _statements(source, parts, at_once)
    there_in = await _statements(destination, parts, at_once)
    here, there = (
        await _hashes(source, here_in, on_source),
        await _hashes(destination, there_in, on_destination),
    )
    differing = sorted(
        name for name in here.keys() | there.keys() if here.get(name) != there.get(name)
    )
    if not differing:
        return ()
    source_items = await _lines(source, here_in, on_source, differing)
    destination_items = await _lines(destination, there_in, on_destination, differing)
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


async def _home(destination: Connection) -> str:
    """Return where the destination keeps what has no tablespace of its own."""
    [row] = await fetch(destination, query("home"))
    return str(row["home"])


async def _closed(source: Connection) -> bool:
    """Tell whether the source's database is kept for superusers, as it is for the cutover."""
    [row] = await fetch(
        source,
        "SELECT datconnlimit = 0 AS closed FROM pg_database WHERE datname = current_database()",
    )
    return bool(row["closed"])


async def _ancestors(connection: Connection, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    rows = await fetch(connection, query("ancestors"), {"objects": list(names)})
    return {row["object"]: tuple(row["ancestors"]) for row in rows}


async def _statements(
    connection: Connection, parts: Sequence[str], at_once: int
) -> tuple[tuple[str, Parameters], ...]:
    """Return the queries for all lines, and their parameters.

    What locks relations is asked in slices of its objects, each a statement of its own: once the
    lock table is exhausted, the application's statements fail.
    """
    [row] = await fetch(connection, query("reading_locks"))
    budget = max(1, row["lock_table_size"] // LOCK_TABLE_SHARE // at_once)
    slices = min(_SLICES_MAX, -(-row["locks"] // budget) or 1)
    reading = _items([part for part in parts if part in READING])
    others = _items([part for part in parts if part not in READING])
    return (
        (others, {"slices": 1, "slice": 0}),
        *((reading, {"slices": slices, "slice": number}) for number in range(slices)),
    )


async def _hashes(
    connection: Connection,
    statements: Sequence[tuple[str, Parameters]],
    parameters: Parameters,
) -> dict[str, str]:
    found: dict[str, str] = {}
    for items, of_it in statements:
        rows = await fetch(connection, _HASHES.format(items=items), {**parameters, **of_it})
        found |= {row["object"]: found.get(row["object"], "") + row["hash"] for row in rows}
    return found


async def _lines(
    connection: Connection,
    statements: Sequence[tuple[str, Parameters]],
    parameters: Parameters,
    names: Sequence[str],
) -> set[tuple[str, str, str]]:
    found: set[tuple[str, str, str]] = set()
    for items, of_it in statements:
        rows = await fetch(
            connection,
            _ITEMS.format(items=items),
            {**parameters, **of_it, "objects": list(names)},
        )
        found |= {(row["object"], row["kind"], row["definition"]) for row in rows}
    return found
