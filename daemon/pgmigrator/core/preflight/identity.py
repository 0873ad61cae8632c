"""Tables without a usable identity: refused, excluded, or replicated by their inserts alone."""

from collections.abc import Iterator

from pgmigrator.core import insert_only, plan
from pgmigrator.core.facts import SourceTable
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation
from pgmigrator.core.names import quote_identifier
from pgmigrator.core.preflight.finding import (
    DEGRADES,
    NOTE,
    Check,
    Found,
    check,
    ended,
    resync_command,
)


@check("source", DEGRADES, NOTE)
def replica_identity(obs: Observation) -> Iterator[Found]:
    """Every table can be updated and deleted from while it is published."""
    assert obs.source is not None
    if ended(obs):
        return
    left_out = plan.excluded(obs)
    by_inserts = plan.published_by_inserts(obs)
    for table in obs.source.tables:
        if table.identity_usable or table.oid in by_inserts or plan.insert_only_wanted(obs):
            continue
        yield (
            NOTE if table.name in left_out else DEGRADES,
            f"table {table.name}",
            f"it is not migrated: {table.identity_reason}{_why_not_by_inserts(obs)}",
            _identity(table),
        )


def _why_not_by_inserts(obs: Observation) -> str:
    if obs.policy.tables_without_identity != "insert_only" or obs.source is None:
        return ""
    if not obs.source.counting_since:
        return "; its inserts alone are not replicated while the source's track_counts is off"
    return "; TABLES_WITHOUT_IDENTITY=insert_only was set only after the copy had begun"


def _identity(table: SourceTable) -> str:
    where = "on the source, and on the destination if the table is there already:"
    alter = f"ALTER TABLE {table.name}"
    if table.identity_candidate:
        index = quote_identifier(table.identity_candidate)
        return f"{where} {alter} REPLICA IDENTITY USING INDEX {index}; (or add a primary key)"
    if table.full_reason:
        key = f"{alter} ADD PRIMARY KEY (...);"
        if not table.identity_reason.startswith("it has no primary key"):
            key = f"{key} {alter} REPLICA IDENTITY DEFAULT;"
        return f"{where} {key} (REPLICA IDENTITY FULL is no way: {table.full_reason})"
    return f"{where} {alter} REPLICA IDENTITY FULL; (or add a primary key)"


@check("source", DEGRADES, NOTE)
def inserts_only(obs: Observation) -> Iterator[Found]:
    """Nobody updates or deletes rows of a table that is replicated by its inserts alone."""
    assert obs.source is not None
    doubts = {table.oid: why for table, why in insert_only.in_doubt(obs)}
    steps = obs.marker.steps if obs.marker else frozenset()
    if steps & {Step.COMPLETING, Step.COMPLETED, Step.ABANDONED}:
        return
    coming = plan.insert_only_wanted(obs) and not ended(obs)
    ours = plan.published_by_inserts(obs)
    for table in obs.source.tables:
        if table.oid not in ours and not (coming and not table.identity_usable):
            continue
        thing = f"table {table.name}"
        if why := doubts.get(table.oid):
            known = insert_only.acknowledgement(table, obs.source.counting_since)
            yield (
                DEGRADES,
                thing,
                f"it is replicated by its inserts alone, and {why}",
                _catch_up(table, obs)
                + " Or, if it is certain that no row differs (a rolled back update counts too), run"
                f" on the destination, in this database: {known}",
            )
        elif table.oid in ours and table.identity_usable:
            yield (
                NOTE,
                thing,
                "it has an identity now, but is still replicated by its inserts alone",
                "an UPDATE or DELETE would turn the light off; copied anew, it is replicated whole:"
                f" {resync_command(obs, table.name)}",
            )
        else:
            yield (
                NOTE,
                thing,
                f"its UPDATE and DELETE are not replicated, only INSERT and TRUNCATE are:"
                f" {table.identity_reason}",
                _identity(table),
            )


def _catch_up(table: SourceTable, obs: Observation) -> str:
    if ended(obs):
        return "carry the changes over by hand."
    copy = f"copy it anew: {resync_command(obs, table.name)}"
    if table.identity_usable:
        return f"{copy}; it is replicated whole then."
    return f"{copy}; to have it replicated whole then, first {_identity(table)}."


CHECKS: tuple[Check, ...] = (replica_identity, inserts_only)
