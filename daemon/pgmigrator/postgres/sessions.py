"""Sessions that stay open between the ticks, one for each database of either side."""

import asyncio

from psycopg.pq import TransactionStatus

from pgmigrator.errors import MigratorError
from pgmigrator.postgres.backoff import Backoff
from pgmigrator.postgres.connect import Connection, Endpoint, connect, translated


class Sessions:
    """Opens each session when it is first needed; what does not answer is asked less often."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._connections: dict[tuple[str, str], Connection] = {}
        self._backoffs: dict[tuple[str, str], Backoff] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    async def close(self) -> None:
        """Close every session."""
        for connection in self._connections.values():
            await connection.close()
        self._connections.clear()

    async def get(self, endpoint: Endpoint, database: str = "") -> Connection:
        """Return the session to a database of one side, opened anew if it was lost.

        Without a name: to the one that the settings connect to first.

        :raises Unreachable: the server does not answer, or did not and its back-off lasts.
        """
        database = database or endpoint.instance.database
        key = (endpoint.side, database)
        async with self._locks.setdefault(key, asyncio.Lock()):
            connection = self._connections.get(key)
            if connection is None or connection.closed or connection.broken:
                connection = await self._connect(endpoint, database)
                self._connections[key] = connection
            return connection

    async def _connect(self, endpoint: Endpoint, database: str) -> Connection:
        backoff = self._backoffs.setdefault((endpoint.side, database), Backoff())
        backoff.check()
        try:
            with translated(endpoint):
                connection = await connect(endpoint, database, "observe")
        except MigratorError as error:
            backoff.failed(error)
            raise
        backoff.succeeded()
        return connection

    async def forget(self, endpoint: Endpoint, database: str) -> None:
        """Close the session to one database."""
        connection = self._connections.pop((endpoint.side, database), None)
        if connection is not None:
            # Whoever waits for its answer would go on waiting for the socket's number, which is
            # somebody else's by then: an HTTP client's, or another session's.
            async with connection.lock:
                await connection.close()

    async def forget_silent(self, endpoint: Endpoint, database: str) -> None:
        """Close what did not answer: the session to one database, or the one that all share."""
        own = self._connections.get((endpoint.side, database))
        waits = own is not None and own.info.transaction_status is TransactionStatus.ACTIVE
        await self.forget(endpoint, database)
        if not waits:
            await self.forget(endpoint, endpoint.instance.database)
