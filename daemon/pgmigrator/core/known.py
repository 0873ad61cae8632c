"""What the daemon knows to be false before a drain: a proof must not say otherwise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pgmigrator.core import plan
from pgmigrator.core.extension_rows import held
from pgmigrator.core.history import History
from pgmigrator.core.model import Measured, Observation, RowCounts
from pgmigrator.core.upkeep import counts_are_of_these_servers


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Differences between both sides that were found while changes streamed."""

    #: each a sentence that ends with its fix
    rows: tuple[str, ...] = ()
    #: confl_* column -> count, those from before a crash of the destination included
    conflicts: Mapping[str, int] = field(default_factory=dict)
    #: tables of extensions with rows of people's own: nothing follows those
    extension_tables: tuple[str, ...] = ()


def known(obs: Observation, row_counts: Measured[RowCounts] | None, history: History) -> Known:
    """Collect what the last count and the ticks so far have found."""
    rows = tuple(_rows(replace(obs, row_counts=row_counts)))
    return Known(rows=rows, conflicts=history.conflicts, extension_tables=held(obs))


def _rows(obs: Observation) -> Iterator[str]:
    """Counts are of one LSN: a difference is real, unless its table was copied anew since."""
    if obs.row_counts is None or not counts_are_of_these_servers(obs):
        return
    counts = obs.row_counts.value
    covered = {table.name for table in plan.followed(obs)} - plan.uncounted(obs)
    for delta in counts.deltas:
        if delta.table in covered:
            yield (
                f"table {delta.table} had {delta.source_rows} rows on the source and"
                f" {delta.destination_rows} on the destination when it was last counted (see the"
                " gate row_counts_match); mend it, and wait for the next count"
            )
    for name in sorted(counts.differing.keys() & covered):
        yield f"table {name} has other rows on the destination; copy it anew (resync)"
