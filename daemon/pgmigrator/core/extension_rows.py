"""Rows of people's own in tables of extensions: what differs, and what is to be copied."""

from pgmigrator.core.conditions import ExtensionRows
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation

_ROWS = "rows of table "

#: a table as the source has it, and as the destination does; None: it has none of that name
Sides = tuple[ExtensionRows, ExtensionRows | None]


def rows_of(table: str) -> str:
    """Name the rows of a table, for what could not be done to them."""
    return f"{_ROWS}{table}"


def are_rows(thing: str) -> bool:
    """Whether it is such a name."""
    return thing.startswith(_ROWS)


def differing(obs: Observation) -> tuple[Sides, ...]:
    """Return the source's tables whose rows are not known to be on the destination as well."""
    return tuple(sides for sides in _both(obs) if not _equal(*sides))


def to_copy(obs: Observation) -> frozenset[str]:
    """Return the tables whose rows are copied by themselves: the destination holds none."""
    return frozenset(
        here.object
        for here, there in differing(obs)
        if here.rows and there is not None and not there.rows and not there.error
    )


def arrived(obs: Observation) -> frozenset[str]:
    """Name the rows that are on the destination as they are on the source."""
    return frozenset(rows_of(here.object) for here, there in _both(obs) if _equal(here, there))


def held(obs: Observation) -> tuple[str, ...]:
    """Name the tables that hold rows of people's own on either side, or may."""
    return tuple(
        here.object
        for here, there in _both(obs)
        if here.rows or here.error or (there is not None and there.rows)
    )


def _both(obs: Observation) -> tuple[Sides, ...]:
    source = obs.source.conditions if obs.source else None
    destination = obs.destination.conditions if obs.destination else None
    # before, what was read is another database of that server
    restored = obs.marker is not None and Step.SCHEMA_DONE in obs.marker.steps
    there = {
        table.object: table
        for table in (destination.extension_rows if destination and restored else ())
    }
    return tuple((t, there.get(t.object)) for t in (source.extension_rows if source else ()))


def _equal(here: ExtensionRows, there: ExtensionRows | None) -> bool:
    if here.error or (there is not None and there.error):
        return False
    if not here.rows:
        return there is None or not there.rows
    return there is not None and (here.columns, here.rows, here.detail) == (
        there.columns,
        there.rows,
        there.detail,
    )
