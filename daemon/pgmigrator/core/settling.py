"""Which changes of the source's table set have stood long enough to be followed.

Applications create scratch tables that are gone in a moment, and replace tables in several steps.
Only what several ticks have seen alike is followed, and for some time, since an action that ends
wakes a tick. A restart counts anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pgmigrator.core import follow
from pgmigrator.core.model import Observation
from pgmigrator.core.names import TableName

#: ticks that must see the same
TICKS = 3
#: refresh intervals over which they must
INTERVALS = 2


@dataclass(frozen=True, slots=True)
class Sighting:
    """A table of one name that only one side has, or that is another one on the source."""

    #: on the source; None: it has none of that name
    oid: int | None
    ticks: int
    #: the source's flush LSN when it was first seen so
    lsn: int
    #: when that was, in epoch seconds
    at: float


def observe(known: Mapping[TableName, Sighting], obs: Observation) -> Mapping[TableName, Sighting]:
    """Take one more observation into account; a blind one tells nothing."""
    if obs.source is None or obs.destination is None:
        return known
    lsn = obs.source.server.flush_lsn
    seen = {}
    for name, oid in follow.out_of_step(obs).items():
        before = known.get(name)
        again = before is not None and before.oid == oid
        seen[name] = (
            replace(before, ticks=before.ticks + 1)
            if before is not None and again
            else Sighting(oid, 1, lsn, obs.at)
        )
    return seen


def settled(known: Mapping[TableName, Sighting], obs: Observation) -> Mapping[TableName, int]:
    """Return what has stood long enough by now, with the LSN that apply must pass first."""
    since = obs.at - INTERVALS * obs.policy.refresh_interval_seconds
    return {
        name: seen.lsn for name, seen in known.items() if seen.ticks >= TICKS and seen.at <= since
    }
