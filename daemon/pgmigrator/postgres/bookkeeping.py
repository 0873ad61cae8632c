"""Our bookkeeping in the destination database: which table holds the rows of which source table.

A table is noted with its own oid: another one that takes its name is not ours, whatever it holds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from psycopg import sql
from psycopg.types.json import Jsonb

from pgmigrator.core.facts import AtSwitch, Baseline, Conflicts
from pgmigrator.core.names import TableName
from pgmigrator.errors import Refused
from pgmigrator.postgres.connect import Connection, fetch
from pgmigrator.postgres.queries import query

_TABLES = (
    "CREATE SCHEMA IF NOT EXISTS pgmigrator",
    "CREATE TABLE IF NOT EXISTS pgmigrator.tables (schema_name text, table_name text,"
    " source_oid bigint, table_oid oid NOT NULL, created boolean NOT NULL,"
    " resync boolean NOT NULL DEFAULT false, filled boolean NOT NULL DEFAULT false,"
    " source_storage text, destination_storage text,"
    " PRIMARY KEY (schema_name, table_name))",
)
_BASELINES = (
    "CREATE TABLE IF NOT EXISTS pgmigrator.insert_only (source_oid bigint PRIMARY KEY,"
    " changes bigint NOT NULL, counting_since text NOT NULL)"
)
#: by oids alone: whatever becomes of its name, it is the one that we created for the source's
_ROOTS = (
    "CREATE TABLE IF NOT EXISTS pgmigrator.partitioned (table_oid oid PRIMARY KEY,"
    " source_oid bigint NOT NULL)"
)
_REMEMBER_ROOTS = """
INSERT INTO pgmigrator.partitioned (table_oid, source_oid)
SELECT c.oid, created.source_oid
  FROM unnest(%(oids)s::bigint[], %(schemas)s::name[], %(names)s::name[])
       AS created (source_oid, schema, name)
  JOIN pg_namespace n ON n.nspname = created.schema
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = created.name AND c.relkind = 'p'
ON CONFLICT (table_oid) DO UPDATE SET source_oid = excluded.source_oid
"""
_REMEMBER = """
INSERT INTO pgmigrator.tables
       (schema_name, table_name, source_oid, table_oid, created, filled, source_storage,
        destination_storage)
SELECT s.schema, s.name, wanted.source_oid, s.oid, %(created)s, false, wanted.storage, s.storage
  FROM unnest(%(oids)s::bigint[], %(schemas)s::name[], %(names)s::name[], %(storage)s::text[])
       AS wanted (source_oid, schema, name, storage)
  JOIN ({storage}) s ON s.schema = wanted.schema AND s.name = wanted.name
ON CONFLICT (schema_name, table_name) DO UPDATE
   SET source_oid = excluded.source_oid, table_oid = excluded.table_oid,
       created = excluded.created OR tables.created AND tables.table_oid = excluded.table_oid,
       filled = tables.filled AND tables.table_oid = excluded.table_oid,
       source_storage = excluded.source_storage, destination_storage = excluded.destination_storage
""".format(storage=query("storage"))
_FILLED = """
UPDATE pgmigrator.tables t SET filled = true
  FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
 WHERE r.srrelid = t.table_oid AND s.subname = %s AND NOT t.filled
"""
_EQUAL = """
UPDATE pgmigrator.tables
   SET source_storage = %(source)s, destination_storage = %(destination)s
 WHERE schema_name = %(schema)s AND table_name = %(name)s
"""


@dataclass(frozen=True, slots=True)
class Note:
    """What is noted of one table."""

    #: of the table for which it stands; None: its copy is awaited
    source_oid: int | None
    #: we created it; else somebody else did, and we only filled it
    created: bool
    #: it is or was subscribed, being empty; else a row that it holds is somebody else's
    filled: bool = False
    #: an operator wants it copied anew
    resync: bool = False
    #: storage of the source's table and its own, when last known to hold equal rows
    compared: tuple[str, str] | None = None


async def read(connection: Connection) -> dict[TableName, Note]:
    """Return what is noted of each table that is still the same; empty before the first copy."""
    (row,) = await fetch(connection, "SELECT to_regclass('pgmigrator.tables') IS NOT NULL AS kept")
    if not row["kept"]:
        return {}
    return {
        TableName(r["schema_name"], r["table_name"]): Note(
            r["source_oid"],
            r["created"],
            r["filled"],
            r["resync"],
            (r["source_storage"], r["destination_storage"]) if r["source_storage"] else None,
        )
        for r in await fetch(connection, query("bookkeeping"))
    }


async def assert_created(connection: Connection, table: TableName) -> None:
    """Make sure that a table is one that we created.

    :raises Refused: it is not.
    """
    note = (await read(connection)).get(table)
    if note is None or not note.created:
        raise Refused("it is not one that we created; it was left alone")


async def assert_no_other_rows(connection: Connection, table: TableName) -> None:
    """Make sure that a table, locked by the caller, holds no row but those of our copy.

    :raises Refused: it does.
    """
    note = (await read(connection)).get(table)
    if note is not None and note.filled:
        return
    name = sql.Identifier(table.schema, table.name)
    rows = await connection.execute(sql.SQL("SELECT FROM ONLY {} LIMIT 1").format(name))
    if rows.rowcount:
        raise Refused(
            "it holds rows that did not come from the source; it was left alone. If they are worth"
            f" nothing, on the destination: TRUNCATE ONLY {table};"
        )


async def request_resync(connection: Connection, table: TableName) -> bool:
    """Note that a table is to be copied anew; False: it is none that we filled."""
    if table not in await read(connection):
        return False
    cursor = await connection.execute(
        "UPDATE pgmigrator.tables SET resync = true"
        " WHERE schema_name = %s AND table_name = %s AND source_oid IS NOT NULL",
        [table.schema, table.name],
    )
    return cursor.rowcount == 1


async def forget(connection: Connection, table: TableName, *, dropped: bool) -> None:
    """Note that a table holds nothing any more, or is gone; in the transaction that did it."""
    statement = (
        "DELETE FROM pgmigrator.tables"
        if dropped
        else "UPDATE pgmigrator.tables SET source_oid = NULL, filled = false, resync = false,"
        " source_storage = NULL, destination_storage = NULL"
    )
    await connection.execute(
        f"{statement} WHERE schema_name = %s AND table_name = %s", [table.schema, table.name]
    )


async def forget_source(connection: Connection, source_oid: int | None) -> None:
    """Note that no table stands for one of the source's any more."""
    await connection.execute(
        "UPDATE pgmigrator.tables SET source_oid = NULL, source_storage = NULL"
        " WHERE source_oid = %s",
        [source_oid],
    )


async def rename(
    connection: Connection, old: TableName, new: TableName, *, anew: bool = False
) -> None:
    """Note a table's new name, in the transaction that gave it; `anew`: it needs a new copy."""
    await forget(connection, new, dropped=True)  # of one that had the name, and is gone
    await connection.execute(
        "UPDATE pgmigrator.tables SET schema_name = %s, table_name = %s,"
        " resync = resync OR filled AND %s"
        " WHERE schema_name = %s AND table_name = %s",
        [new.schema, new.name, anew, old.schema, old.name],
    )


async def distrust(connection: Connection, source_oid: int | None) -> None:
    """Note that what stands for a table of the source has missed changes, and is copied anew."""
    await connection.execute(
        "UPDATE pgmigrator.tables SET resync = true WHERE source_oid = %s AND filled", [source_oid]
    )


async def remember(
    connection: Connection,
    tables: Iterable[tuple[int | None, TableName]],
    *,
    created: bool,
    storage: Mapping[int, str] | None = None,
) -> None:
    """Note the source oid of tables, in the caller's transaction; `created`: by us.

    `storage` is that of the source's tables, read before their rows are copied.
    """
    for statement in _TABLES:
        await connection.execute(statement)
    listed = tuple(tables)
    await connection.execute(
        _REMEMBER,
        {
            "created": created,
            "oids": [oid for oid, _ in listed],
            "schemas": [name.schema for _, name in listed],
            "names": [name.name for _, name in listed],
            "storage": [storage.get(oid) if storage and oid else None for oid, _ in listed],
        },
    )


async def read_partitioned(connection: Connection) -> dict[int, int]:
    """Return the source's oid of each partitioned table that we created, by its own oid."""
    (row,) = await fetch(
        connection, "SELECT to_regclass('pgmigrator.partitioned') IS NOT NULL AS kept"
    )
    if not row["kept"]:
        return {}
    rows = await fetch(
        connection, "SELECT table_oid::bigint AS oid, source_oid FROM pgmigrator.partitioned"
    )
    return {row["oid"]: row["source_oid"] for row in rows}


async def remember_partitioned(
    connection: Connection, tables: Iterable[tuple[int, TableName]]
) -> None:
    """Note the source oid of those of the tables that are partitioned, and that we created."""
    await connection.execute(_ROOTS)
    listed = tuple(tables)
    oids = [oid for oid, _ in listed]
    # each stands for one
    await connection.execute(
        "DELETE FROM pgmigrator.partitioned WHERE source_oid = ANY(%s)", [oids]
    )
    await connection.execute(
        _REMEMBER_ROOTS,
        {
            "oids": oids,
            "schemas": [name.schema for _, name in listed],
            "names": [name.name for _, name in listed],
        },
    )


async def note_filled(connection: Connection, subscription: str) -> None:
    """Note that what is subscribed now was filled by us, before it may leave the subscription."""
    await connection.execute(_FILLED, [subscription])


async def remember_equal(
    connection: Connection, equal: Mapping[TableName, tuple[str, str]]
) -> None:
    """Note with which storage, on the source and here, tables were found to hold equal rows."""
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.executemany(
            _EQUAL,
            [
                {"schema": n.schema, "name": n.name, "source": here, "destination": there}
                for n, (here, there) in equal.items()
            ],
        )


async def read_baselines(connection: Connection) -> dict[int, Baseline]:
    """Return what the source had counted of tables before their copy, by source oid."""
    (row,) = await fetch(
        connection, "SELECT to_regclass('pgmigrator.insert_only') IS NOT NULL AS kept"
    )
    if not row["kept"]:
        return {}
    return {
        r["source_oid"]: Baseline(r["changes"], r["counting_since"])
        for r in await fetch(connection, query("insert_only"))
    }


async def remember_baselines(
    connection: Connection,
    tables: Iterable[tuple[int, TableName]],
    baselines: Mapping[int, Baseline],
) -> None:
    """Note what the source has counted of those of the tables that are about to be copied."""
    await connection.execute(_BASELINES)
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO pgmigrator.insert_only VALUES (%s, %s, %s) ON CONFLICT (source_oid)"
            " DO UPDATE SET changes = excluded.changes, counting_since = excluded.counting_since",
            [
                (oid, baselines[oid].changes, baselines[oid].counting_since)
                for oid, _ in tables
                if oid in baselines
            ],
        )


async def read_conflicts(connection: Connection) -> Conflicts | None:
    """Return which conflicts were noted; None: none ever were."""
    (row,) = await fetch(
        connection, "SELECT to_regclass('pgmigrator.conflicts') IS NOT NULL AS kept"
    )
    rows = await fetch(connection, "SELECT * FROM pgmigrator.conflicts") if row["kept"] else []
    return Conflicts(rows[0]["counts"], rows[0]["reset_at"]) if rows else None


async def remember_conflicts(connection: Connection, conflicts: Conflicts) -> None:
    """Note the conflicts instead of those noted before, in the caller's transaction."""
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS pgmigrator.conflicts (counts jsonb NOT NULL, reset_at float8)"
    )
    await connection.execute("DELETE FROM pgmigrator.conflicts")
    await connection.execute(
        "INSERT INTO pgmigrator.conflicts VALUES (%s, %s)",
        [Jsonb(dict(conflicts.counts)), conflicts.reset_at],
    )


async def remember_switch(connection: Connection, at_switch: AtSwitch) -> None:
    """Note what the source was, in the transaction that switches."""
    await forget_switch(connection)
    noted = {
        "tables": sorted(at_switch.tables),
        "published": sorted(at_switch.published),
        "sequences": dict(at_switch.sequences),
        "unlogged": sorted(at_switch.unlogged),
        "large_objects": at_switch.large_objects,
    }
    await connection.execute("INSERT INTO pgmigrator.at_switch VALUES (%s)", [Jsonb(noted)])


async def read_switch(connection: Connection) -> AtSwitch | None:
    """Return what the source was at the switch; None: it is not noted."""
    (row,) = await fetch(
        connection, "SELECT to_regclass('pgmigrator.at_switch') IS NOT NULL AS kept"
    )
    rows = await fetch(connection, "SELECT source FROM pgmigrator.at_switch") if row["kept"] else []
    if not rows:
        return None
    noted = rows[0]["source"]
    return AtSwitch(
        tables=frozenset(noted["tables"]),
        published=frozenset(noted["published"]),
        sequences=noted["sequences"],
        unlogged=frozenset(noted["unlogged"]),
        large_objects=noted["large_objects"],
    )


async def forget_switch(connection: Connection) -> None:
    """Forget what the source was: the switch is taken back."""
    await connection.execute("CREATE SCHEMA IF NOT EXISTS pgmigrator")
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS pgmigrator.at_switch (source jsonb NOT NULL)"
    )
    await connection.execute("DELETE FROM pgmigrator.at_switch")


async def forget_baselines(connection: Connection) -> None:
    """Forget every baseline."""
    await connection.execute("DELETE FROM pgmigrator.insert_only")
