"""Every result of a tick that is exposed is one that the daemon counts."""

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent

from pgmigrator.runtime.daemon import Daemon
from pgmigrator.runtime.mapping import MappingRunner
from pgmigrator.settings import Settings
from pgmigrator.surface.catalogue import TICK_RESULTS


class Broken(MappingRunner):
    """Nothing but a tick that fails."""

    def __init__(self) -> None:
        """Build nothing."""

    async def tick(self) -> None:
        raise RuntimeError("broken")


class Idle(Broken):
    """Nothing but a tick that goes well."""

    async def tick(self) -> None:
        return


async def test_every_result_is_counted() -> None:
    daemon = Daemon(Settings())
    for runner in (Idle(), Broken()):
        daemon.runners["orders"] = runner
        await daemon.tick("orders")
    # the scheduler says so when a tick is due while the one before still runs
    daemon._count_skipped(JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, "orders", "default", []))
    assert daemon._ticks == {("orders", result): 1 for result in TICK_RESULTS}
