"""Exponential back-off for a server that does not let us in: it is asked less and less often."""

import time

from pgmigrator.errors import MigratorError

FIRST_SECONDS = 0.5
#: also how long its return may go unnoticed
MAX_SECONDS = 30.0


class Backoff:
    """Remembers the last failure, and until when it stands for a new attempt."""

    def __init__(self) -> None:
        """Start without a failure."""
        self._attempts = 0
        self._error: MigratorError | None = None
        self._until = 0.0

    def check(self) -> None:
        """Let an attempt pass if its time has come.

        :raises MigratorError: it has not; a copy of the last failure.
        """
        if self._error is not None and time.monotonic() < self._until:
            raise type(self._error)(str(self._error))

    def failed(self, error: MigratorError) -> None:
        """Wait after this failure, twice as long as after the one before."""
        self._error = error
        self._until = time.monotonic() + min(FIRST_SECONDS * 2**self._attempts, MAX_SECONDS)
        self._attempts = min(self._attempts + 1, 10)

    def succeeded(self) -> None:
        """Forget every failure."""
        self._attempts, self._error = 0, None
