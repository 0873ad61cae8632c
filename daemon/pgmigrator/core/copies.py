"""Initial copies that fail, and which databases hold a place among those that copy.

A table whose copy has begun (state d, or f once its rows are in) has a worker until it streams.
While it has none, or another than a tick ago, and the subscription has counted a failure, a try of
it has failed. PostgreSQL tries it again by itself, every `wal_retrieve_retry_interval`: it heals as
soon as the cause is gone. Until then it is a problem of its own, for which nothing waits.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from pgmigrator.core.facts import DestinationFacts, DestinationTable, Subscription
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Copies, Observation, Tries
from pgmigrator.core.names import TableName

#: tries that must fail before a copy counts as failing
TRIES = 3
#: a database of which no table is being copied for so long gives up its place, in seconds
STALLED_SECONDS = 30.0
#: and ticks that must have seen that
STALLED_TICKS = 3

_BEGUN = ("d", "f")
_COPIED = ("s", "r")


def observe(known: Copies, obs: Observation, *, failures: int, first: bool) -> Copies:
    """Take one more observation into account.

    `failures` is by how many the subscription's count of failed copies rose since the last one;
    `first`: nothing is known of what it counted before.
    """
    there = obs.destination
    if there is None or there.subscription is None:
        return _stood_still(known)
    states = Counter(table.state for table in there.tables if table.state)
    if all(state == "r" for state in states):
        return Copies()
    before = Counter(dict(known.states))
    progress = sum(states[s] - before[s] for s in _COPIED) > 0
    tries = known.tries
    if obs.source is not None and there.subscription.worker_running:
        tries = _tries(known.tries, there, failures=failures, first=first, progress=progress)
    known = replace(known, tries=tries, states=tuple(sorted(states.items())))
    if _works(tries, there) or states != before or known.moved_at is None:
        return replace(known, moved_at=obs.at, still_ticks=0)
    return _stood_still(known)


def _stood_still(known: Copies) -> Copies:
    return known if known.moved_at is None else replace(known, still_ticks=known.still_ticks + 1)


def _tries(
    known: Mapping[TableName, Tries],
    there: DestinationFacts,
    *,
    failures: int,
    first: bool,
    progress: bool,
) -> dict[TableName, Tries]:
    assert there.subscription is not None
    # one that is not even tried, since all workers are busy, does not fail
    busy = _syncing(there.subscription) >= there.server.setting("max_sync_workers_per_subscription")
    # a daemon that was restarted need not see as many again
    counted = min(there.subscription.sync_error_count, TRIES - 1) if first else 0
    found = {}
    for table in there.tables:
        if table.state not in _BEGUN:
            continue
        last = known.get(table.name, Tries(counted, counted, table.worker))
        failed = failures > 0 and _ended(table, last, busy=busy)
        found[table.name] = Tries(
            failed=last.failed + failed,
            since_progress=0 if progress else last.since_progress + failed,
            worker=table.worker,
        )
    return found


def _ended(table: DestinationTable, last: Tries, *, busy: bool) -> bool:
    """Tell whether a try has ended since the last tick."""
    if table.worker:
        return bool(last.worker) and table.worker != last.worker
    return not busy


def _works(tries: Mapping[TableName, Tries], there: DestinationFacts) -> bool:
    """Tell whether a table is being copied: a try of one that fails again and again is no copy."""
    return any(
        table.worker and tries.get(table.name, Tries()).failed < TRIES for table in there.tables
    )


def _syncing(subscription: Subscription) -> int:
    return subscription.workers.get("table synchronization", 0)


def failing(obs: Observation) -> frozenset[TableName]:
    """Tables whose copy was tried often enough to say that it fails."""
    return frozenset(name for name, tries in obs.copies.tries.items() if tries.failed >= TRIES)


def hopeful(obs: Observation) -> frozenset[TableName]:
    """Those of them that may succeed yet: what another table brought may be what they lacked.

    Where more fail than were copied, all may: what they lack is the server's, a slot or room.
    """
    found = failing(obs)
    tries = obs.copies.tries
    if len(found) > sum(dict(obs.copies.states).get(state, 0) for state in _COPIED):
        return found
    return frozenset(name for name in found if tries[name].since_progress < TRIES)


def holds_place(obs: Observation, known: Copies) -> bool:
    """Tell whether a database copies: `known` is what the ticks before have shown of it.

    One whose workers are gone, for whatever reason, gives its place to another, and has it again
    as soon as they copy.
    """
    there, marker = obs.destination, obs.marker
    stalled = (
        known.moved_at is not None
        and known.still_ticks >= STALLED_TICKS
        and obs.at - known.moved_at > STALLED_SECONDS
    )
    if there is None:
        return known.moved_at is not None and not stalled
    if marker is None or marker.ended or there.subscription is None:
        return False
    if Step.SUBSCRIBED not in marker.steps or Step.COPIED in marker.steps:
        return False
    return _works(known.tries, there) or not stalled
