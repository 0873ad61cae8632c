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
from pgmigrator.postgres.confirm import everything_applied
from pgmigrator.postgres.connect import Connection, fetch, session
from pgmigrator.postgres.failures import Failure, attempt
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.queries import query
from pgmigrator.postgres.rest import OPTIONS, patiently

ACTION = "EmptyTables"
#: how long apply may take to pass what was published before
CONFIRM_TIMEOUT_S = 20.0

_SUBSCRIBED = """
SELECT FROM pg_subscription_rel WHERE srrelid = to_regclass(%(table)s)
"""
_SHAPE = ("table", "column")


class _How(NamedTuple):
    """How a table compares with the source's of that name."""

    #: in its columns, indexes, constraints, or whatever belongs to it
    differs: bool
    #: so that the source's rows do not fit
    misshapen: bool


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
        await _until_passed(pair, destination)
        found = await fingerprint.compare(source, destination)
        differing = {item.object for item in found}
        misshapen = {item.object for item in found if item.kind in _SHAPE}
        for table in tables:
            how = _How(str(table) in differing, str(table) in misshapen)
            what, work = f"table {table}", _empty(destination, table, how)
            failures += await attempt(destination, pair.destination, what, work)
    return tuple(failures)


async def _until_passed(pair: DatabasePair, destination: Connection) -> None:
    before = await _apply_errors(pair, destination)
    if await everything_applied(pair, destination, ACTION, CONFIRM_TIMEOUT_S):
        return
    if await _apply_errors(pair, destination) > before:
        return
    raise Refused(
        "changes to tables that are to be copied anew may still be on their way: the destination"
        " lags too far behind; it is tried again"
    )


async def _apply_errors(pair: DatabasePair, destination: Connection) -> int:
    rows = await fetch(
        destination, query("subscription"), {"subscription": pair.names.subscription}
    )
    return int(rows[0]["apply_error_count"]) if rows else 0


async def _empty(destination: Connection, table: TableName, how: _How) -> None:
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
        dropped = how.differs and note.created and await _drop(connection, name, how)
        if not dropped:
            await _delete_all(connection, name)
        await bookkeeping.forget(connection, table, dropped=dropped)

    await patiently(destination, work)


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


async def _delete_all(connection: Connection, name: sql.Identifier) -> None:
    # neither the application's triggers nor its foreign keys are to notice
    await connection.execute("SET LOCAL session_replication_role = replica")
    try:
        async with connection.transaction():
            await connection.execute(sql.SQL("TRUNCATE ONLY {}").format(name))
    except errors.FeatureNotSupported:  # a foreign key points to it
        await connection.execute(sql.SQL("DELETE FROM ONLY {}").format(name))
