"""Watching a migration until something is reached, or until anything goes wrong.

Whatever goes wrong with the daemon, the migration or the application ends the demo with its reason.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from pgmigrator.demo.daemon import Daemon
from pgmigrator.demo.panel import View, Writes
from pgmigrator.demo.progress import failure, obstacles
from pgmigrator.demo.screen import Screen
from pgmigrator.demo.traffic import Traffic
from pgmigrator.surface.documents import MappingDocument

POLL_SECONDS = 0.5
#: errors of the application that are named
ERRORS_SHOWN = 3

T = TypeVar("T")


class DemoFailed(RuntimeError):
    """The demo did not go as promised; one text per reason."""

    def __init__(self, *reasons: str) -> None:
        """Take the reasons, the first of which is the headline."""
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Watch:
    """Polls the daemon and shows what it says."""

    def __init__(self, screen: Screen, daemon: Daemon, traffic: Traffic) -> None:
        self.side = "source"  # that the application writes to
        self._screen = screen
        self._daemon = daemon
        self._traffic = traffic
        self._sample = (time.monotonic(), traffic.committed.total())

    def until(
        self, reached: Callable[[MappingDocument], bool], what: str, timeout_seconds: float
    ) -> None:
        """Wait for a status of the migration.

        :raises DemoFailed: it cannot be reached, or was not in time.
        :raises DaemonEnded: the daemon does not run any more.
        """
        deadline_s = time.monotonic() + timeout_seconds
        while True:
            mapping = self.look()
            self.check_application()
            if mapping is not None:
                if reached(mapping):
                    return
                if reasons := failure(mapping):
                    raise DemoFailed("the migration cannot go on", *reasons)
            if time.monotonic() > deadline_s:
                stood = obstacles(mapping) if mapping else ["the daemon does not answer"]
                raise DemoFailed(f"{what} was not reached in {timeout_seconds:.0f} s", *stood)
            time.sleep(POLL_SECONDS)

    def during(self, work: Callable[[], T]) -> T:
        """Go on showing what happens while something else is done; return what that returned."""
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(work)
            while not future.done():
                self.look()
                wait([future], POLL_SECONDS)
            return future.result()

    def look(self) -> MappingDocument | None:
        """Read the status once and show it; None: the daemon did not answer."""
        mapping = self._daemon.mapping()
        if mapping is not None:
            tables = {
                database["name"]: self._daemon.copying_tables(database["name"])
                for database in mapping["databases"]
                if database["phase"] == "copying"
            }
            self._screen.show(View(mapping, self._writes(), tables))
        return mapping

    def check_application(self) -> None:
        """See to it that the application has had no error.

        :raises DemoFailed: it had.
        """
        if errors := self._traffic.errors:
            named = [f"{e.role}, {e.transaction}: {e.message}" for e in errors[:ERRORS_SHOWN]]
            raise DemoFailed(f"the application had {len(errors)} errors", *named)

    def _writes(self) -> Writes:
        now_s, committed = time.monotonic(), self._traffic.committed.total()
        then_s, before = self._sample
        self._sample = (now_s, committed)
        return Writes(
            side=self.side,
            committed=committed,
            rolled_back=self._traffic.rolled_back.total(),
            per_second=(committed - before) / max(now_s - then_s, 0.001),
            errors=len(self._traffic.errors),
        )
