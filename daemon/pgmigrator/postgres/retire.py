"""Tables that the source has dropped since: dropped here too, never with CASCADE.

Only what we created, with no rows but those of our copy, and once apply has passed everything that
was written to it.
"""

from collections.abc import Collection

from psycopg import sql

from pgmigrator.core.names import TableName
from pgmigrator.errors import Refused
from pgmigrator.postgres import bookkeeping
from pgmigrator.postgres.confirm import until_passed
from pgmigrator.postgres.connect import Connection, fetch, session
from pgmigrator.postgres.failures import Failure, attempt
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.rest import OPTIONS, patiently

ACTION = "DropTables"
ON_THEIR_WAY = "changes to tables that the source has dropped may still be on their way"

#: whatever has that name; in a partitioned table's place, its partitions come like any new table
_EXISTS = """
SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(%(table)s) AND relkind <> 'p') AS exists
"""


async def drop_tables(pair: DatabasePair, tables: Collection[TableName]) -> tuple[Failure, ...]:
    """Drop tables of ours that the source does not have any more; return what failed.

    :raises Refused: changes to them may still be on their way.
    :raises Unreachable: a server went away.
    """
    failures: list[Failure] = []
    async with (
        session(pair.source, pair.database, ACTION) as source,
        session(pair.destination, pair.database, ACTION, options=OPTIONS) as destination,
    ):
        await until_passed(pair, destination, ACTION, ON_THEIR_WAY)
        for table in tables:
            what, work = f"table {table}", _drop(source, destination, table)
            failures += await attempt(destination, pair.destination, what, work)
    return tuple(failures)


async def _drop(source: Connection, destination: Connection, table: TableName) -> None:
    async def work(connection: Connection) -> None:
        await bookkeeping.assert_created(connection, table)
        name = sql.Identifier(table.schema, table.name)
        await connection.execute(
            sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(name)
        )
        # under the lock: no change that means another table of that name has gone by here
        (there,) = await fetch(source, _EXISTS, {"table": str(table)})
        if there["exists"]:
            # a view, say
            raise Refused("the source has something under this name: it stays here")
        await bookkeeping.assert_no_other_rows(connection, table)
        await connection.execute(sql.SQL("DROP TABLE {}").format(name))
        await bookkeeping.forget(connection, table, dropped=True)

    await patiently(destination, work)
