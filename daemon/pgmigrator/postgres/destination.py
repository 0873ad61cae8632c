"""Reading the destination's side of one database: marker, subscription, tables, who else writes."""

from dataclasses import replace
from typing import TypedDict

from psycopg import sql

from pgmigrator.core.facts import (
    DestinationFacts,
    DestinationTable,
    PartitionedTable,
    Server,
    Subscription,
)
from pgmigrator.core.marker import Binding, Marker, NewerMarker
from pgmigrator.core.names import Names, TableName
from pgmigrator.errors import Refused
from pgmigrator.postgres import bookkeeping, marker, sequences
from pgmigrator.postgres.connect import Connection, fetch
from pgmigrator.postgres.queries import query
from pgmigrator.postgres.source import read_database, read_partitioned, read_storage

#: tables asked for their first row in one statement
_CHUNK = 200
_READ_STARTS = """
SELECT started_at = pg_postmaster_start_time() AS ours, source_started_at FROM pgmigrator.start
"""


async def read_marker(
    connection: Connection, database: str, mapping: str, system_identifier: int
) -> Marker | None:
    """Read the marker of a database of this server, from any of its databases.

    :raises NewerMarker: a newer daemon wrote it.
    """
    found = await read_database(connection, database)
    if found is None:
        return None
    return await marker.read(connection, database, Binding(mapping, found.oid, system_identifier))


async def read_outside(connection: Connection, server: Server, database: str) -> DestinationFacts:
    """Read what shows from another database: whether ours exists."""
    return DestinationFacts(server=server, database=await read_database(connection, database))


async def read_inside(
    connection: Connection, outside: DestinationFacts, mapping: str, names: Names | None
) -> DestinationFacts:
    """Read the rest over a connection to the database itself."""
    identifier = outside.server.identity.system_identifier
    newer = other = ""
    try:
        found = await read_marker(connection, connection.info.dbname, mapping, identifier)
        if found is None and outside.database is not None:
            binding = Binding(mapping, outside.database.oid, identifier)
            other = await marker.read_other_mapping(connection, connection.info.dbname, binding)
    except NewerMarker as error:
        found, newer = None, str(error)
    subscription = await _read_subscription(connection, names)
    (activity,) = await fetch(connection, query("destination_activity"), {})
    marked = {"marked": found is not None or newer != ""}
    (objects,) = await fetch(connection, query("has_user_objects"), marked)
    return replace(
        outside,
        marker=found,
        newer_marker=newer,
        other_mapping=other,
        has_user_objects=objects["has_user_objects"],
        subscription=subscription,
        tables=await _read_tables(connection, subscription),
        partitioned=await _read_partitioned(connection),
        sequences=await sequences.read_destination(connection),
        invalid_indexes=tuple(activity["invalid_indexes"]),
        indexes_built=activity["indexes_built"],
        indexes_building=activity["indexes_building"],
        foreign_writers=tuple(activity["foreign_writers"]),
        at_switch=await bookkeeping.read_switch(connection),
        **await read_starts(connection),
        conflicts=await bookkeeping.read_conflicts(connection),
    )


async def _read_subscription(connection: Connection, names: Names | None) -> Subscription | None:
    if names is None:
        return None
    rows = await fetch(connection, query("subscription"), {"subscription": names.subscription})
    if not rows:
        return None
    (row,) = rows
    counters = row.pop("counters") or {}
    conflicts = {name: n for name, n in counters.items() if name.startswith("confl_")}
    publications = tuple(row.pop("publications"))
    return Subscription(**row, publications=publications, conflicts=conflicts)


async def followed_publications(connection: Connection, names: Names) -> tuple[str, ...]:
    """Return the publications that our subscription follows.

    :raises Refused: there is no subscription.
    """
    found = await _read_subscription(connection, names)
    if found is None:
        raise Refused(f"there is no subscription {names.subscription}")
    return found.publications


async def _read_tables(
    connection: Connection, subscription: Subscription | None
) -> tuple[DestinationTable, ...]:
    parameters = {"subscription_oid": subscription.oid if subscription else 0}
    notes = await bookkeeping.read(connection)
    baselines = await bookkeeping.read_baselines(connection)
    storage = await read_storage(connection)
    tables = []
    for row in await fetch(connection, query("destination_tables"), parameters):
        name = TableName(row.pop("schema"), row.pop("name"))
        root = (row.pop("root_schema"), row.pop("root_name"))
        note = notes.get(name, bookkeeping.Note(None, created=False))
        tables.append(
            DestinationTable(
                name=name,
                partition_of=TableName(*root) if root[1] else None,
                source_oid=note.source_oid,
                created=note.created,
                filled=note.filled or row["state"] != "",
                resync=note.resync,
                baseline=baselines.get(note.source_oid) if note.source_oid else None,
                storage=storage.get(name, ""),
                compared=note.compared,
                **row,
            )
        )
    unclear = [t.name for t in tables if t.state == "" and t.has_rows is None]
    filled = await tables_with_rows(connection, unclear)
    return tuple(
        replace(table, has_rows=table.name in filled) if table.name in unclear else table
        for table in tables
    )


async def _read_partitioned(connection: Connection) -> tuple[PartitionedTable, ...]:
    notes = await bookkeeping.read_partitioned(connection)
    return tuple(
        replace(table, source_oid=notes.get(table.oid))
        for table in await read_partitioned(connection)
    )


class Starts(TypedDict):
    """What our bookkeeping remembers of the servers' starts, as in DestinationFacts."""

    start_remembered: bool
    source_start: float | None


async def read_starts(connection: Connection) -> Starts:
    """Return whether this server's last start is remembered, and which one of the source is.

    An older copy of the server remembers an older start, and bears no other trace of its age.
    """
    (row,) = await fetch(connection, "SELECT to_regclass('pgmigrator.start') IS NOT NULL AS kept")
    rows = await fetch(connection, _READ_STARTS) if row["kept"] else []
    return Starts(
        start_remembered=any(row["ours"] for row in rows),
        source_start=rows[0]["source_started_at"] if rows else None,
    )


async def remember_starts(connection: Connection, starts: tuple[float, float]) -> None:
    """Remember starts of the source and of this server, in the caller's transaction.

    If this server was started again since, nothing is remembered.
    """
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS pgmigrator.start"
        " (started_at timestamptz NOT NULL, source_started_at float8 NOT NULL)"
    )
    await connection.execute("DELETE FROM pgmigrator.start")
    await connection.execute(
        "INSERT INTO pgmigrator.start SELECT pg_postmaster_start_time(), %s"
        " WHERE extract(epoch FROM pg_postmaster_start_time())::float8 = %s",
        starts,
    )


async def tables_with_rows(connection: Connection, tables: list[TableName]) -> frozenset[TableName]:
    """Return those of the tables that hold at least one row."""
    found: set[TableName] = set()
    for start in range(0, len(tables), _CHUNK):
        chunk = tables[start : start + _CHUNK]
        probe = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {} AS i WHERE EXISTS (SELECT FROM ONLY {})").format(
                sql.Literal(i), sql.Identifier(table.schema, table.name)
            )
            for i, table in enumerate(chunk)
        )
        cursor = await connection.execute(probe)
        found.update(chunk[row["i"]] for row in await cursor.fetchall())
    return frozenset(found)
