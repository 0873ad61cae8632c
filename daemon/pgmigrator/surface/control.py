"""What the HTTP surface needs of the daemon behind it: reports, health, and a way to command."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pgmigrator.core.commands import Command, Outcome
from pgmigrator.core.freshness import fresh
from pgmigrator.core.report import Report
from pgmigrator.surface.guide_facts import GuideContext


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of a health probe."""

    name: str
    ok: bool
    #: for people: what was found
    detail: str = ""


class Control(Protocol):
    """The runtime as its surface knows it. All but `command` return at once, without SQL."""

    def report(self) -> Report:
        """Return the last report."""

    def now(self) -> float:
        """Return the time on the clock of the reports, in epoch seconds."""

    def live(self) -> Sequence[Check]:
        """Tell whether the ticks go on: their age only, never the state of a server."""

    def ready(self) -> Sequence[Check]:
        """Tell whether the settings are loaded and a first report is made, whatever it says."""

    def started(self) -> Sequence[Check]:
        """Tell whether the start is over."""

    def guide(self, mapping: str) -> GuideContext:
        """Return what the cutover guide of a mapping of the report must know."""

    async def command(self, command: Command) -> Outcome:
        """Carry out what an operator asked for; the names in it are known.

        :raises Unreachable: a server did not answer (answered with 503).
        :raises Refused: a server said no (answered with 409).
        """


def current(control: Control) -> Report:
    """Return the last report as it may be believed now: what everything here shows."""
    return fresh(control.report(), control.now())
