"""The lease: one active daemon per mapping and destination.

An advisory lock in the destination's first-connection database. Who gets it acts only once no
session of an earlier holder is left on either server: an index build, for one, outlives its client.
"""

from contextlib import suppress

from pgmigrator.errors import MigratorError, Refused, Unreachable
from pgmigrator.postgres.connect import Endpoint
from pgmigrator.postgres.lease import AdvisoryLock, acting_sessions


class Lease:
    """Held, waiting for another holder, or waiting for its last sessions to end."""

    def __init__(self, source: Endpoint, destination: Endpoint) -> None:
        """Prepare the lease of one mapping; nothing is connected yet."""
        self._source = source
        self._destination = destination
        self._lock = AdvisoryLock(destination)
        self.held = False
        #: why it is not held
        self.reason = "not asked for yet"
        #: it was held, and only the destination's silence took it: nobody else can have it there
        self.lost_to_silence = False
        self._unreachable = False

    async def hold(self) -> bool:
        """Take the lease or make sure that it is still held; call it in every tick."""
        try:
            await self._try_to_hold()
        except MigratorError as error:
            self._unreachable = isinstance(error, Unreachable)
            self.lost_to_silence = self._unreachable and (self.held or self.lost_to_silence)
            self.held, self.reason = False, str(error)
            await self._lock.release()
        return self.held

    def require(self) -> None:
        """Make sure that this daemon may act.

        :raises Unreachable: the destination does not answer.
        :raises Refused: another daemon holds the lease, or its sessions still work.
        """
        if not self.held:
            kind = Unreachable if self._unreachable else Refused
            raise kind(f"this daemon does not hold the lease: {self.reason}")

    async def _try_to_hold(self) -> None:
        self._unreachable = False
        if await self._lock.is_held():
            if self.held:
                return
        elif not await self._lock.acquire():
            self.held, self.reason = False, "another daemon holds the lease of this mapping"
            self.lost_to_silence = False
            return
        else:
            self.held = False
        left = await acting_sessions(self._destination)
        with suppress(MigratorError):
            left += await acting_sessions(self._source)
        self.held = not left
        self.lost_to_silence = False
        self.reason = "" if self.held else "an earlier holder still works: " + ", ".join(left)

    async def release(self) -> None:
        """Give it up."""
        self.held = False
        await self._lock.release()
