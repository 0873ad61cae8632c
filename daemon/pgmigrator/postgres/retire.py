"""Tables that the source has dropped since: dropped here too, never with CASCADE.

Only what we created, with no rows but those of our copy, and once apply has passed everything that
was written to it.
"""

from collections.abc import Collection

from psycopg import sql

from pgmigrator.core.names import TableName
from pgmigrator.errors import Refused
from pgmigrator.postgres import bookkeeping
from pgmigrator.postgres.confirm import everything_applied
from pgmigrator.postgres.connect import Connection, fetch, session
from pgmigrator.postgres.failures import Failure, attempt
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.rest import OPTIONS, patiently

ACTION = "DropTables"
CONFIRM_TIMEOUT_S = 20.0

#: whatever has that name, of whatever kind
_EXISTS = "SELECT to_regclass(%(table)s) IS NOT NULL AS exists"


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
        gone = [
            table
            for table in tables
            if not (await fetch(source, _EXISTS, {"table": str(table)}))[0]["exists"]
        ]
        # a view, say: silent success would be asked for again and again, before all else
        failures += [
            Failure(f"table {table}", "the source has something under this name: it stays here")
            for table in tables
            if table not in gone
        ]
        if gone:
            await _until_passed(pair, destination)
        for table in gone:
            what, work = f"table {table}", _drop(destination, table)
            failures += await attempt(destination, pair.destination, what, work)
    return tuple(failures)


async def _until_passed(pair: DatabasePair, destination: Connection) -> None:
    if not await everything_applied(pair, destination, ACTION, CONFIRM_TIMEOUT_S):
        raise Refused(
            "changes to tables that the source has dropped may still be on their way: the"
            " destination lags too far behind; it is tried again"
        )


async def _drop(destination: Connection, table: TableName) -> None:
    async def work(connection: Connection) -> None:
        await bookkeeping.assert_created(connection, table)
        name = sql.Identifier(table.schema, table.name)
        await connection.execute(
            sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(name)
        )
        await bookkeeping.assert_no_other_rows(connection, table)
        await connection.execute(sql.SQL("DROP TABLE {}").format(name))
        await bookkeeping.forget(connection, table, dropped=True)

    await patiently(destination, work)
