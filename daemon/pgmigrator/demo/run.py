"""`make demo`: a whole migration between servers of its own, as the cutover guide says.

Exit status 0 means that it went as promised, down to no difference and no trace; anything else is
a failure with its reason. However it ends, it leaves nothing behind.
"""

import io
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import psycopg
from rich.console import Console

from pgmigrator.demo import traces
from pgmigrator.demo.application import DATABASES, create_application
from pgmigrator.demo.cutover import Cutover
from pgmigrator.demo.daemon import Daemon, DaemonEnded
from pgmigrator.demo.installations import InstallationMissing, ProgramFailed
from pgmigrator.demo.keep import keep_running
from pgmigrator.demo.monitoring import Monitoring, MonitoringFailed
from pgmigrator.demo.screen import Screen
from pgmigrator.demo.stage import stage
from pgmigrator.demo.summary import Summary
from pgmigrator.demo.traffic import Traffic
from pgmigrator.demo.watch import DemoFailed, Watch
from pgmigrator.errors import MigratorError

#: a demo that hangs ends after this
TOTAL_SECONDS = 600
GREEN_TIMEOUT_SECONDS = 300
TRANSACTIONS_PER_SECOND = 200
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

_EXPECTED = (
    DaemonEnded,
    DemoFailed,
    InstallationMissing,
    MigratorError,
    MonitoringFailed,
    OSError,
    ProgramFailed,
    psycopg.Error,
    traces.DumpFailed,
)


def main(keep: bool, rules: Path | None = None) -> int:
    """Run the demo and return its exit status.

    :param keep: stop at the green light, and keep everything running until Ctrl-C.
    :param rules: the folder of alert rules for a Prometheus beside the daemon; None: there is none.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows no ✔ is no reason to fail
    screen = Screen(Console(highlight=False))
    demo = Demo(screen, rules)
    try:
        with screen:
            summary = demo.play(keep)
    except KeyboardInterrupt:
        screen.text("interrupted: everything was stopped and removed")
        return EXIT_INTERRUPTED
    except _EXPECTED as error:
        reasons = error.reasons if isinstance(error, DemoFailed) else (str(error),)
        screen.fail(reasons, demo.log_end)
        return EXIT_FAILED
    if summary is None:
        screen.text("everything was stopped and removed")
    else:
        screen.summarize("migrated", summary.lines())
    return 0


class Demo:
    """The whole play, from two empty servers until nothing is left of them."""

    def __init__(self, screen: Screen, rules: Path | None = None) -> None:
        """Play on this screen, observed by a Prometheus with these rules, if any."""
        self.log_end: Sequence[str] = ()  # of the daemon, if the demo failed
        self._screen = screen
        self._rules = rules
        self._monitoring: Monitoring | None = None

    def play(self, keep: bool) -> Summary | None:
        """Play, and clean up however it ends; None: it was kept at the green light."""
        with _signals(), ExitStack() as stack:
            try:
                return self._play(stack, keep)
            finally:
                self._screen.doing("cleaning up")
                _ignore_signals()

    def _play(self, stack: ExitStack, keep: bool) -> Summary | None:
        cutover, before = self._prepare(stack)
        try:
            green_seconds = self._until_green(cutover)
            if keep:
                signal.alarm(0)
                keep_running(self._screen, cutover, self._monitoring)
                return None
            return self._cut_over(cutover, before, green_seconds)
        except _EXPECTED:
            self.log_end = cutover.daemon.log_end()
            raise

    def _prepare(self, stack: ExitStack) -> tuple[Cutover, dict[str, bytes]]:
        """Start everything but the daemon, and remember the source's definitions."""
        screen = self._screen
        screen.doing("starting two PostgreSQL servers")
        servers = stack.enter_context(stage())
        source, destination = servers.source, servers.destination
        screen.say(
            f"source: PostgreSQL {source.installation.version}, port {source.port};"
            f" destination: {destination.installation.version}, port {destination.port}"
        )
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pgmigrator-demo-"))
        daemon = Daemon(Path(folder), servers)
        stack.callback(daemon.stop)
        self._observe(stack, daemon)
        screen.doing("creating an application on the source")
        application = create_application(source.dsn)
        bin_dir = destination.installation.bin_dir
        before = traces.dumps(source, bin_dir, DATABASES)
        screen.say(f"the application is there: databases {' and '.join(DATABASES)}")
        traffic = Traffic(application.role_dsn(source.dsn), rate_per_second=TRANSACTIONS_PER_SECOND)
        stack.callback(traffic.stop)
        traffic.start()
        screen.say(f"the application writes, {TRANSACTIONS_PER_SECOND} transactions per second")
        watch = Watch(screen, daemon, traffic)
        return Cutover(screen, daemon, application, traffic, watch), before

    def _observe(self, stack: ExitStack, daemon: Daemon) -> None:
        """Start Prometheus and Alertmanager, if wanted, before there is anything to miss."""
        if self._rules is None:
            return
        self._screen.doing("starting Prometheus and Alertmanager")
        self._monitoring = Monitoring.start(stack, daemon.folder, self._rules, daemon.port)
        self._screen.say(self._monitoring.summary())

    def _until_green(self, cutover: Cutover) -> float:
        """Start the daemon and wait; return the seconds that it took."""
        started_at_s = time.monotonic()
        cutover.daemon.start()
        self._screen.say(f"the daemon runs: {cutover.daemon.url}/status")
        self._screen.doing("migrating, until the light is green")
        cutover.watch.until(
            lambda mapping: mapping["ready"], "the green light", GREEN_TIMEOUT_SECONDS
        )
        green_seconds = time.monotonic() - started_at_s
        self._screen.say(f"green light, {green_seconds:.1f} s after the daemon's start")
        return green_seconds

    def _cut_over(
        self, cutover: Cutover, before: dict[str, bytes], green_seconds: float
    ) -> Summary:
        """Move the application, end the migration, prove what was promised."""
        moved = cutover.move()
        cutover.complete()
        cutover.prove_no_trace(before)
        traffic = cutover.traffic
        traffic.stop()
        cutover.watch.check_application()
        return Summary(
            rows=moved.compared.rows,
            moved_bytes=moved.compared.table_bytes,
            tables=moved.compared.tables,
            sequences=moved.compared.sequences,
            green_seconds=green_seconds,
            pause_seconds=moved.pause_seconds,
            committed=traffic.committed.total(),
            rolled_back=traffic.rolled_back.total(),
        )


@contextmanager
def _signals() -> Iterator[None]:
    """Let every way to end a demo raise here, so that it ends in good order."""
    handlers = {
        signal.SIGTERM: signal.default_int_handler,
        signal.SIGHUP: signal.default_int_handler,
        signal.SIGALRM: _took_too_long,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    before[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    signal.alarm(TOTAL_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _took_too_long(*_: object) -> NoReturn:
    raise DemoFailed(f"it took more than {TOTAL_SECONDS} s")


def _ignore_signals() -> None:
    signal.alarm(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
