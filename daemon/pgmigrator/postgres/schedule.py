"""Facts that cost more than a tick may: read on schedules of their own."""

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from pgmigrator.core.model import Measured

T = TypeVar("T")

#: costly facts use at most one part in so many of the time
_SHARE = 20
_PUNCTUALITY = 0.9


class Scheduled(Generic[T]):
    """A fact that is read again once its interval has passed; costly ones less often."""

    def __init__(self, interval_seconds: float, fresh_seconds: float) -> None:
        """Read at most every `interval_seconds`; valid for the interval and `fresh_seconds`."""
        self._interval = interval_seconds
        self._fresh = fresh_seconds
        self._due = 0.0
        self.last: Measured[T] | None = None

    async def get(self, read: Callable[[], Awaitable[T]]) -> Measured[T]:
        """Return the fact, read now if it is due."""
        if self.last is None or time.time() >= self._due:
            started = time.time()
            value = await read()
            spent = time.time() - started
            wait = max(self._interval, spent * _SHARE)
            # ticks come a little early or late: the one that is meant must not be missed
            self._due = started + wait * _PUNCTUALITY
            self.last = Measured(value, started, wait + spent + self._fresh)
        return self.last

    def expire(self) -> None:
        """Read again next time."""
        self._due = 0.0
