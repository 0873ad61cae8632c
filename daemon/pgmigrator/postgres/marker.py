"""Keeps the marker: one custom setting of the destination database (see core/marker.py)."""

from psycopg import sql
from psycopg.errors import InternalError_
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random

from pgmigrator.core.marker import SETTING, Binding, Marker, dump, load
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
    rows = await fetch(connection, query("marker"), {"database": database})
    prefix = f"{SETTING}="
    for row in rows:
        if row["setting"].startswith(prefix):
            return load(row["setting"].removeprefix(prefix), binding)
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
