"""Tables that are to be copied anew: emptied, once nothing can flow into them any more.

They are out of the publication and of the subscription by then. What was published before that may
still be on its way, and an apply worker that knew the table as streaming goes on to believe so: the
slot must have confirmed all of it first. Only an apply that fails has forgotten what it knew, since
it starts anew each time.
"""

from collections.abc import Collection
from typing import NamedTuple

from psycopg import errors, sql

from pgmigrator.core.names import TableName
from pgmigrator.errors import Refused
from pgmigrator.postgres import bookkeeping, fingerprint
from pgmigrator.postgres.confirm import until_passed_or_failing
from pgmigrator.postgres.connect import Connection, fetch, session
from pgmigrator.postgres.failures import Failure, attempt
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.rest import OPTIONS, patiently

ACTION = "EmptyTables"
ON_THEIR_WAY = "changes to tables that are to be copied anew may still be on their way"

_SUBSCRIBED = """
SELECT FROM pg_subscription_rel WHERE srrelid = to_regclass(%(table)s)
"""
_OID = "SELECT to_regclass(%(table)s)::oid::bigint AS oid"
_PARTITION = "SELECT FROM pg_class WHERE oid = to_regclass(%(table)s) AND relispartition"
#: what the source's rows need not fit, but any row that is written here must; it comes again after
#: the copy, as at first
_NOT_VALID = """
SELECT conname FROM pg_constraint
 WHERE conrelid = to_regclass(%(table)s) AND contype IN ('c', 'n')
   AND NOT convalidated AND conenforced AND conislocal AND coninhcount = 0
"""
_SHAPE = ("table", "column")


class _How(NamedTuple):
    """How a table compares with the source's of that name."""

    #: in its columns, indexes, constraints, or whatever belongs to it
    differs: bool
    #: so that the source's rows do not fit
    misshapen: bool
    #: apply has passed what was published; else it fails
    passed: bool


async def empty_tables(pair: DatabasePair, tables: Collection[TableName]) -> tuple[Failure, ...]:
    """Empty tables that we filled; drop those of ours that differ from the source's in any way.

    A dropped one is then created anew like any table that came later. One on which others depend is
    emptied if its columns are equal. Rows that did not come from our copy are never touched.
    Returns what failed.

    :raises Refused: changes to them may still be on their way.
    :raises Unreachable: a server went away.
    """
    failures: list[Failure] = []
    async with (
        session(pair.source, pair.database, ACTION) as source,
        session(pair.destination, pair.database, ACTION, options=OPTIONS) as destination,
    ):
        passed = await until_passed_or_failing(pair, destination, ACTION, ON_THEIR_WAY)
        found = await fingerprint.compare(source, destination, tablespaces=pair.tablespaces)
        differing = {item.object for item in found}
        misshapen = {item.object for item in found if item.kind in _SHAPE}
        for table in tables:
            how = _How(str(table) in differing, str(table) in misshapen, passed)
            what, work = f"table {table}", _empty(source, destination, table, how)
            failures += await attempt(destination, pair.destination, what, work)
    return tuple(failures)


async def _empty(source: Connection, destination: Connection, table: TableName, how: _How) -> None:
    async def work(connection: Connection) -> None:
        name = sql.Identifier(table.schema, table.name)
        await connection.execute(
            sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(name)
        )
        note = (await bookkeeping.read(connection)).get(table)
        if note is None or note.source_oid is None:
            raise Refused("it is not one that we filled; it was left alone")
        await bookkeeping.assert_no_other_rows(connection, table)
        if await fetch(connection, _SUBSCRIBED, {"table": str(table)}):
            raise Refused("it is subscribed; it was left alone")
        if how.misshapen and not note.created:
            raise Refused(
                "it was not created by us and has other columns than the source's:"
                f" on the destination, DROP TABLE {table};"
            )
        # a partition is created again only once apply has passed what shows it
        droppable = how.passed or not await _is_partition(connection, table)
        if how.misshapen and not droppable:
            raise Refused(
                "apply fails, and until it does not, a partition that is dropped here cannot be"
                " created again: mend its partitioned table first, as the problems of the schemas"
                " (schema_drift) say"
            )
        dropped = how.differs and note.created and droppable and await _drop(connection, name, how)
        if not dropped:
            await _delete_all(connection, table, ours=note.created)
        if dropped:
            # changes to it went by here: another table of ours that stood for it has missed them
            rows = await fetch(source, _OID, {"table": str(table)})
            await bookkeeping.forget_source(connection, rows[0]["oid"])
        await bookkeeping.forget(connection, table, dropped=dropped)

    await patiently(destination, work)


async def _is_partition(connection: Connection, table: TableName) -> bool:
    return bool(await fetch(connection, _PARTITION, {"table": str(table)}))


async def _drop(connection: Connection, name: sql.Identifier, how: _How) -> bool:
    """Drop a table, never what depends on it; False: it stays, and can be emptied as it is."""
    try:
        async with connection.transaction():
            await connection.execute(sql.SQL("DROP TABLE {}").format(name))
    except errors.DependentObjectsStillExist:
        if how.misshapen:
            raise
        return False
    return True


async def _delete_all(connection: Connection, table: TableName, *, ours: bool) -> None:
    name = sql.Identifier(table.schema, table.name)
    # neither the application's triggers nor its foreign keys are to notice
    await connection.execute("SET LOCAL session_replication_role = replica")
    try:
        async with connection.transaction():
            await connection.execute(sql.SQL("TRUNCATE ONLY {}").format(name))
    except errors.FeatureNotSupported:  # a foreign key points to it
        await connection.execute(sql.SQL("DELETE FROM ONLY {}").format(name))
    # else the copy of rows that break them would fail for ever
    for row in await fetch(connection, _NOT_VALID, {"table": str(table)}) if ours else ():
        await connection.execute(
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                name, sql.Identifier(row["conname"])
            )
        )
