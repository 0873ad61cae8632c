"""Whether a server is what it was: it may have been replaced by an older copy of itself.

A cold copy or a snapshot of its disk has the same identity and timeline, and nothing in PostgreSQL
tells. To an older destination the slot does not send again what it has confirmed; from an older
source apply has what that never had, and skips what that commits below the LSN of the last change
that was applied. Each start is therefore checked by a daemon that saw the server run before: its
WAL must begin where it was seen last, or beyond. The start that passed is remembered in the
destination: an older copy of either server has been started since.
"""

from dataclasses import dataclass, replace

from pgmigrator.core.marker import Step
from pgmigrator.core.model import DestinationFacts, Observation, Server
from pgmigrator.core.names import format_lsn

#: Below checkpoint_timeout: then the last checkpoint is that of the start. And short, since a copy
#: that is taken and put back between two looks cannot be told from a restart.
UNWATCHED_MAX_SECONDS = 120.0

ACKNOWLEDGE = "UPDATE pgmigrator.start SET started_at = pg_postmaster_start_time();"
_ACKNOWLEDGE_SOURCE = "UPDATE pgmigrator.start SET source_started_at = {};"
_ENDED = frozenset({Step.SWITCHED, Step.COMPLETING, Step.COMPLETED, Step.ABANDONED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A server as it was last seen, in a state that lacked nothing."""

    seen_at: float
    #: epoch seconds; 0: not seen, only what was applied of it
    started_at: float
    lsn: int
    #: of the source, as it fell silent: what the destination had applied; None: it is not silent
    applied_lsn: int | None = None
    #: "": it is still in that state
    doubt: str = ""


def track(last: Track | None, server: Server, at: float, *, remembered: bool, side: str) -> Track:
    """Take one more look at a server into account; `remembered`: this start is known as good."""
    now = Track(seen_at=at, started_at=server.started_at, lsn=server.flush_lsn)
    if remembered and (last is None or last.doubt):
        return now  # remembered by an earlier daemon, or by a person who knows
    if last is None:
        return replace(now, doubt=f"the {side} was restarted while no daemon watched it")
    if last.doubt:
        return replace(now, doubt=last.doubt)
    return replace(now, doubt=_doubt(last, server, at, remembered=remembered, side=side))


def _doubt(last: Track, server: Server, at: float, *, remembered: bool, side: str) -> str:
    restarted = server.started_at != last.started_at and not remembered
    unseen_seconds = max(at - last.seen_at, server.up_seconds)
    if restarted and unseen_seconds > UNWATCHED_MAX_SECONDS:
        return f"the {side} was restarted while it had not been seen for {unseen_seconds:.0f} s"
    lsn = server.checkpoint_lsn if restarted else server.flush_lsn
    if lsn < last.lsn:
        return (
            f"the {side}'s WAL went back from {format_lsn(last.lsn)} to {format_lsn(lsn)}:"
            " it was restored to an older state"
        )
    return ""


def track_source(last: Track | None, obs: Observation) -> Track | None:
    """Take one more look at the source into account.

    It may be silent for long, as while its machine is rebooted. As long as nothing is applied
    meanwhile, it is silent to the destination too, and its return is that of what was seen last.
    """
    there = obs.destination
    if obs.source is not None:
        server = obs.source.server
        if there is None and (last is None or last.doubt):
            return last  # what is remembered is not known
        remembered = there is not None and there.source_start == server.started_at
        return track(last, server, obs.at, remembered=remembered, side="source")
    if there is None or there.subscription is None:
        return last
    applied_lsn = max([there.subscription.applied_lsn, *_synchronized(there)])
    if last is None:
        # a copy under way may be of what nothing here tells yet
        copied = all(table.state in ("", "r") for table in there.tables)
        found = Track(seen_at=obs.at, started_at=0.0, lsn=applied_lsn, applied_lsn=applied_lsn)
        return found if copied else None
    if last.applied_lsn is not None and last.applied_lsn != applied_lsn:
        return last  # only we do not see it
    return replace(last, seen_at=obs.at, applied_lsn=applied_lsn)


def _synchronized(there: DestinationFacts) -> list[int]:
    return [t.synchronized_lsn for t in there.tables if t.synchronized_lsn is not None]


def doubt(source: Track | None, destination: Track | None, obs: Observation) -> str:
    """Say which server may be an older copy of itself, and what to do; "" if none is."""
    steps = obs.marker.steps if obs.marker else frozenset()
    if Step.SUBSCRIBED not in steps or steps & _ENDED:
        return ""
    doubts = []
    if source is not None and source.doubt:
        acknowledge = _ACKNOWLEDGE_SOURCE.format(repr(source.started_at))
        doubts.append(
            f"{source.doubt}; of an older copy, changes would be missing here for good."
            f" {_vouch(acknowledge)}"
        )
    if destination is not None and destination.doubt:
        doubts.append(
            f"{destination.doubt}; an older copy would lack changes for good. {_vouch(ACKNOWLEDGE)}"
        )
    return "; ".join(doubts)


def _vouch(statement: str) -> str:
    return (
        f"If it is certain that it is not one, run in this database on the destination: {statement}"
    )
