"""The daemon: a scheduler that ticks every mapping, and the last report for whoever asks.

On SIGTERM it stops scheduling, gives what is under way a moment to end and cancels the rest (every
action heals when it is started again), closes its sessions and ends.
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from pgmigrator import __version__, revision
from pgmigrator.core.commands import Command, Outcome
from pgmigrator.core.report import Counters, Report
from pgmigrator.runtime import build, cutover
from pgmigrator.runtime.mapping import MappingRunner
from pgmigrator.settings import Settings
from pgmigrator.surface.catalogue import ERROR_CATEGORIES
from pgmigrator.surface.client import base_url
from pgmigrator.surface.control import Check
from pgmigrator.surface.guide_facts import ConnectionTarget, GuideContext
from pgmigrator.surface.http import create_application, serve
from pgmigrator.surface.instruments import Instruments, create_instruments

#: ticks may be late by so many intervals before /livez fails
LATE_TICKS = 10
#: at the least, in seconds: one tick may wait for a server that does not answer
LATE_SECONDS_MIN = 120.0

log = structlog.get_logger()


@dataclass(slots=True)
class Daemon:
    """All mappings, and what they have reported; see `surface.control.Control`."""

    settings: Settings
    started_at: float = field(default_factory=time.time)
    instruments: Instruments = field(default_factory=create_instruments)
    runners: dict[str, MappingRunner] = field(default_factory=dict)
    _errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    _ticks: Counter[tuple[str, str]] = field(default_factory=Counter)
    _ticked_at: dict[str, float] = field(default_factory=dict)
    _loop_lag_seconds: float = 0.0
    #: mappings that tick right now, and those of them that are to tick once more
    _ticking: set[str] = field(default_factory=set)
    _woken: set[str] = field(default_factory=set)
    _scheduler: AsyncIOScheduler = field(default_factory=lambda: AsyncIOScheduler(timezone=UTC))

    def __post_init__(self) -> None:
        """Build the mappings; nothing is connected yet."""
        self.runners = build.runners(
            self.settings, build.Hooks(self._count_error, self._time_query, self._wake)
        )
        for name in self.runners:
            for category in ERROR_CATEGORIES:
                self._errors[name, category] = 0

    async def run(self) -> None:
        """Serve and tick until SIGTERM or SIGINT."""
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        token = self.settings.http.control_token
        application = create_application(
            self, self.instruments, token.get_secret_value() if token else None
        )
        server = await serve(application, self.settings.http.host, self.settings.http.port)
        self._schedule()
        log.info("daemon started", version=__version__, mappings=sorted(self.runners))
        try:
            await stopped.wait()
        finally:
            log.info("daemon stops")
            self._scheduler.pause()
            await asyncio.gather(*(runner.close() for runner in self.runners.values()))
            self._scheduler.shutdown(wait=False)
            await server.cleanup()

    def _schedule(self) -> None:
        for name in self.runners:
            self._scheduler.add_job(
                self.tick,
                "interval",
                id=name,
                args=(name,),
                seconds=self.settings.refresh_interval_seconds,
                max_instances=1,
                coalesce=True,
                next_run_time=datetime.now(UTC),
            )
        self._scheduler.add_job(self._measure_loop_lag, "interval", seconds=5, coalesce=True)
        self._scheduler.add_listener(self._count_skipped, EVENT_JOB_MAX_INSTANCES)
        self._scheduler.start()

    def _wake(self, mapping: str) -> None:
        """Have a mapping tick now: an action has ended, and the next one may start."""
        if mapping in self._ticking:
            self._woken.add(mapping)
        else:
            self._scheduler.modify_job(mapping, next_run_time=datetime.now(UTC))

    async def tick(self, mapping: str) -> None:
        """Tick one mapping, and once more for whatever ended meanwhile."""
        self._ticking.add(mapping)
        self._woken.add(mapping)
        while mapping in self._woken:
            self._woken.discard(mapping)
            await self._tick(mapping)
        self._ticking.discard(mapping)

    async def _tick(self, mapping: str) -> None:
        """Tick; what goes wrong in one mapping never reaches the others."""
        result = "ok"
        with self.instruments.tick_duration_seconds.time():
            try:
                await self.runners[mapping].tick()
            except Exception:
                result = "error"
                self._count_error(mapping, "unexpected")
                log.exception("tick failed", mapping=mapping)
        self._ticks[mapping, result] += 1
        self._ticked_at[mapping] = time.time()

    async def _measure_loop_lag(self) -> None:
        started = time.perf_counter()
        await asyncio.sleep(0.05)
        self._loop_lag_seconds = max(0.0, time.perf_counter() - started - 0.05)

    def _count_skipped(self, event: JobSubmissionEvent) -> None:
        """A tick was due while the one before still ran: a server answers slowly."""
        self._ticks[event.job_id, "skipped"] += 1

    def _count_error(self, mapping: str, category: str) -> None:
        self._errors[mapping, category] += 1

    def _time_query(self, side: str, what: str, seconds: float) -> None:
        self.instruments.query_duration_seconds.labels(side, what).observe(seconds)

    # --- what the surface sees (surface.control.Control) ----------------------------------------

    def report(self) -> Report:
        """Return the last report of every mapping."""
        return Report(
            version=__version__,
            revision=revision(),
            started_at=self.started_at,
            generated_at=max(self._ticked_at.values(), default=None),
            mappings=tuple(self.runners[name].report for name in sorted(self.runners)),
            counters=Counters(errors=dict(self._errors), ticks=dict(self._ticks)),
            event_loop_lag_seconds=self._loop_lag_seconds,
            report_max_age_seconds=self._late_seconds,
        )

    @property
    def _late_seconds(self) -> float:
        return max(LATE_TICKS * self.settings.refresh_interval_seconds, LATE_SECONDS_MIN)

    def now(self) -> float:
        """Return the time, in epoch seconds."""
        return time.time()

    def live(self) -> Sequence[Check]:
        """Look at the age of each mapping's last tick only."""
        limit = self._late_seconds
        ages = {
            name: self.now() - self._ticked_at.get(name, self.started_at) for name in self.runners
        }
        return [
            Check(f"tick of {name}", age <= limit, f"{age:.0f} s ago, at most {limit:.0f}")
            for name, age in sorted(ages.items())
        ]

    def ready(self) -> Sequence[Check]:
        """Ready once every mapping has reported once, whatever it said."""
        return [
            Check(f"report of {name}", name in self._ticked_at) for name in sorted(self.runners)
        ]

    def started(self) -> Sequence[Check]:
        """Started once any mapping has reported."""
        return [Check("first report", bool(self._ticked_at))]

    def guide(self, mapping: str) -> GuideContext:
        """Return the connection facts for the cutover guide."""
        source, destination = build.endpoints(self.settings, mapping)
        targets = [
            ConnectionTarget(
                host=end.instance.host,
                port=end.instance.port,
                user=end.instance.user,
                sslmode=end.instance.sslmode,
            )
            for end in (source, destination)
        ]
        return GuideContext(
            source=targets[0],
            destination=targets[1],
            base_url=base_url(self.settings.http),
            token_configured=self.settings.http.control_token is not None,
            application_roles=self.runners[mapping].observer.application_roles,
            role_passwords=self.settings.mappings[mapping].role_passwords,
            max_retained_wal_bytes=source.instance.max_retained_wal,
        )

    async def command(self, command: Command) -> Outcome:
        """Carry out an operator's verb; a tick follows at once, but the answer does not wait."""
        try:
            return await cutover.carry_out(self.runners[command.mapping], command)
        finally:
            self._wake(command.mapping)
