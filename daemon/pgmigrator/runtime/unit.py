"""What the runtime holds about one database between two ticks. Nothing of it needs to survive."""

import asyncio
from dataclasses import dataclass, field

from pgmigrator.core import extension_rows
from pgmigrator.core.decide import Decision
from pgmigrator.core.history import History
from pgmigrator.core.model import Measured, Observation, Phase, RoleRefusal, RowCounts
from pgmigrator.core.report import DrainProof
from pgmigrator.postgres.failures import Failure as RestoreFailure

#: after the first failure, doubled with each further one
BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_MAX_SECONDS = 300.0

#: what the last restore could not mend, the next one may not either: each dumps the source; doubled
#: while the same objects fail again
RESTORE_INTERVAL_SECONDS = 30.0
RESTORE_INTERVAL_MAX_SECONDS = 480.0


def backoff(attempts: int) -> float:
    """Return how long to wait after so many failures in a row, in seconds.

    >>> backoff(1), backoff(3), backoff(100)
    (1.0, 4.0, 300.0)
    """
    return min(BACKOFF_FIRST_SECONDS * 2.0 ** min(attempts - 1, 20), BACKOFF_MAX_SECONDS)


@dataclass(slots=True)
class Failure:
    """An action that failed, and when it may be tried again."""

    attempts: int
    #: epoch seconds
    at: float
    next_at: float
    message: str


@dataclass(slots=True)
class Unit:
    """One database of one mapping."""

    mapping: str
    database: str
    history: History
    #: actions under way, by kind
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    #: the last failure of each kind that has not succeeded since
    failures: dict[str, Failure] = field(default_factory=dict)
    #: set once an invariant broke: no action starts any more
    broken: str = ""
    row_counts: Measured[RowCounts] | None = None
    #: objects that could not be created, by the part of the restore that tried last
    restore_failures: dict[str, tuple[RestoreFailure, ...]] = field(default_factory=dict)
    #: when the rest was last restored, in epoch seconds
    restored_at: float = 0.0
    #: how often in a row the rest was restored with the same failures
    restored_alike: int = 0
    #: what of the roles the destination refused, as of the last try; how many in a row refused any
    roles_refused: tuple[RoleRefusal, ...] = ()
    roles_attempts: int = 0
    #: epoch seconds
    roles_again_at: float = 0.0
    drain: DrainProof | None = None
    last: Observation | None = None
    #: the subscription may be stopped for a moment: observation waits for it
    pause: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: an operator's command is under way: no action starts
    command: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: how many actions and commands have ended
    changes: int = 0
    #: `changes` when the last observation began: if they differ, it may show what is no longer so
    changes_seen: int = 0

    def waiting(self, now: float) -> frozenset[str]:
        """Return the kinds that wait for their back-off."""
        waiting = frozenset(kind for kind, f in self.failures.items() if f.next_at > now)
        if self.roles_again_at > now:
            waiting |= {"CreateRoles"}
        wait = RESTORE_INTERVAL_SECONDS * 2.0 ** min(self.restored_alike, 10)
        again = self.restored_at + min(wait, RESTORE_INTERVAL_MAX_SECONDS) > now
        return waiting | {"RestoreRest"} if again else waiting

    def roles_made(self, refused: tuple[RoleRefusal, ...], at: float) -> None:
        """Remember what of the roles was refused, at `at` (epoch seconds); it is tried again."""
        self.roles_refused = refused
        self.roles_attempts = self.roles_attempts + 1 if refused else 0
        self.roles_again_at = at + backoff(self.roles_attempts) if refused else 0.0

    def rest_restored(self, failures: tuple[RestoreFailure, ...], at: float) -> None:
        """Remember what a restore of the rest could not mend, at `at` (epoch seconds)."""
        # none, and wanted again: what differs is not for a restore to mend
        alike = failures == self.restore_failures.get("rest")
        self.restored_alike = self.restored_alike + 1 if alike else 0
        self.restore_failures["rest"] = failures
        self.restored_at = at

    @property
    def stale(self) -> bool:
        """Tell whether something has changed since the last observation began."""
        return self.changes != self.changes_seen

    def forget_failures(self, decision: Decision) -> None:
        """Forget the failures of what is no longer wanted: others did it, or it is not needed."""
        if decision.phase is not Phase.UNKNOWN:
            wanted = {offer.kind for offer in decision.offers}
            self.failures = {kind: f for kind, f in self.failures.items() if kind in wanted}
            if "RestoreRest" not in wanted:
                self.restored_alike = 0

    def forget_mended(self, obs: Observation) -> None:
        """Forget what a restore could not do, once the comparison finds that nothing is missing."""
        if obs.roles is not None:
            differing = {each.role for each in obs.roles.value}
            left = tuple(each for each in self.roles_refused if each.role in differing)
            self.roles_refused = left
            if not left:
                self.roles_attempts, self.roles_again_at = 0, 0.0
        if obs.schema is not None and not obs.schema.value:
            self.restore_failures.pop("schema", None)
        if "rest" in self.restore_failures:
            self.restore_failures["rest"] = tuple(
                failed
                for failed in self.restore_failures["rest"]
                if not self._is_mended(failed.object, obs)
            )

    def _is_mended(self, thing: str, obs: Observation) -> bool:
        if extension_rows.are_rows(thing):
            return thing in extension_rows.arrived(obs)
        return obs.schema is not None and not obs.schema.value and obs.schema.at > self.restored_at

    async def stop(
        self, *, only: frozenset[str] | None = None, but: frozenset[str] = frozenset()
    ) -> None:
        """Cancel the actions of some kinds (default: all) and wait for their end."""
        wanted = (frozenset(self.running) if only is None else only) - but
        tasks = [task for kind, task in self.running.items() if kind in wanted]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
