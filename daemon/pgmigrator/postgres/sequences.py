"""Sequences: replication never carries them, so their positions are read and set by us.

Only ever forward, in each sequence's direction; one that cycles has no forward and is set exactly.
"""

from collections.abc import Sequence as Rows
from dataclasses import dataclass

from psycopg import errors, sql
from psycopg.rows import DictRow
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

from pgmigrator.core.facts import Sequence
from pgmigrator.core.names import TableName
from pgmigrator.postgres.connect import Connection, fetch
from pgmigrator.postgres.queries import query

#: sequences read in one statement: bounds the locks held at once
CHUNK = 200


@dataclass(frozen=True, slots=True)
class Synchronized:
    """What became of the source's sequences on the destination."""

    set: int
    #: the destination has none of that name; we create none
    missing: tuple[TableName, ...] = ()
    #: the destination's bounds do not allow the source's position
    out_of_bounds: tuple[TableName, ...] = ()


async def read_source(connection: Connection) -> tuple[Sequence, ...]:
    """Read all sequences with their positions, on any supported version."""
    async for attempt in AsyncRetrying(
        # one was dropped or renamed between the two statements
        retry=retry_if_exception_type((errors.UndefinedTable, errors.InvalidSchemaName)),
        stop=stop_after_attempt(5),
        reraise=True,
    ):
        with attempt:
            rows = await fetch(connection, query("sequences"), {})
            positions: dict[int, DictRow] = {}
            for start in range(0, len(rows), CHUNK):
                positions |= await _positions(connection, rows[start : start + CHUNK])
    return tuple(_sequence(row | positions[row["oid"]]) for row in rows)


async def read_destination(connection: Connection) -> tuple[Sequence, ...]:
    """Read all sequences with their positions, on 18 or newer."""
    return tuple(
        _sequence(row) for row in await fetch(connection, query("sequences_destination"), {})
    )


async def synchronize(connection: Connection, sequences: Rows[Sequence]) -> Synchronized:
    """Set the destination's sequences to the source's positions, given in `sequences`."""
    rows = await fetch(
        connection,
        query("set_sequences"),
        {
            "schemas": [sequence.name.schema for sequence in sequences],
            "names": [sequence.name.name for sequence in sequences],
            "values": [sequence.last_value for sequence in sequences],
            "called": [sequence.is_called for sequence in sequences],
        },
    )
    there = {TableName(row["schema"], row["name"]): row for row in rows}
    return Synchronized(
        set=sum(row["set"] for row in rows),
        missing=tuple(s.name for s in sequences if s.name not in there),
        out_of_bounds=tuple(name for name, row in there.items() if not row["possible"]),
    )


async def _positions(connection: Connection, rows: Rows[DictRow]) -> dict[int, DictRow]:
    statement = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}::bigint AS oid, last_value, is_called FROM {}").format(
            sql.Literal(row["oid"]), sql.Identifier(row["schema"], row["name"])
        )
        for row in rows
    )
    cursor = await connection.execute(statement)
    return {row["oid"]: row for row in await cursor.fetchall()}


def _sequence(row: DictRow) -> Sequence:
    return Sequence(
        name=TableName(row["schema"], row["name"]),
        increment=row["increment"],
        cycle=row["cycle"],
        last_value=row["last_value"],
        is_called=row["is_called"],
    )
