"""Whether a server is what it was: it may have been replaced by an older copy of itself.

A cold copy or a snapshot of its disk has the same identity and timeline, and nothing in PostgreSQL
tells. To an older destination the slot does not send again what it has confirmed; from an older
source apply has what that never had, and skips what that commits below the LSN of the last change
that was applied. Each start is therefore checked by a daemon that saw the server run before: its
WAL must begin where it was seen last, or beyond. The start that passed is remembered in the
destination: an older copy of either server has been started since.
"""

from dataclasses import dataclass, replace

from pgmigrator.core.facts import Server
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation
from pgmigrator.core.names import format_lsn

#: short, since a copy that is taken and put back between two looks cannot be told from a restart
UNWATCHED_MAX_SECONDS = 120.0

ACKNOWLEDGE = "UPDATE pgmigrator.start SET started_at = pg_postmaster_start_time();"
_ACKNOWLEDGE_SOURCE = "UPDATE pgmigrator.start SET source_started_at = {};"
_ENDED = frozenset({Step.SWITCHED, Step.COMPLETING, Step.COMPLETED, Step.ABANDONED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """A server as it was last seen, in a state that lacked nothing."""

    seen_at: float
    started_at: float
    lsn: int
    #: of the source, as it fell silent: what the destination had applied; None: it is not silent
    applied_lsn: int | None = None
    #: "": it is still in that state
    doubt: str = ""
    #: the doubt came over a start that was known as good: no word about that start ends it
    lasting: bool = False


def track(
    last: Track | None,
    server: Server,
    at: float,
    *,
    remembered: bool,
    side: str,
    applied_lsn: int = 0,
) -> Track:
    """Take one more look at a server into account.

    `remembered`: this start is known as good; `applied_lsn`: what it must have.
    """
    now = Track(seen_at=at, started_at=server.started_at, lsn=server.flush_lsn)
    if last is not None and last.doubt and (last.lasting or not remembered):
        return replace(now, doubt=last.doubt, lasting=last.lasting)
    found = ""
    if last is None and not remembered:
        found = f"the {side} was restarted while no daemon watched it"
    elif last is not None and not last.doubt:
        found = _doubt(last, server, at, remembered=remembered, side=side)
    if not found and server.flush_lsn < applied_lsn:
        found = _went_back(side, applied_lsn, server.flush_lsn)
    return replace(now, doubt=found, lasting=bool(found) and remembered)


def _doubt(last: Track, server: Server, at: float, *, remembered: bool, side: str) -> str:
    restarted = server.started_at != last.started_at and not remembered
    unseen_seconds = at - last.seen_at
    if restarted and unseen_seconds > UNWATCHED_MAX_SECONDS:
        return f"the {side} was restarted while it had not been seen for {unseen_seconds:.0f} s"
    if restarted and not server.checkpoint_of_start:
        return f"the {side} was restarted, and a checkpoint since hides where its WAL began"
    lsn = server.checkpoint_lsn if restarted else server.flush_lsn
    if lsn < last.lsn:
        return _went_back(side, last.lsn, lsn)
    return ""


def _went_back(side: str, then: int, now: int) -> str:
    return (
        f"the {side}'s WAL went back from {format_lsn(then)} to {format_lsn(now)}:"
        " it was restored to an older state"
    )


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
        # read before the source: it cannot have applied what the source does not have
        applied_lsn = there.subscription.applied_lsn if there and there.subscription else 0
        return track(
            last, server, obs.at, remembered=remembered, side="source", applied_lsn=applied_lsn
        )
    if last is None or there is None or there.subscription is None:
        return last
    applied_lsn = there.subscription.applied_lsn
    # what is applied still, only we do not see; or it is the rest, which a shutdown waits for
    silent = last.applied_lsn in (None, applied_lsn)
    return replace(last, seen_at=obs.at if silent else last.seen_at, applied_lsn=applied_lsn)


def doubt(source: Track | None, destination: Track | None, obs: Observation) -> str:
    """Say which server may be an older copy of itself, and what to do; "" if none is."""
    steps = obs.marker.steps if obs.marker else frozenset()
    if Step.SUBSCRIBED not in steps or steps & _ENDED:
        return ""
    doubts = [
        _told(track, statement)
        for track, statement in (
            (source, _ACKNOWLEDGE_SOURCE.format(repr(source.started_at) if source else "")),
            (destination, ACKNOWLEDGE),
        )
        if track is not None and track.doubt
    ]
    return " ".join(doubts)


def _told(track: Track, statement: str) -> str:
    told = f"{track.doubt}; if it is an older copy, rows will differ for good."
    if track.lasting:
        return f"{told} Copy this database anew."
    return (
        f"{told} If it is certain that it is not one, run in this database on the destination:"
        f" {statement}"
    )
