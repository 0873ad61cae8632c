"""Our publications and slot on the source: the only things that we ever create there.

Tables are published one by one with ONLY: without it inheritance children would come along, and a
child without identity would break the application's UPDATE. In the same transaction the result is
read again, and rolled back unless it is exactly as planned.
"""

from collections.abc import Iterable, Mapping

import psycopg
from psycopg import sql
from psycopg.rows import DictRow
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from pgmigrator.core.names import Names, TableName
from pgmigrator.errors import Refused
from pgmigrator.postgres.connect import Endpoint, SourceWriter, source_writer
from pgmigrator.postgres.queries import query

Tables = tuple[tuple[int, TableName], ...]

#: how long the creation of a slot may wait for open transactions before it is tried anew, seconds
SLOT_TIMEOUT_S = 120

#: sessions whose locks on a table keep it in a publication
_HOLDERS = """
SELECT pid FROM pg_locks
 WHERE locktype = 'relation' AND relation = %(oid)s AND granted AND pid <> pg_backend_pid()
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
 ORDER BY pid
"""


def _only(tables: Tables) -> sql.Composed:
    """Write `ONLY a, ONLY b`."""
    return sql.SQL(", ").join(
        sql.SQL("ONLY {}").format(sql.Identifier(name.schema, name.name)) for _, name in tables
    )


async def create(
    source: Endpoint, database: str, names: Names, tables: Tables, *, insert_only: bool = False
) -> None:
    """Create one of our publications with its comment and first tables, in one transaction."""
    name = sql.Identifier(_name(names, insert_only=insert_only))
    statement = "CREATE PUBLICATION {} WITH (publish = 'insert, truncate')"
    async with source_writer(source, database, "publication") as writer, writer.transaction():
        await writer.execute(
            sql.SQL(statement if insert_only else "CREATE PUBLICATION {}").format(name)
        )
        await writer.execute(
            sql.SQL("COMMENT ON PUBLICATION {} IS {}").format(
                name, sql.Literal(names.publication_comment)
            )
        )
        if tables:
            await _add(writer, names, tables, insert_only=insert_only)


def _name(names: Names, *, insert_only: bool) -> str:
    return names.insert_only_publication if insert_only else names.publication


async def add_tables(
    source: Endpoint, database: str, names: Names, tables: Tables, *, insert_only: bool = False
) -> None:
    """Publish more tables; each must be named so on the source.

    Each must have a usable identity, unless its inserts alone are published.
    """
    async with source_writer(source, database, "publication") as writer, writer.transaction():
        await _assert_ours(writer, names, _name(names, insert_only=insert_only))
        await _add(writer, names, tables, insert_only=insert_only)


async def drop_tables(
    source: Endpoint, database: str, names: Names, tables: Tables, *, insert_only: bool = False
) -> None:
    """Stop publishing tables: the application can update them, or they are to be copied anew.

    One by one, so that one that is locked (VACUUM, CREATE INDEX CONCURRENTLY) keeps no other
    published. Nor can we do without its lock: under a publication that is dropped and created anew
    in one transaction, changes of transactions that were open meanwhile are lost.

    :raises Refused: tables stay published, because somebody else holds locks on them.
    """
    name = _name(names, insert_only=insert_only)
    locked = []
    async with source_writer(source, database, "publication") as writer:
        for table in tables:
            try:
                async with writer.transaction():
                    await _assert_ours(writer, names, name)
                    await writer.execute(
                        sql.SQL("ALTER PUBLICATION {} DROP TABLE {}").format(
                            sql.Identifier(name), _only((table,))
                        )
                    )
            except psycopg.errors.LockNotAvailable:
                locked.append(await _locked(writer, table))
    if locked:
        raise Refused(
            "still published, since a lock keeps us from letting it go; if the table has no usable"
            f" identity, its UPDATE and DELETE fail so long: {'; '.join(locked)}"
        )


async def _locked(writer: SourceWriter, table: tuple[int, TableName]) -> str:
    oid, name = table
    holders = [row["pid"] for row in await writer.read(_HOLDERS, {"oid": oid})]
    calls = ", ".join(f"pg_terminate_backend({pid})" for pid in holders)
    return f"table {name} (on the source: SELECT {calls};)" if holders else f"table {name}"


async def _add(writer: SourceWriter, names: Names, tables: Tables, *, insert_only: bool) -> None:
    name = _name(names, insert_only=insert_only)
    before = await _published(writer, name)
    await writer.execute(
        sql.SQL("ALTER PUBLICATION {} ADD TABLE {}").format(sql.Identifier(name), _only(tables))
    )
    planned = before | dict(tables)
    if await _published(writer, name) != planned:
        raise Refused("the publication would hold other tables than planned; trying again")
    if await _hinders(writer, name):
        await _assert_identities(writer, planned)


async def _hinders(writer: SourceWriter, name: str) -> bool:
    """Tell whether UPDATE or DELETE of a published table needs its identity."""
    rows = await writer.read(
        "SELECT FROM pg_publication WHERE pubname = %(name)s AND (pubupdate OR pubdelete)",
        {"name": name},
    )
    return bool(rows)


async def _assert_identities(writer: SourceWriter, planned: Mapping[int, TableName]) -> None:
    unusable = [
        f'"{row["schema"]}"."{row["name"]}"'
        for row in await writer.read(query("source_tables"), {})
        if row["oid"] in planned and row["identity_reason"]
    ]
    if unusable:
        raise Refused(f"without a usable replica identity: {', '.join(unusable)}")


async def _published(writer: SourceWriter, name: str) -> dict[int, TableName]:
    return _tables(await _read(writer, name))


def _tables(rows: Iterable[DictRow]) -> dict[int, TableName]:
    return {r["oid"]: TableName(r["schema"], r["name"]) for r in rows if r["oid"] is not None}


async def _read(writer: SourceWriter, name: str) -> list[DictRow]:
    return await writer.read(query("publication"), {"publication": name, "updates": True})


async def assert_publishes(
    source: Endpoint, database: str, names: Names, planned: set[int]
) -> None:
    """Make sure, right now, that our publications still publish these tables, by oid.

    :raises Refused: they do not.
    """
    async with source_writer(source, database, "publication") as writer:
        await _assert_ours(writer, names, names.publication)
        found: dict[int, TableName] = {}
        for name in names.publications:
            rows = await _read(writer, name)
            found |= _tables(r for r in rows if r["comment"] == names.publication_comment)
        if not planned <= found.keys():
            raise Refused("the publication has lost tables; observing again")


async def _assert_ours(writer: SourceWriter, names: Names, name: str) -> None:
    rows = await _read(writer, name)
    if not rows or rows[0]["comment"] != names.publication_comment:
        raise Refused(f"publication {name} is not ours; it was left alone")


async def create_slot(source: Endpoint, database: str, names: Names) -> None:
    """Create our slot; waits for every transaction that holds an xid in the whole cluster."""
    options: Mapping[str, str] = {
        "statement_timeout": f"{SLOT_TIMEOUT_S}s",
        "lock_timeout": f"{SLOT_TIMEOUT_S}s",
    }
    async with source_writer(source, database, "slot", options=options) as writer:
        async with writer.transaction():
            await _assert_ours(writer, names, names.publication)
        await writer.execute(
            sql.SQL("SELECT pg_create_logical_replication_slot({}, 'pgoutput')").format(
                sql.Literal(names.subscription)
            )
        )


async def drop_slots(
    source: Endpoint, database: str, names: Names, sync_slots: str, *, subscribed: bool
) -> None:
    """Drop our slot, and those of its table synchronisation, because of the WAL that they keep.

    Their readers must be gone. `sync_slots` is a LIKE pattern. `subscribed`: our marker says whose
    they are; else the publication's comment must. The main slot goes last: while it is there, all
    of it is tried again.
    """
    async with source_writer(source, database, "slot") as writer:
        if not subscribed:
            await _assert_ours(writer, names, names.publication)
        rows = await writer.read(
            "SELECT slot_name::text AS name FROM pg_replication_slots"
            " WHERE slot_name LIKE %(sync_slots)s",
            {"sync_slots": sync_slots},
        )
        for slot in (*(row["name"] for row in rows), names.subscription):
            await _drop_slot(writer, slot)


async def _drop_slot(writer: SourceWriter, slot: str) -> None:
    statement = sql.SQL("SELECT pg_drop_replication_slot({})").format(sql.Literal(slot))
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(psycopg.errors.ObjectInUse),
        stop=stop_after_attempt(20),
        wait=wait_fixed(0.5),
        reraise=True,
    ):
        with attempt:
            await writer.execute(statement)
