"""The advisory lock behind the lease, and the sessions that an earlier holder left behind."""

import asyncio
import zlib

from pgmigrator.errors import MigratorError
from pgmigrator.postgres.backoff import Backoff
from pgmigrator.postgres.connect import Connection, Endpoint, connect, fetch, session, translated

#: sessions that only look, and may therefore be there beside those of the holder
_LOOKING = ("observe", "lease", "route")
#: the answer of a server that is fine takes far less
_TIMEOUT_S = 10.0


class AdvisoryLock:
    """A session-level lock: it is gone when its connection is."""

    def __init__(self, destination: Endpoint) -> None:
        """Lock in the first-connection database: advisory locks are per database."""
        self._destination = destination
        self._key = zlib.crc32(f"pgmigrator/{destination.mapping}".encode())
        self._connection: Connection | None = None
        self._backoff = Backoff()

    async def is_held(self) -> bool:
        """Tell whether the session that holds the lock still answers."""
        if self._connection is None:
            return False
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                with translated(self._destination):
                    await fetch(self._connection, "SELECT 1")
        except (TimeoutError, ConnectionError, PermissionError):
            await self.release()
            return False
        return True

    async def acquire(self) -> bool:
        """Try to lock, without waiting.

        :raises Unreachable: the destination does not answer.
        """
        self._backoff.check()
        try:
            with translated(self._destination):
                self._connection = await self._locked()
        except MigratorError as error:
            self._backoff.failed(error)
            raise
        self._backoff.succeeded()
        return self._connection is not None

    async def _locked(self) -> Connection | None:
        """Return a session that holds the lock; None if another one does."""
        connection = await connect(self._destination, self._destination.instance.database, "lease")
        locked = False
        try:
            (row,) = await fetch(
                connection, "SELECT pg_try_advisory_lock(%(key)s) AS locked", {"key": self._key}
            )
            locked = row["locked"]
        finally:
            if not locked:
                await connection.close()
        return connection if locked else None

    async def release(self) -> None:
        """Close the session, and with it the lock."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


async def acting_sessions(endpoint: Endpoint) -> list[str]:
    """List the sessions of this mapping on one server that do more than look."""
    async with session(endpoint, endpoint.instance.database, "lease") as connection:
        rows = await fetch(
            connection,
            "SELECT pid, application_name FROM pg_stat_activity"
            " WHERE starts_with(application_name, %(prefix)s)"
            " AND application_name <> ALL(%(looking)s)"
            # nothing hangs on a walsender of ours but a temporary slot
            " AND backend_type <> 'walsender'",
            {
                "prefix": endpoint.application_name(""),
                "looking": [endpoint.application_name(name) for name in _LOOKING],
            },
        )
    return [f"{row['application_name']} (pid {row['pid']} on the {endpoint.side})" for row in rows]
