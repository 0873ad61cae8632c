"""The sessions that stay open between the ticks: each database's is its own."""

import asyncio

from pgmigrator.postgres.connect import fetch
from pgmigrator.postgres.sessions import Sessions
from tests.fixtures.providers import Postgres
from tests.integration.replicating import endpoint


async def test_a_session_is_closed_under_nobodys_feet(source: Postgres) -> None:
    """Else who waits for its answer waits for ever, and may take the answers of others."""
    sessions, end = Sessions(), endpoint("source", source)
    shared = await sessions.get(end)
    async with asyncio.timeout(20):
        slow = asyncio.create_task(fetch(shared, "SELECT 1 AS n FROM pg_sleep(1)"))
        await asyncio.sleep(0)
        assert shared.lock.locked()
        await sessions.forget(end, end.instance.database)
        assert await slow == [{"n": 1}]
    assert shared.closed
    assert await sessions.get(end) is not shared
    await sessions.close()


async def test_only_what_is_silent_is_closed(source: Postgres) -> None:
    sessions, end = Sessions(), endpoint("source", source)
    shared, own = await sessions.get(end), await sessions.get(end, "template1")
    await sessions.forget_silent(end, "template1")  # it waits for nothing: the shared one does
    assert (shared.closed, own.closed) == (True, True)
    shared, own = await sessions.get(end), await sessions.get(end, "template1")
    own.pgconn.send_query(b"SELECT pg_sleep(60)")
    await sessions.forget_silent(end, "template1")
    assert (shared.closed, own.closed) == (False, True)
    await sessions.close()
