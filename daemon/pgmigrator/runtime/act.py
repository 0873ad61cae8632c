"""Acting: starts an action beside the ticks, and remembers how it failed.

`HANDLERS` pairs each action with the function of `postgres/` that does it. What an action achieved
is never believed: the next observation reads it back from the catalogs.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from pgmigrator.core import actions as a
from pgmigrator.core.model import Observation
from pgmigrator.core.safety import assert_safe
from pgmigrator.errors import InvariantBroken, MigratorError, Refused, Unreachable
from pgmigrator.runtime.handlers import HANDLERS
from pgmigrator.runtime.unit import Failure, Unit, backoff
from pgmigrator.runtime.work import Work

#: these come again and again while changes stream, and change nothing that a tick must follow
STEADY = frozenset({"SynchronizeSequences", "VerifyRowCounts"})

log = structlog.get_logger()


@dataclass(slots=True)
class Actor:
    """Starts the actions of one mapping."""

    #: makes the context of one action
    work: Callable[[Unit, Observation], Work]
    #: counts an error of a category, for the metrics
    count_error: Callable[[str], None]
    #: asks for a tick at once
    wake: Callable[[], None]

    def start(self, unit: Unit, action: a.Action, obs: Observation) -> None:
        """Start an action beside the ticks, unless it is unsafe.

        :raises InvariantBroken: it would break an invariant; nothing was started.
        """
        assert_safe(action, replace(obs, running=frozenset(unit.running)))
        task = asyncio.create_task(self._run(unit, action, obs), name=action.kind)
        unit.running[action.kind] = task

        def ended(_: object) -> None:
            unit.running.pop(action.kind, None)
            unit.changes += 1

        task.add_done_callback(ended)

    async def _run(self, unit: Unit, action: a.Action, obs: Observation) -> None:
        logger = log.bind(mapping=unit.mapping, database=unit.database, action=action.kind)
        say = logger.debug if action.kind in STEADY else logger.info
        say("action started")
        started = time.time()
        try:
            await HANDLERS[type(action)](self.work(unit, obs), action)
        except asyncio.CancelledError:
            logger.info("action cancelled")
            raise
        except InvariantBroken as error:
            unit.broken = str(error)
            self.count_error("invariant")
            logger.error("invariant broken", reason=str(error))
        except MigratorError as error:
            self._failed(unit, action, error)
            logger.warning("action failed", reason=str(error))
        except Exception as error:
            self._failed(unit, action, error)
            logger.exception("action failed unexpectedly")
        else:
            unit.failures.pop(action.kind, None)
            say("action done", seconds=round(time.time() - started, 3))
            if action.kind not in STEADY:
                self.wake()

    def _failed(self, unit: Unit, action: a.Action, error: Exception) -> None:
        self.count_error(category(error))
        known = unit.failures.get(action.kind)
        attempts = known.attempts + 1 if known else 1
        now = time.time()
        message = str(error) if isinstance(error, MigratorError) else type(error).__name__
        unit.failures[action.kind] = Failure(attempts, now, now + backoff(attempts), message)


def category(error: Exception) -> str:
    """Name an error's category in the metrics."""
    if isinstance(error, Unreachable | TimeoutError):
        return "unreachable"
    if isinstance(error, Refused):
        return "refused"
    return "invariant" if isinstance(error, InvariantBroken) else "unexpected"
