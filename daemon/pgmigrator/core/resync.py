"""Which table an operator means, and whether it can be copied anew on its own."""

from pgmigrator.core import plan
from pgmigrator.core.facts import DestinationFacts, SourceFacts, SourceTable
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation
from pgmigrator.core.names import TableName


def find(obs: Observation, text: str) -> tuple[TableName, ...] | str:
    """Return the tables, or why they cannot be copied anew; of a partitioned one, its partitions.

    Those of its partitions that wait for their first copy anyway are left out.
    """
    if obs.source is None or obs.destination is None:
        return obs.source_error or obs.destination_error or "a server was not read"
    if obs.marker is None or Step.SUBSCRIBED not in obs.marker.steps:
        return "the database is not replicated yet"
    if obs.marker.ended:
        return "the database is switched: the destination belongs to the application"
    meant = _meant(obs.source, text)
    if isinstance(meant, str):
        return meant
    waiting = {table.name: _waits(table, obs.destination) for table in meant}
    if len(meant) == 1:
        [table] = meant
        return _against(table, obs) or waiting[table.name] or (table.name,)
    if refused := [f"{t.name}: {reason}" for t in meant if (reason := _against(t, obs))]:
        return refused[0]
    found = tuple(name for name, waits in waiting.items() if not waits)
    return found or "its partitions wait for their first copy already"


def _meant(source: SourceFacts, text: str) -> tuple[SourceTable, ...] | str:
    found = [table for table in source.tables if text in _spellings(table.name)]
    whole = [each.partition_of for each in source.tables if each.partition_of]
    partitioned = [name for name in dict.fromkeys(whole) if text in _spellings(name)]
    if not found and not partitioned:
        return "the source has no such table; quote names that need it, as the status shows them"
    if len(found) + len(partitioned) > 1:
        names = (*(table.name for table in found), *partitioned)
        return "it may mean " + " or ".join(map(str, names))
    return tuple(found) or tuple(t for t in source.tables if t.partition_of == partitioned[0])


def _spellings(name: TableName) -> tuple[str, ...]:
    short = (name.name,) if name.schema == "public" else ()
    return (str(name), f"{name.schema}.{name.name}", *short)


def _against(table: SourceTable, obs: Observation) -> str:
    """Say what stands against it; nothing: ""."""
    if not plan.replicable(table, obs):
        return f"it cannot be published: {table.identity_reason}"
    there = plan.destination_tables(obs).get(table.name)
    if there and not there.filled and (there.state or there.has_rows is not False):
        return "what it holds on the destination is not known to come from us"
    return ""


def _waits(table: SourceTable, destination: DestinationFacts) -> str:
    """Say how it is copied for the first time, anyway; else ""."""
    there = {each.name: each for each in destination.tables}.get(table.name)
    if there is None:
        return "the destination does not have it yet; it is created and copied by itself"
    return "" if there.filled else "it is empty and waits for its copy already"
