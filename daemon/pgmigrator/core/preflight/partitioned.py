"""Partitioned tables and indexes that name the tablespace which is the database's default one.

They have no storage; their tablespace is only for partitions to come. PostgreSQL refuses to create
one so (`cannot specify default tablespace for partitioned relations`), though such a one can be
there: where another tablespace was the default when it was created.
"""

from collections.abc import Iterator

from pgmigrator.core.conditions import PlacedRelation
from pgmigrator.core.model import Observation
from pgmigrator.core.names import quote_identifier
from pgmigrator.core.preflight.finding import (
    BLOCKS,
    DEGRADES,
    Check,
    Found,
    blocks_at_first,
    check,
    conditions_here,
    conditions_there,
    ended,
)


@check("destination", BLOCKS, DEGRADES)
def partitioned_tablespaces(obs: Observation) -> Iterator[Found]:
    """No partitioned table or index is by name in what is the destination's default tablespace."""
    if ended(obs) or not obs.policy.keeps_tablespaces:
        return
    home = _home(obs)
    known = _already_there(obs)
    for placed in conditions_here(obs).placed_partitioned:
        if placed.tablespace == home and placed.object not in known:
            yield (
                blocks_at_first(obs),
                f"{placed.kind.lower()} {placed.object}",
                f"it is partitioned and names the tablespace {home}, the default one of the"
                " destination's database: PostgreSQL refuses to create it so",
                _fix(obs, placed),
            )


def _home(obs: Observation) -> str:
    """Return the default tablespace of the destination's database, or of the one to be made."""
    there = obs.destination.database if obs.destination else None
    found = there or (obs.source.database if obs.source else None)
    return found.tablespace if found else ""


def _already_there(obs: Observation) -> frozenset[str]:
    """What was created before it came to name that tablespace is in nobody's way."""
    names = conditions_there(obs).partitioned_names if obs.marker else ()
    return frozenset(each.object for each in names)


def _fix(obs: Observation, placed: PlacedRelation) -> str:
    there = obs.destination.database if obs.destination else None
    here = obs.source.database if obs.source else None
    assert here is not None
    relation = f"ALTER {placed.kind} {placed.object} SET TABLESPACE"
    if placed.tablespace != here.tablespace:
        unnamed = f"{relation} {here.tablespace};"
    else:  # set to what it is already, it would stay as it is
        other = "pg_default" if here.tablespace != "pg_default" else "<another one>"
        unnamed = f"{relation} {other}; {relation} {here.tablespace};"
    on_source = f"on the source, where it moves no rows: {unnamed}"
    if obs.marker is not None:
        return on_source
    if there is not None and placed.tablespace != here.tablespace:
        name = quote_identifier(obs.database)
        on_source = (
            "on the destination, while this daemon is stopped and nothing else is connected:"
            f" ALTER DATABASE {name} SET TABLESPACE {here.tablespace}; or {on_source}"
        )
    return (
        f"{on_source} or, to have everything in the destination's default one, set"
        f" PGMIGRATOR_MAPPINGS__{obs.mapping.upper()}__TABLESPACES=default"
    )


CHECKS: tuple[Check, ...] = (partitioned_tablespaces,)
