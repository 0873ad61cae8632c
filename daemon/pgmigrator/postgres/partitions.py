"""Tables that the source attaches as partitions, or detaches, while changes stream: followed.

Detached they are at once, whatever apply has reached: for apply that only lifts constraints, and
one that stays attached too long may even halt it. Attached they are once apply has passed that,
since it narrows what the DEFAULT partition takes.
"""

from collections.abc import Collection

from psycopg import sql

from pgmigrator.core.names import TableName
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
            roots = await fetch(source, _ATTACHED, {"table": str(table)})
            keep = {TableName(root["schema"], root["name"]) for root in roots}
            what, work = f"table {table}", _detach(destination, table, keep)
            failures += await attempt(destination, pair.destination, what, work)
    return tuple(failures)


async def _detach(destination: Connection, table: TableName, keep: set[TableName]) -> None:
    async def work(connection: Connection) -> None:
        await bookkeeping.assert_created(connection, table)
        for row in await fetch(connection, _ATTACHED, {"table": str(table)}):
            root = TableName(row["schema"], row["name"])
            if root not in keep:
                await connection.execute(
                    sql.SQL("ALTER TABLE ONLY {} DETACH PARTITION {}").format(
                        sql.Identifier(root.schema, root.name),
                        sql.Identifier(table.schema, table.name),
                    )
                )

    await patiently(destination, work)


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
            await connection.execute(statement.encode())

    await patiently(destination, work)
