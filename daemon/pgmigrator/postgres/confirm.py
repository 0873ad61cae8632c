"""Waiting until the destination has applied the source's WAL up to an LSN, and said so.

Left alone, a subscription reports some 400 ms after a commit, since its WAL is flushed in steps of
200 ms. A synchronous commit on the destination flushes it at once, a message into the source's WAL
wakes the apply worker to report it: then it takes some 10 ms.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from psycopg import sql

from pgmigrator.errors import Refused
from pgmigrator.postgres.connect import Connection, SourceWriter, fetch, source_writer
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.queries import query

#: how long apply may take to pass what an action waits for
CONFIRM_TIMEOUT_S = 20.0
#: how often meanwhile it is asked whether apply fails
SLICES = 5

NUDGE = sql.SQL("SELECT pg_logical_emit_message(true, 'pgmigrator', 'nudge')")

_CONFIRMED = """
SELECT (confirmed_flush_lsn - '0/0')::bigint AS lsn, active
  FROM pg_replication_slots WHERE slot_name = %(slot)s
"""


async def flush_lsn(source: SourceWriter) -> int:
    """Flush everything that is committed, asynchronously committed too; return the LSN."""
    await source.execute(NUDGE)
    rows = await source.read("SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint AS lsn", {})
    lsn: int = rows[0]["lsn"]
    return lsn


async def until_confirmed(
    source: SourceWriter, destination: Connection, slot: str, lsn: int, timeout_seconds: float
) -> int | None:
    """Wait until the slot has confirmed `lsn`, at most `timeout_seconds`; nudge both sides.

    Returns what it has confirmed, below `lsn` if the time ran out, None if there is no such slot.
    """
    started = time.monotonic()
    while True:
        rows = await source.read(_CONFIRMED, {"slot": slot})
        confirmed: int | None = rows[0]["lsn"] if rows else None
        elapsed = time.monotonic() - started
        if confirmed is None or confirmed >= lsn or elapsed > timeout_seconds:
            return confirmed
        await destination.execute(NUDGE)
        await source.execute(NUDGE)
        # fast at first; a long wait is for a backlog, which nudges do not shorten
        await asyncio.sleep(min(0.2, 0.003 + elapsed / 20))


async def everything_applied(
    pair: DatabasePair, destination: Connection, action: str, timeout_seconds: float
) -> bool:
    """Wait until everything that is committed on the source now is applied; False: not in time."""
    async with source_writer(pair.source, pair.database, action) as source:
        lsn = await flush_lsn(source)
        slot = pair.names.subscription
        confirmed = await until_confirmed(source, destination, slot, lsn, timeout_seconds)
    return confirmed is not None and confirmed >= lsn


async def until_passed(pair: DatabasePair, destination: Connection, action: str, why: str) -> None:
    """Wait until everything that is committed on the source now is applied.

    :raises Refused: not in time; `why` says what that would harm.
    """
    if not await everything_applied(pair, destination, action, CONFIRM_TIMEOUT_S):
        raise Refused(f"{why}: the destination lags too far behind; it is tried again")


async def until_passed_or_failing(
    pair: DatabasePair, destination: Connection, action: str, why: str
) -> bool:
    """Wait likewise; False: apply fails, so that each of its attempts starts anew.

    :raises Refused: neither in time; `why` says what that would harm.
    """
    before = await _apply_errors(pair, destination)
    for _ in range(SLICES):
        if await everything_applied(pair, destination, action, CONFIRM_TIMEOUT_S / SLICES):
            return True
        if await _apply_errors(pair, destination) > before:
            return False
    raise Refused(f"{why}: the destination lags too far behind; it is tried again")


async def _apply_errors(pair: DatabasePair, destination: Connection) -> int:
    rows = await fetch(
        destination, query("subscription"), {"subscription": pair.names.subscription}
    )
    return int(rows[0]["apply_error_count"]) if rows else 0


async def until_inactive(source: SourceWriter, slot: str, timeout_seconds: float) -> bool:
    """Wait until no walsender uses the slot, or it is gone; False if the time ran out."""

    async def inactive() -> bool:
        rows = await source.read(_CONFIRMED, {"slot": slot})
        return not rows or not rows[0]["active"]

    return await eventually(inactive, timeout_seconds)


async def eventually(condition: Callable[[], Awaitable[bool]], timeout_seconds: float) -> bool:
    """Ask again and again, every few milliseconds; False if the time ran out."""
    deadline = time.monotonic() + timeout_seconds
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.002)
    return True
