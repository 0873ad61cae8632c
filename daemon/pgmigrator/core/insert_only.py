"""Tables of which only INSERT and TRUNCATE are replicated, and the proof that this is enough.

A table without a usable identity cannot have its updates and deletes published: the application's
own UPDATE would fail. With TABLES_WITHOUT_IDENTITY=insert_only it is replicated by its inserts
alone, which is complete as long as nobody updates or deletes a row. The source counts both. What it
had counted right before the copy is kept on the destination; it proves something only while the
counters were neither reset nor lost in a crash.
"""

from collections.abc import Iterator

from pgmigrator.core import plan
from pgmigrator.core.facts import Baseline, SourceTable
from pgmigrator.core.model import Observation


def doubt(changes: int, counting_since: str, baseline: Baseline | None) -> str:
    """Say why rows of a table may have been changed since its copy; "" if certainly none was."""
    if not counting_since:
        return "the source does not count its updates and deletes (track_counts is off)"
    if baseline is None:
        return "it is not known what the source had counted of it before its copy"
    if baseline.counting_since != counting_since:
        return (
            "the source's counters were reset, or lost in a crash, since its copy:"
            " whether rows were updated or deleted is not known"
        )
    if changed := changes - baseline.changes:
        return f"{changed} updates and deletes on the source since its copy are not replicated"
    return ""


def in_doubt(obs: Observation) -> Iterator[tuple[SourceTable, str]]:
    """Name each table that is copied and replicated by its inserts alone, and why it may differ."""
    if obs.source is None or obs.destination is None:
        return
    there = {table.name: table for table in obs.destination.tables}
    for table in replicated(obs):
        counterpart = there.get(table.name)
        if counterpart is None or not counterpart.state:
            continue
        if why := doubt(table.changes, obs.source.counting_since, counterpart.baseline):
            yield table, why


def replicated(obs: Observation) -> tuple[SourceTable, ...]:
    """Return the tables that are in the publication of inserts only."""
    ours = plan.published_by_inserts(obs)
    return tuple(t for t in obs.source.tables if t.oid in ours) if obs.source else ()


def acknowledgement(table: SourceTable, counting_since: str) -> str:
    """Write the SQL by which a person who knows says that no row was changed until now."""
    return (
        "INSERT INTO pgmigrator.insert_only (source_oid, changes, counting_since)"  # noqa: S608
        f" VALUES ({table.oid}, {table.changes}, '{counting_since}')"
        " ON CONFLICT (source_oid) DO UPDATE"
        " SET changes = excluded.changes, counting_since = excluded.counting_since;"
    )
