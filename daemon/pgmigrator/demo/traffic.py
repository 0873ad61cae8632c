"""Live writers: each is one role's session that runs one transaction after the other.

What an application does when it moves is what this does: `stop` ends every session, `switch_to`
goes on elsewhere. Every error is kept, because a migration must not cause a single one.
"""

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass

import psycopg

from pgmigrator.demo.application import RoleDsnOf
from pgmigrator.demo.workload import WRITERS, Context, Transaction, WriterKind

RECONNECT_SECONDS = 0.2


@dataclass(frozen=True)
class ApplicationError:
    """An error that the application saw."""

    role: str
    transaction: str
    message: str


class Traffic:
    """Writers against one server at a time; times are of `time.monotonic()`.

    :param rate_per_second: transactions per second of all writers together.
    :param seed: makes the choice of transactions repeatable.
    """

    def __init__(
        self,
        role_dsn: RoleDsnOf,
        *,
        rate_per_second: float = 200,
        writers: tuple[WriterKind, ...] = WRITERS,
        seed: int = 1,
    ) -> None:
        self.committed: Counter[str] = Counter()  # per transaction's name
        self.rolled_back: Counter[str] = Counter()
        self.errors: list[ApplicationError] = []
        self.last_acknowledged_at_s: float | None = None
        self.first_acknowledged_at_s: float | None = None  # since the last switch
        self._left_at_s: float | None = None
        self._role_dsn = role_dsn
        self._writers = writers
        self._interval_s = len(writers) / rate_per_second
        self._seed = seed
        self._starts = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._acknowledged = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def pause_seconds(self) -> float | None:
        """The write pause of the last switch: last commit there to first here; None if unknown."""
        if self._left_at_s is None or self.first_acknowledged_at_s is None:
            return None
        return self.first_acknowledged_at_s - self._left_at_s

    def start(self) -> None:
        """Let every writer connect and write."""
        self._stopping.clear()
        self._starts += 1  # no run repeats the keys of one before
        for number, kind in enumerate(self._writers):
            chance = random.Random(f"{self._seed} {self._starts} {number}")  # noqa: S311
            thread = threading.Thread(target=self._write, args=[number, kind, chance], daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Let every writer finish its transaction and end its session; returns when all have."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def switch_to(self, role_dsn: RoleDsnOf) -> None:
        """Stop, if not stopped yet, and go on at another server."""
        self.stop()
        self._left_at_s = self.last_acknowledged_at_s
        self.first_acknowledged_at_s = None
        self._acknowledged.clear()
        self._role_dsn = role_dsn
        self.start()

    def wait_for_commit(self, timeout_seconds: float) -> bool:
        """Wait for the first acknowledged commit since the switch; False if there was none."""
        return self._acknowledged.wait(timeout_seconds)

    def _write(self, number: int, kind: WriterKind, chance: random.Random) -> None:
        """Keep a session and write in it until told to stop."""
        while not self._stopping.is_set():
            try:
                dsn = self._role_dsn(kind.database, kind.role)
                with psycopg.connect(dsn, autocommit=True) as connection:
                    self._use(Context(connection, chance, number), kind)
            except psycopg.Error as error:
                self._failed(kind, "connect", error)
                self._stopping.wait(RECONNECT_SECONDS)

    def _use(self, context: Context, kind: WriterKind) -> None:
        """Run transactions, evenly spaced in time, as long as the session lives."""
        due_s = time.monotonic()
        while not context.connection.closed:
            due_s = max(due_s + self._interval_s, time.monotonic())
            transaction = context.chance.choice(kind.transactions)
            try:
                self._run(context, transaction)
            except psycopg.Error as error:
                self._failed(kind, transaction.__name__, error)
            if self._stopping.wait(max(0.0, due_s - time.monotonic())):
                return

    def _run(self, context: Context, transaction: Transaction) -> None:
        committed = False
        with context.connection.transaction():
            transaction(context)  # may raise psycopg.Rollback, which ends the block quietly
            committed = True
        with self._lock:
            if not committed:
                self.rolled_back[transaction.__name__] += 1
                return
            self.committed[transaction.__name__] += 1
            self.last_acknowledged_at_s = time.monotonic()
            if self.first_acknowledged_at_s is None:
                self.first_acknowledged_at_s = self.last_acknowledged_at_s
                self._acknowledged.set()

    def _failed(self, kind: WriterKind, transaction: str, error: psycopg.Error) -> None:
        with self._lock:
            message = f"{error.sqlstate or '-'} {error}"
            self.errors.append(ApplicationError(kind.role, transaction, message))
