"""Stopping a subscription for a moment, and starting it again whatever happens meanwhile.

A daemon that dies in between leaves the subscription disabled: the next tick enables it, unless the
marker says `switched`.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from psycopg import sql

from pgmigrator.errors import Refused
from pgmigrator.postgres.confirm import eventually, until_inactive
from pgmigrator.postgres.connect import Connection, SourceWriter, fetch

STOP_TIMEOUT_S = 10.0

#: A worker that left the subscription is still a process for a moment, which holds the replication
#: origin (the next worker would fail and wait for wal_retrieve_retry_interval) and owes statistics.
_STATE = """
SELECT s.subenabled AS enabled,
       (SELECT count(w.pid) FROM pg_stat_subscription w WHERE w.subid = s.oid)::int AS workers,
       (SELECT count(*) FROM pg_stat_activity a
         WHERE a.datid = s.subdbid AND a.backend_type LIKE 'logical replication%%'
           AND NOT EXISTS (SELECT FROM pg_stat_subscription w
                            WHERE w.pid = a.pid AND w.subid <> s.oid))::int AS processes
  FROM pg_subscription s
 WHERE s.subname = %(name)s
   AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_APPLIED = """
SELECT (pg_replication_origin_progress('pg_' || oid::text, false) - '0/0')::bigint AS lsn
  FROM pg_subscription
 WHERE subname = %(name)s
   AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@asynccontextmanager
async def paused(source: SourceWriter, destination: Connection, name: str) -> AsyncIterator[None]:
    """Stop the subscription within the block.

    :raises Refused: it is gone, was disabled by somebody else, or does not stop.
    """
    await _assert_enabled(destination, name)
    try:
        await stop(source, destination, name)
        yield
    finally:
        await uninterrupted(resume(destination, name))


async def stop(source: SourceWriter, destination: Connection, name: str) -> None:
    """Disable the subscription; wait until its workers are gone and its slot is free.

    :raises Refused: that took over STOP_TIMEOUT_S.
    """
    await destination.execute(sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(sql.Identifier(name)))
    gone = await _until_workers(destination, name, running=False)
    if not gone or not await until_inactive(source, name, STOP_TIMEOUT_S):
        raise Refused(f"subscription {name} did not stop within {STOP_TIMEOUT_S:g} s")


async def resume(destination: Connection, name: str) -> None:
    """Enable the subscription and wait a while for its worker."""
    await destination.execute(sql.SQL("ALTER SUBSCRIPTION {} ENABLE").format(sql.Identifier(name)))
    await _until_workers(destination, name, running=True)


async def applied_lsn(destination: Connection, name: str) -> int:
    """Return the source's LSN up to which the stopped subscription has applied; 0: nothing yet.

    The end of the last transaction that had changes: whatever came after it, had none.
    """
    [row] = await fetch(destination, _APPLIED, {"name": name})
    return row["lsn"] or 0


async def uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Finish the work even if we are cancelled meanwhile; the cancellation comes after it."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


async def _assert_enabled(destination: Connection, name: str) -> None:
    rows = await fetch(destination, _STATE, {"name": name})
    if not rows:
        raise Refused(f"there is no subscription {name}")
    if not rows[0]["enabled"]:
        raise Refused(f"subscription {name} is disabled")


async def _until_workers(destination: Connection, name: str, *, running: bool) -> bool:
    async def settled() -> bool:
        rows = await fetch(destination, _STATE, {"name": name})
        if not rows:
            return True
        workers, processes = int(rows[0]["workers"]), int(rows[0]["processes"])
        return workers > 0 if running else workers == processes == 0

    return await eventually(settled, STOP_TIMEOUT_S)
