"""Reading the conditions of either side: one query per field, each by itself.

The session has none of our settings: what it finds in `settings` is what the replication sessions
of our role get, by whatever way. What a query is refused is said in `unread`; the others go on.
"""

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_args, get_type_hints

import psycopg

from pgmigrator.core.conditions import DestinationConditions, ExtensionRows, SourceConditions
from pgmigrator.core.text import SESSION_OPTIONS
from pgmigrator.errors import MigratorError
from pgmigrator.postgres import extension_rows
from pgmigrator.postgres.connect import Connection, Endpoint, connect, fetch, translate, translated
from pgmigrator.postgres.queries import query

C = TypeVar("C", SourceConditions, DestinationConditions)

#: once the settings are read: what they are must not keep us from reading the rest
_OPTIONS = SESSION_OPTIONS | {"statement_timeout": "10s", "lock_timeout": "2s"}


async def read(
    kind: type[C],
    endpoint: Endpoint,
    database: str,
    columns: Mapping[str, Collection[str]] | None = None,
) -> C:
    """Read the conditions over a session of their own; a server that refuses it is told.

    `columns` are those of extensions' tables that the other side has, as far as is known.
    """
    try:
        with translated(endpoint):
            async with await connect(endpoint, database, "observe", bounded=False) as connection:
                return await _read(kind, endpoint, connection, columns or {})
    except MigratorError as error:
        return kind(unread={"everything": str(error)})


async def _read(
    kind: type[C],
    endpoint: Endpoint,
    connection: Connection,
    columns: Mapping[str, Collection[str]],
) -> C:
    read: dict[str, Any] = {}
    unread: dict[str, str] = {}
    types = get_type_hints(kind)
    for field in fields(kind):
        if field.name == "unread":
            continue
        (row_type, *_) = get_args(types[field.name])
        try:
            if row_type is ExtensionRows:
                read[field.name] = await extension_rows.read(endpoint, connection, columns)
            else:
                rows = await fetch(connection, query(f"conditions/{field.name}"))
                read[field.name] = tuple(row_type(**row) for row in rows)
        except psycopg.Error as error:
            if connection.closed:
                raise
            unread[field.name] = str(translate(error, endpoint))
        if field.name == "settings":
            for name, value in _OPTIONS.items():
                await connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    return kind(**read, unread=unread)
