"""Late writes: what came on the source after the switch, and is not on the destination.

The slot shows transactions in published tables. What it cannot show is told by comparing the source
with what it was at the switch: a table that is new or published no more, a sequence that moved.
"""

from collections.abc import Iterable, Iterator

from pgmigrator.core import insert_only, plan
from pgmigrator.core.facts import AtSwitch, Sequence, SourceFacts
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation

#: objects that one sentence names
NAMED = 10

WRITTEN = "written to the source after the switch"


def positions(sequences: Iterable[Sequence]) -> dict[str, str]:
    """Return where sequences stand, by name, as `AtSwitch` keeps it."""
    return {str(each.name): f"{each.last_value} {each.is_called}" for each in sequences}


def elsewhere(obs: Observation) -> tuple[str, ...] | None:
    """Name what was written where no slot shows it; None: unknown."""
    then = obs.destination.at_switch if obs.destination else None
    if obs.source is None or then is None:
        return None
    found = _tables(then, obs.source, frozenset(plan.published(obs)))
    return (*found, *_others(then, obs.source))


def _tables(then: AtSwitch, now: SourceFacts, published: frozenset[int]) -> Iterator[str]:
    for table in now.tables:
        if table.oid not in then.tables:
            yield f"table {table.name} is new"
        elif table.oid in then.published and table.oid not in published:
            yield f"table {table.name} is published no more, so that its changes are not seen"
    for name in sorted(set(now.unlogged_tables) - then.unlogged):
        yield f"unlogged table {name} is new"


def _others(then: AtSwitch, now: SourceFacts) -> Iterator[str]:
    for name, position in positions(now.sequences).items():
        if name not in then.sequences:
            yield f"sequence {name} is new"
        elif then.sequences[name] != position:
            yield f"sequence {name} moved (a crash of the source moves them too)"
    if now.large_objects != then.large_objects:
        yield f"large objects: {then.large_objects} became {now.large_objects}"


def late_writes(obs: Observation) -> int | None:
    """Count them, at least; None: it is not known whether there are any."""
    counted = obs.source.late_writes if obs.source else None
    found = elsewhere(obs)
    if counted or found:
        return max(counted or 0, 1)
    return counted if found is not None else None


def quiet(obs: Observation) -> bool:
    """Tell whether the source certainly has no write that the destination lacks (switched)."""
    return late_writes(obs) == 0 and not any(insert_only.in_doubt(obs))


def lingers(obs: Observation) -> bool:
    """Tell whether a database is not switched yet, or may have late writes."""
    steps = obs.marker.steps if obs.marker else frozenset()
    if steps & {Step.COMPLETING, Step.COMPLETED}:
        return False
    return Step.SWITCHED not in steps or not quiet(obs)


def said(obs: Observation) -> str:
    """Say what was written late; "" if nothing is known of it."""
    counted = obs.source.late_writes if obs.source else None
    sentences = [f"{counted} transactions were {WRITTEN}"] if counted else []
    if found := elsewhere(obs):
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        sentences.append(f"{WRITTEN}, how often is not known: {', '.join(found[:NAMED])}{more}")
    return "; ".join(sentences)
