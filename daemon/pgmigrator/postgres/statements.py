"""Statements of one transaction, each by itself: one that is refused stops none of the others."""

from collections.abc import Iterable
from typing import NamedTuple

from psycopg import sql

from pgmigrator.errors import Refused
from pgmigrator.postgres import preload
from pgmigrator.postgres.connect import Connection, Endpoint
from pgmigrator.postgres.failures import Failure, attempt


class Statement(NamedTuple):
    """What it concerns, and the statement."""

    what: str
    sql: sql.Composed | sql.SQL
    #: settings with which a session must be possible beforehand
    login: tuple[str, ...] = ()


async def run_each(
    connection: Connection,
    endpoint: Endpoint,
    database: str,
    action: str,
    statements: Iterable[Statement],
) -> tuple[Failure, ...]:
    """Run each in a savepoint of the transaction; return what was refused.

    :raises Unreachable: the server lets us into this database no more.
    """

    async def run(statement: Statement) -> None:
        if statement.login:
            refusal = await preload.refusal(endpoint, database, action, statement.login)
            if refusal is not None:
                raise Refused(f"no session could be opened with it: {refusal}")
        async with connection.transaction():
            await connection.execute(statement.sql)

    failures: list[Failure] = []
    for statement in statements:
        failures += await attempt(connection, endpoint, statement.what, run(statement))
    return tuple(failures)
