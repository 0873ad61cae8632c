"""Tables that the source attaches as partitions, or detaches, while changes stream: followed.

Detached they are at once, whatever apply has reached: for apply that only lifts constraints, and
one that stays attached too long may even halt it. Attached they are once apply has passed that,
since it narrows what the DEFAULT partition takes.
"""

from collections.abc import Collection

from psycopg import sql

from pgmigrator.core.names import TableName, renaming
from pgmigrator.errors import Refused
from pgmigrator.postgres import bookkeeping
from pgmigrator.postgres.confirm import until_passed
from pgmigrator.postgres.connect import Connection, fetch, session
from pgmigrator.postgres.failures import Failure, attempt
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.rest import OPTIONS, patiently

ON_THEIR_WAY = "rows that the DEFAULT partition held before may still be on their way"

_ATTACHED = """
SELECT n.nspname::text AS schema, r.relname::text AS name,
       format('ALTER TABLE ONLY %%I.%%I ATTACH PARTITION %%I.%%I %%s', n.nspname, r.relname,
              l.nspname, c.relname, pg_get_expr(c.relpartbound, c.oid)) AS attach
  FROM pg_class c
  JOIN pg_namespace l ON l.oid = c.relnamespace
  JOIN pg_inherits i ON i.inhrelid = c.oid
  JOIN pg_class r ON r.oid = i.inhparent
  JOIN pg_namespace n ON n.oid = r.relnamespace
 WHERE c.oid = to_regclass(%(table)s) AND c.relispartition
"""


#: what has a name on the source: a table that is followed, or something else
_THERE = """
SELECT relkind = 'r' AND relpersistence = 'p' AS followed, relkind = 'p' AS partitioned
  FROM pg_class WHERE oid = to_regclass(%(table)s)
"""
_EXISTS = "SELECT to_regclass(%(table)s) IS NOT NULL AS exists"


async def detach_partitions(
    pair: DatabasePair, tables: Collection[TableName]
) -> tuple[Failure, ...]:
    """Detach partitions of ours that the source has elsewhere, or not at all; return what failed.

    :raises Unreachable: a server went away.
    """
    action = "DetachPartitions"
    failures: list[Failure] = []
    async with (
        session(pair.source, pair.database, action) as source,
        session(pair.destination, pair.database, action, options=OPTIONS) as destination,
    ):
        for table in tables:
            what, work = f"table {table}", _detach(source, destination, table)
            failures += await attempt(destination, pair.destination, what, work)
    return tuple(failures)


async def _detach(source: Connection, destination: Connection, table: TableName) -> None:
    keep = await _root_on_source(source, table)

    async def work(connection: Connection) -> None:
        await bookkeeping.assert_created(connection, table)
        root = await _root(connection, table)
        if root is None or root == keep:
            return
        if keep and not await _exists(connection, keep) and not await _exists(source, root):
            raise Refused(
                "the source has renamed its partitioned table: on the destination,"
                f" {'; '.join(renaming(root, keep))};"
            )
        await connection.execute(
            sql.SQL("ALTER TABLE ONLY {} DETACH PARTITION {}").format(
                sql.Identifier(root.schema, root.name), sql.Identifier(table.schema, table.name)
            )
        )

    await patiently(destination, work)


async def _root_on_source(source: Connection, table: TableName) -> TableName | None:
    """Return the partitioned table that the source has it attached to; None: it goes from there.

    In the place of a partition that became partitioned itself, its own partitions come.
    """
    for there in await fetch(source, _THERE, {"table": str(table)}):
        if there["followed"]:
            return await _root(source, table)
        if not there["partitioned"]:
            raise Refused("the source has something else under this name: it stays here")
    return None


async def _root(connection: Connection, table: TableName) -> TableName | None:
    rows = await fetch(connection, _ATTACHED, {"table": str(table)})
    return TableName(rows[0]["schema"], rows[0]["name"]) if rows else None


async def _exists(connection: Connection, table: TableName) -> bool:
    (row,) = await fetch(connection, _EXISTS, {"table": str(table)})
    return bool(row["exists"])


async def attach_partitions(
    pair: DatabasePair, tables: Collection[TableName]
) -> tuple[Failure, ...]:
    """Attach tables of ours as the source has attached them; return what failed.

    :raises Refused: apply lags too far behind.
    :raises Unreachable: a server went away.
    """
    action = "AttachPartitions"
    failures: list[Failure] = []
    async with (
        session(pair.source, pair.database, action) as source,
        session(pair.destination, pair.database, action, options=OPTIONS) as destination,
    ):
        wanted = {
            table: row["attach"]
            for table in tables
            for row in await fetch(source, _ATTACHED, {"table": str(table)})
        }
        await until_passed(pair, destination, action, ON_THEIR_WAY)
        for table, statement in wanted.items():
            what, work = f"table {table}", _attach(destination, table, statement)
            failures += await attempt(destination, pair.destination, what, work)
    return tuple(failures)


async def _attach(destination: Connection, table: TableName, statement: str) -> None:
    async def work(connection: Connection) -> None:
        await bookkeeping.assert_created(connection, table)
        if not await fetch(connection, _ATTACHED, {"table": str(table)}):
            await connection.execute(statement)

    await patiently(destination, work)
