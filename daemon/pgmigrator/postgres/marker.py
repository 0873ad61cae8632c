"""Keeps the marker: one custom setting of the destination database (see core/marker.py)."""

from psycopg import sql
from psycopg.errors import InternalError_
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random

from pgmigrator.core.marker import SETTING, Binding, Marker, dump, load, other_mapping
from pgmigrator.errors import Refused
from pgmigrator.postgres.connect import Connection, fetch
from pgmigrator.postgres.queries import query


async def bind(connection: Connection, mapping: str, database: str) -> Binding:
    """Return what a marker of that database must agree with.

    :raises Refused: there is no such database.
    """
    rows = await fetch(connection, query("marker_binding"), {"database": database})
    if not rows:
        raise Refused(f'the destination has no database "{database}"')
    return Binding(mapping, rows[0]["oid"], int(rows[0]["system_identifier"]))


async def read(connection: Connection, database: str, binding: Binding) -> Marker | None:
    """Return the marker of a database; None if it bears none that is bound as given.

    :raises NewerMarker: a newer daemon wrote it.
    """
    text = await _text(connection, database)
    return None if text is None else load(text, binding)


async def read_other_mapping(connection: Connection, database: str, binding: Binding) -> str:
    """Return the other mapping that is bringing a database; "" if none is.

    :raises NewerMarker: a newer daemon wrote its marker.
    """
    text = await _text(connection, database)
    return "" if text is None else other_mapping(text, binding)


async def marked_databases(
    connection: Connection, mapping: str, system_identifier: int
) -> tuple[str, ...]:
    """Return the databases of this server that bear a marker of the mapping.

    :raises NewerMarker: a newer daemon wrote one of them.
    """
    return tuple(
        row["name"]
        for row in await fetch(connection, query("marked_databases"))
        if load(
            row["setting"].removeprefix(f"{SETTING}="),
            Binding(mapping, row["oid"], system_identifier),
        )
    )


async def _text(connection: Connection, database: str) -> str | None:
    prefix = f"{SETTING}="
    for row in await fetch(connection, query("marker"), {"database": database}):
        setting: str = row["setting"]
        if setting.startswith(prefix):
            return setting.removeprefix(prefix)
    return None


async def write(connection: Connection, marker: Marker, database: str) -> None:
    """Set the marker of a database; inside a transaction of the caller, as part of it.

    Concurrent ALTERs of one database collide with an internal error: retried.
    """
    statement = sql.SQL("ALTER DATABASE {} SET {} = {}").format(
        sql.Identifier(database), sql.Identifier(*SETTING.split(".")), sql.Literal(dump(marker))
    )
    async for attempt in AsyncRetrying(
        retry=retry_if_exception(_collided),
        stop=stop_after_attempt(10),
        wait=wait_random(0.01, 0.2),
        reraise=True,
    ):
        with attempt:
            async with connection.transaction():
                await connection.execute(statement)


def _collided(error: BaseException) -> bool:
    return isinstance(error, InternalError_) and "concurrently updated" in str(error)
