"""Reading the source's side of one database: catalogs only, in a read-only session."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from psycopg.errors import LockNotAvailable, QueryCanceled

from pgmigrator.core.facts import (
    DatabaseProperties,
    PartitionedTable,
    Publication,
    Server,
    Slot,
    SourceFacts,
    SourceTable,
)
from pgmigrator.core.marker import ServerIdentity
from pgmigrator.core.names import Names, TableName
from pgmigrator.postgres import sequences
from pgmigrator.postgres.confirm import NUDGE
from pgmigrator.postgres.connect import Connection, SourceWriter, fetch
from pgmigrator.postgres.pgoutput import late_writes as late_writes_in
from pgmigrator.postgres.queries import query

#: late transactions are counted up to here
LATE_WRITES_MAX = 1000
#: and so long, which is less than the whole side may take
LATE_WRITES_TIMEOUT_S = 12

LateWrites = Callable[[], Awaitable[int | None]]


async def read_server(connection: Connection) -> Server:
    """Read what a server says about itself."""
    (row,) = await fetch(connection, query("server"))
    settings = {r["name"]: r["setting"] for r in await fetch(connection, query("settings"))}
    identity = ServerIdentity(
        system_identifier=row.pop("system_identifier"), timeline=row.pop("timeline")
    )
    # a pooler answers the start of a session by itself, with a process id of its own making
    pooled = row.pop("backend_pid") != connection.info.backend_pid
    return Server(**row, identity=identity, settings=settings, pooled=pooled)


async def read_available_extensions(connection: Connection) -> dict[str, str]:
    """Read what CREATE EXTENSION could create, with default versions; the server reads files."""
    rows = await fetch(connection, query("available_extensions"))
    return {row["name"]: row["version"] for row in rows}


async def read_database(connection: Connection, database: str) -> DatabaseProperties | None:
    """Read a database's properties; None: there is none. Its extensions only if connected to it."""
    rows = await fetch(connection, query("database"), {"database": database})
    if not rows:
        return None
    extensions = (
        await fetch(connection, query("extensions")) if connection.info.dbname == database else []
    )
    return DatabaseProperties(
        **rows[0], extensions={row["name"]: row["version"] for row in extensions}
    )


async def read_source(
    connection: Connection,
    database: str,
    names: Names,
    sizes: Mapping[int, int],
    *,
    sync_slots: str,
    late_writes: LateWrites | None,
) -> SourceFacts:
    """Read one database of the source; the connection is to that database.

    `sizes` are bytes by table oid, read on a schedule of their own. `sync_slots` is the LIKE
    pattern of the subscription's table-sync slots. `late_writes` looks into the slot; None: that
    is not wanted.
    """
    # The slot before the WAL position: the lag is then never below zero by the order of reading.
    slot = await _read_slot(connection, names, sync_slots)
    (activity,) = await fetch(connection, query("source_activity"), {})
    (never,) = await fetch(connection, query("not_replicated"), {})
    (counting,) = await fetch(connection, query("counting"), {})
    publication, insert_only = await read_publications(connection, names)
    readable = slot is not None and not slot.active and slot.wal_status != "lost"
    return SourceFacts(
        server=await read_server(connection),
        database=await read_database(connection, database),
        # before the tables: one that has a leaf by then is never taken for one without
        partitioned=await read_partitioned(connection),
        tables=await _read_tables(connection, sizes),
        publication=publication,
        insert_only=insert_only,
        slot=slot,
        sequences=await sequences.read_source(connection),
        blocked_sessions=activity["blocked_sessions"],
        oldest_transaction_at=activity["oldest_transaction_at"],
        open_writers=tuple(activity["open_writers"]),
        unlogged_tables=tuple(never["unlogged_tables"]),
        unlogged_with_rows=tuple(
            row["name"] for row in await fetch(connection, query("unlogged_with_rows"), {})
        ),
        large_objects=never["large_objects"],
        counting_since=counting["counting_since"],
        late_writes=await late_writes() if late_writes is not None and readable else None,
    )


async def read_late_writes(
    connection: Connection, slot: str, publications: Sequence[str]
) -> int | None:
    """Count the published transactions that wait in the slot; None: that took too long.

    It decodes all WAL that the slot keeps, also what other databases wrote.
    """
    # peeking reads up to the flushed end of the WAL, and waits where that is amid a record
    await SourceWriter(connection).execute(NUDGE)
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL statement_timeout = '{LATE_WRITES_TIMEOUT_S}s'")
            return await late_writes_in(connection, slot, publications, LATE_WRITES_MAX)
    except QueryCanceled:
        return None


async def read_publications(
    connection: Connection, names: Names
) -> tuple[Publication | None, Publication | None]:
    """Read both publications of our names, the second of inserts only; None: it is not there."""
    return (
        await _read_publication(connection, names.publication, updates=True),
        await _read_publication(connection, names.insert_only_publication, updates=False),
    )


async def _read_publication(
    connection: Connection, publication: str, *, updates: bool
) -> Publication | None:
    parameters = {"publication": publication, "updates": updates}
    rows = await fetch(connection, query("publication"), parameters)
    if not rows:
        return None
    tables = {r["oid"]: TableName(r["schema"], r["name"]) for r in rows if r["oid"] is not None}
    whole = all(row["whole"] for row in rows)
    return Publication(comment=rows[0]["comment"], whole=whole, tables=tables)


async def read_partitioned(connection: Connection) -> tuple[PartitionedTable, ...]:
    """Return the partitioned tables of either side."""
    return tuple(
        PartitionedTable(
            oid=row["oid"],
            name=TableName(row["schema"], row["name"]),
            partition_of=TableName(row["root_schema"], row["root_name"])
            if row["root_name"]
            else None,
        )
        for row in await fetch(connection, query("partitioned_tables"))
    )


async def read_storage(connection: Connection) -> dict[TableName, str]:
    """Return the storage of each table of either side, as in `SourceTable.storage`."""
    rows = await fetch(connection, query("storage"))
    return {TableName(row["schema"], row["name"]): row["storage"] for row in rows}


async def read_sizes(connection: Connection) -> dict[int, int]:
    """Read the bytes of every table, by oid: an estimate, none while one of them is locked."""
    try:
        rows = await fetch(connection, query("source_sizes"))
    except LockNotAvailable:
        return {}
    return {row["oid"]: row["bytes"] for row in rows}


async def _read_slot(connection: Connection, names: Names, sync_slots: str) -> Slot | None:
    parameters = {"slot": names.subscription, "sync_slots": sync_slots}
    rows = await fetch(connection, query("slot"), parameters)
    return Slot(**rows[0]) if rows else None


async def _read_tables(connection: Connection, sizes: Mapping[int, int]) -> tuple[SourceTable, ...]:
    tables = await fetch(connection, query("source_tables"))
    # read after the tables: none of them lacks what is to be said of it
    leaves = {row["oid"]: row for row in await fetch(connection, query("leaf_partitions"))}
    storage = await read_storage(connection)
    unremarkable = {"reason": "", "collations": ()}
    return tuple(
        SourceTable(
            oid=row["oid"],
            name=(name := TableName(row["schema"], row["name"])),
            partition_of=TableName(row["root_schema"], row["root_name"])
            if row["root_name"]
            else None,
            identity_usable=not row["identity_reason"],
            identity_reason=row["identity_reason"],
            identity_candidate=row["identity_candidate"],
            full_reason=row["full_reason"],
            estimated_rows=row["estimated_rows"],
            estimated_bytes=sizes.get(row["oid"], 0),
            partition_reason=leaves.get(row["oid"], unremarkable)["reason"],
            partition_collations=tuple(leaves.get(row["oid"], unremarkable)["collations"]),
            changes=row["changes"],
            storage=storage.get(name, ""),
        )
        for row in tables
    )
