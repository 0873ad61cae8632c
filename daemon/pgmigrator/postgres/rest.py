"""The schema after the copy: what the destination still lacks, while changes stream in.

Each entry of the archive runs in a session of ours that never wins against the apply worker: it
asks for its locks for half a second only, notices a deadlock long before apply does, gives up and
tries again until it is done. One object that fails is named and the rest goes on.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence

from psycopg import errors, sql
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random

from pgmigrator.core.renamed import renamed_names
from pgmigrator.postgres import fingerprint, inventory, triggers
from pgmigrator.postgres.archive import Archive, Entry, not_valid
from pgmigrator.postgres.archive import entries as archive_entries
from pgmigrator.postgres.children import Tools
from pgmigrator.postgres.connect import (
    DEFAULT_TABLESPACE,
    Connection,
    Endpoint,
    fetch,
    session,
)
from pgmigrator.postgres.failures import Failure, attempt
from pgmigrator.postgres.finish import finish
from pgmigrator.postgres.inventory import Inventory
from pgmigrator.postgres.queries import query

ACTION = "RestoreRest"

#: A deadlock must never abort the apply worker, which looks for one after the server's 1 s of
#: waiting, and nobody looks twice: so ours looks at once, and has given up before apply looks.
OPTIONS = {
    "deadlock_timeout": "20ms",
    "lock_timeout": "500ms",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "check_function_bodies": "off",
    "client_min_messages": "warning",
    **DEFAULT_TABLESPACE,
}
#: how long one object is tried against the locks of others
PATIENCE_SECONDS = 600.0

_HEAVY = frozenset({"CONSTRAINT", "INDEX"})

#: something to do in a session, and the object that it concerns
Job = tuple[str, Callable[[Connection], Awaitable[object]]]


async def restore_post_data(
    source: Endpoint,
    destination: Endpoint,
    database: str,
    archive: Archive,
    tools: Tools,
    *,
    created: bool,
    tablespaces: bool,
) -> tuple[Failure, ...]:
    """Build whatever of the archive's post-data the destination lacks; then statistics, settings.

    `tablespaces`: each index comes into its own, else all into the default one.
    Interrupted at any point, it goes on when called again. Returns what the destination refused.

    :raises Unreachable: a server went away.
    """
    entries = await archive_entries(tools, archive, "post-data", tablespaces=tablespaces)
    async with session(source, database, ACTION) as origin:
        wanted = await Inventory.read(origin)
        populated = await fetch(origin, query("matviews"))
        async with session(destination, database, ACTION, options=OPTIONS) as connection:
            await triggers.prepare(connection)
            # what only has another name here is for a person to rename
            other_names = renamed_names(await fingerprint.compare(origin, connection))
            there = await Inventory.read(connection)
            todo = inventory.lacking(entries, wanted, there, other_names)
    workers = _Workers(destination, database)
    heavy = [entry for entry in todo if entry.type in _HEAVY]
    await workers.run([_restore(entry) for entry in heavy], at_once=parallel_jobs())
    # in the archive's order, which is that of dependency
    light = [entry for entry in todo if entry.type not in _HEAVY]
    await workers.run([_restore(entry) for entry in light], at_once=1)
    await workers.run([await _modes_of_triggers(source, database)], at_once=1)
    validations = await _validations(destination, database, wanted)
    await workers.run(validations, at_once=parallel_jobs())
    await workers.run(await _refreshes(destination, database, populated), at_once=1)
    await workers.run(await _analyzes(destination, database), at_once=parallel_jobs())
    last = await finish(source, destination, database, created=created)
    return (*workers.failures, *last)


class _Workers:
    """Runs jobs, a few at a time, each with a session; remembers what failed."""

    def __init__(self, destination: Endpoint, database: str) -> None:
        self._destination = destination
        self._database = database
        self.failures: list[Failure] = []

    async def run(self, jobs: Sequence[Job], *, at_once: int) -> None:
        """Run all jobs to their end; if a server goes away, the first error counts."""
        queue = list(reversed(jobs))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(len(jobs), at_once)):
                    group.create_task(self._work(queue))
        except ExceptionGroup as group_error:
            raise group_error.exceptions[0] from None

    async def _work(self, queue: list[Job]) -> None:
        async with session(
            self._destination, self._database, ACTION, options=OPTIONS
        ) as connection:
            while queue:
                what, work = queue.pop()
                self.failures += await attempt(
                    connection, self._destination, what, patiently(connection, work)
                )


def parallel_jobs() -> int:
    """How many indexes are built at once."""
    return max(2, min(4, os.cpu_count() or 2))


async def patiently(
    connection: Connection, work: Callable[[Connection], Awaitable[object]]
) -> None:
    """Do one piece of work in a transaction, again and again while others hold its locks."""
    async for attempt_ in AsyncRetrying(
        retry=retry_if_exception_type((errors.LockNotAvailable, errors.DeadlockDetected)),
        wait=wait_random(0.05, 0.5),
        stop=stop_after_delay(PATIENCE_SECONDS),
        reraise=True,
    ):
        with attempt_:
            async with connection.transaction():
                await work(connection)


def _restore(entry: Entry) -> Job:
    statement = not_valid(entry.statement) if _is_foreign_key(entry) else entry.statement

    async def work(connection: Connection) -> None:
        await connection.execute(statement, prepare=False)
        if entry.type == "TRIGGER":
            await triggers.hold_created(connection)

    return str(entry), work


async def _modes_of_triggers(source: Endpoint, database: str) -> Job:
    async with session(source, database, ACTION) as origin:
        wanted = await triggers.read(origin)

    async def work(connection: Connection) -> None:
        await triggers.follow(connection, wanted)

    return "modes of triggers", work


def _is_foreign_key(entry: Entry) -> bool:
    return entry.type == "FK CONSTRAINT"


def _statement(what: str, statement: sql.Composed) -> Job:
    async def work(connection: Connection) -> None:
        await connection.execute(statement, prepare=False)

    return what, work


async def _validations(destination: Endpoint, database: str, wanted: Inventory) -> list[Job]:
    """Foreign keys are added unchecked, which is quick, then checked without blocking writes."""
    async with session(destination, database, ACTION) as connection:
        unchecked = inventory.unvalidated(wanted, await Inventory.read(connection))
    return [
        _statement(
            f"foreign key {item.name[3]} of {item.table}",
            sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(
                sql.Identifier(item.table.schema, item.table.name), sql.Identifier(item.name[3])
            ),
        )
        for item in unchecked
    ]


async def _refreshes(
    destination: Endpoint, database: str, on_source: Iterable[dict[str, object]]
) -> list[Job]:
    """Materialized views that are filled on the source and not yet here, in order of dependency."""
    filled = {(row["schema"], row["name"]) for row in on_source if row["populated"]}
    async with session(destination, database, ACTION) as connection:
        rows = await fetch(connection, query("matviews"))
    return [
        _statement(
            f"materialized view {row['schema']}.{row['name']}",
            sql.SQL("REFRESH MATERIALIZED VIEW {}").format(
                sql.Identifier(row["schema"], row["name"])
            ),
        )
        for row in rows
        if not row["populated"] and (row["schema"], row["name"]) in filled
    ]


async def _analyzes(destination: Endpoint, database: str) -> list[Job]:
    """One ANALYZE per table, so that its lock is never waited for long."""
    async with session(destination, database, ACTION) as connection:
        rows = await fetch(connection, query("tables_to_analyze"))
    return [
        _statement(
            f"statistics of {row['schema']}.{row['name']}",
            # a partitioned table's own statistics only: its leaves are analysed one by one
            sql.SQL("ANALYZE ONLY {}" if row["partitioned"] else "ANALYZE {}").format(
                sql.Identifier(row["schema"], row["name"])
            ),
        )
        for row in rows
    ]
