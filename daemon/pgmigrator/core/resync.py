"""Which table an operator means, and whether it can be copied anew on its own."""

from pgmigrator.core import plan
from pgmigrator.core.marker import Step
from pgmigrator.core.model import DestinationFacts, Observation, SourceFacts, SourceTable
from pgmigrator.core.names import TableName


def find(obs: Observation, text: str) -> TableName | str:
    """Return the table, or why it cannot be copied anew."""
    if obs.source is None or obs.destination is None:
        return obs.source_error or obs.destination_error or "a server was not read"
    if obs.marker is None or Step.SUBSCRIBED not in obs.marker.steps:
        return "the database is not replicated yet"
    if obs.marker.ended:
        return "the database is switched: the destination belongs to the application"
    meant = _meant(obs.source, text)
    if isinstance(meant, str):
        return meant
    return _against(meant, obs.destination, obs) or meant.name


def _meant(source: SourceFacts, text: str) -> SourceTable | str:
    found = [table for table in source.tables if text in _spellings(table.name)]
    if not found:
        return "the source has no such table; quote names that need it, as the status shows them"
    if len(found) > 1:
        return "it may mean " + " or ".join(str(table.name) for table in found)
    return found[0]


def _spellings(name: TableName) -> tuple[str, ...]:
    short = (name.name,) if name.schema == "public" else ()
    return (str(name), f"{name.schema}.{name.name}", *short)


def _against(table: SourceTable, destination: DestinationFacts, obs: Observation) -> str:
    """Say what stands against it; nothing: ""."""
    if not plan.replicable(table, obs):
        return f"it cannot be published: {table.identity_reason}"
    there = {each.name: each for each in destination.tables}.get(table.name)
    if there is None:
        return "the destination does not have it yet; it is created and copied by itself"
    if there.filled:
        return ""
    if there.state or there.has_rows is not False:
        return "what it holds on the destination is not known to come from us"
    return "it is empty and waits for its copy already"
