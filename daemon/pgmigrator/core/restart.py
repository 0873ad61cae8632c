"""Whether the destination is what it was: it may have been replaced by an older copy of itself.

A cold copy or a snapshot of its disk has the same identity and timeline; the slot does not send
again what it has confirmed, and nothing in PostgreSQL tells. Each start of the server is therefore
checked by a daemon that saw it run before: its WAL must begin where it was seen last, or beyond.
The start that passed is remembered in the destination, where an older copy cannot know of it.
"""

from dataclasses import dataclass, replace

from pgmigrator.core.marker import Step
from pgmigrator.core.model import DestinationFacts, Observation

#: Below checkpoint_timeout: then the last checkpoint is that of the start. And short, since a copy
#: that is taken and put back between two looks cannot be told from a restart.
UNWATCHED_MAX_SECONDS = 120.0

ACKNOWLEDGE = "UPDATE pgmigrator.start SET started_at = pg_postmaster_start_time();"
_ENDED = frozenset({Step.SWITCHED, Step.COMPLETING, Step.COMPLETED, Step.ABANDONED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The destination as it was last seen, in a state that lacked nothing."""

    seen_at: float
    started_at: float
    lsn: int
    #: "": it is still in that state
    doubt: str = ""


def track(last: Track | None, facts: DestinationFacts, at: float) -> Track:
    """Take one more look at the destination into account."""
    server = facts.server
    now = Track(seen_at=at, started_at=server.started_at, lsn=server.flush_lsn)
    if facts.start_remembered and (last is None or last.doubt):
        return now  # remembered by an earlier daemon, or by a person who knows
    if last is None:
        return replace(now, doubt="the destination was restarted while no daemon watched it")
    if last.doubt:
        return replace(now, doubt=last.doubt)
    return replace(now, doubt=_doubt(last, facts, at))


def _doubt(last: Track, facts: DestinationFacts, at: float) -> str:
    server = facts.server
    restarted = server.started_at != last.started_at and not facts.start_remembered
    if restarted and at - last.seen_at > UNWATCHED_MAX_SECONDS:
        return (
            f"the destination was restarted while it had not been seen for {at - last.seen_at:.0f}"
            " s"
        )
    if (server.checkpoint_lsn if restarted else server.flush_lsn) < last.lsn:
        return "the destination's WAL went back: it was restored to an older state"
    return ""


def doubt(found: Track | None, obs: Observation) -> str:
    """Say why the destination may be an older copy of itself, and what to do; "" if it is not."""
    steps = obs.marker.steps if obs.marker else frozenset()
    if found is None or Step.SUBSCRIBED not in steps or steps & _ENDED or not found.doubt:
        return ""
    return (
        f"{found.doubt}; an older copy would lack changes for good. If it is certain that it is"
        f" not one, run in this database on the destination: {ACKNOWLEDGE}"
    )
