"""What the daemon sees and would do, on real servers, without a daemon that runs."""

from dataclasses import replace

from pgmigrator.core.decide import Decision, decide
from pgmigrator.core.model import Observation, Policy
from pgmigrator.core.preflight import find_problems
from pgmigrator.core.roles import RolePolicy
from pgmigrator.postgres.observe import Observer
from tests.integration.replicating import MAPPING, Replicated


async def look(replicated: Replicated) -> Observation:
    """Observe a database as one tick does."""
    pair = replicated.pair
    policy = RolePolicy(conflicts="merge", own=frozenset({pair.source.instance.user}))
    observer = Observer(pair.source, pair.destination, policy, 0.5, lambda *_: None)
    try:
        seen = await observer.observe(MAPPING, pair.database, Policy())
    finally:
        await observer.close()
    assert seen.source is not None, seen.source_error
    assert seen.destination is not None, seen.destination_error
    # as if the route from server to server had been tried
    return replace(seen, environment=replace(seen.environment, route_error=""))


def judge(obs: Observation) -> Decision:
    """Decide as one tick does."""
    return decide(obs, find_problems(obs))
