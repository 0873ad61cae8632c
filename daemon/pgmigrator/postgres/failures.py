"""What could not be done to one object: named, and no reason to stop the rest."""

from collections.abc import Awaitable
from typing import NamedTuple

import psycopg

from pgmigrator.errors import Refused
from pgmigrator.postgres.connect import Connection, Endpoint, redact


class Failure(NamedTuple):
    """An object, and what the server said about it; never with a statement's text."""

    object: str
    reason: str


async def attempt(
    connection: Connection, endpoint: Endpoint, what: str, work: Awaitable[object]
) -> tuple[Failure, ...]:
    """Await some work on one object; what the server or we refuse becomes a failure.

    :raises psycopg.Error: the connection is lost: that is no fault of the object.
    """
    try:
        await work
    except Refused as refused:
        return (Failure(what, str(refused)),)
    except psycopg.Error as error:
        if connection.closed:
            raise
        reason = error.diag.message_primary or type(error).__name__
        if error.diag.message_detail:
            reason += f": {error.diag.message_detail}"
        return (Failure(what, redact(reason, endpoint)),)
    return ()
