"""What goes wrong on the way, and what the operator asked for too early."""

from collections.abc import Iterator

from pgmigrator.core import copies, follow, late, plan, roots
from pgmigrator.core.drift import Drift, drifts
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation, SchemaKind
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

#: differences that are shown one by one
DRIFTS_SHOWN = 50


@check("source", DEGRADES)
def blocks_source(obs: Observation) -> Iterator[Found]:
    """No session of the source waits behind one of ours."""
    assert obs.source is not None
    if obs.source.blocked_sessions:
        yield (
            DEGRADES,
            "source",
            f"{obs.source.blocked_sessions} sessions wait behind a session of this migration",
            "finish the DDL that queues there first, or stop the daemon to let it pass",
        )


@check("source", DEGRADES)
def late_writes(obs: Observation) -> Iterator[Found]:
    """After the switch, nobody writes to the source."""
    if why := late.said(obs):
        yield (
            DEGRADES,
            obs.database,
            f"{why}; the destination does not have them",
            "find the writer and stop it; carry its rows over by hand, or `unswitch`",
        )


@check("source", DEGRADES)
def slot_gone_after_switch(obs: Observation) -> Iterator[Found]:
    """After the switch, only the slot shows whether somebody writes to the source."""
    assert obs.source is not None
    steps = obs.marker.steps if obs.marker else frozenset()
    if Step.SWITCHED not in steps or steps & {Step.COMPLETING, Step.COMPLETED}:
        return
    if obs.source.slot is None or obs.source.slot.wal_status == "lost":
        yield (
            DEGRADES,
            obs.database,
            "the slot is gone: late writes to the source cannot be seen any more",
            "compare source and destination, then: pgmigrator complete"
            f" {obs.mapping} --force --reason TEXT",
        )


@check("both", DEGRADES)
def copy_fails(obs: Observation) -> Iterator[Found]:
    """The initial copy of a table comes to its end."""
    for name in sorted(copies.failing(obs)) if not ended(obs) else ():
        yield (
            DEGRADES,
            f"table {name}",
            "its copy fails, and is begun again; the other tables and databases go on",
            "read the ERROR lines of the destination's server log from about now: a row that is"
            " refused (the CONTEXT names table and line), a right that the table's owner lacks"
            " there, or no slot, walsender or worker that is free; once that is mended, the table"
            " is copied by itself, within seconds",
        )


@check("destination", DEGRADES)
def schema_drift(obs: Observation) -> Iterator[Found]:
    """Both sides define everything alike: whatever DDL changed meanwhile is named with its SQL."""
    steps = obs.marker.steps if obs.marker else frozenset()
    if obs.schema is None or Step.INDEXED not in steps or ended(obs):
        return
    found = drifts(obs.schema.value)
    renamings = (*follow.renamed(obs), *roots.renamed(obs))
    renamed = {str(name) for item in renamings for name in (item.old, item.new)}
    for drift in found[:DRIFTS_SHOWN]:
        fix = _fix(drift, obs)
        if drift.kind is SchemaKind.TABLE and drift.object in renamed:
            fix = "the source has renamed it: the problem `tables_renamed` says what becomes of it"
        yield DEGRADES, f"{drift.kind} of {drift.object}", drift.reason, fix
    if (more := len(found) - DRIFTS_SHOWN) > 0:
        yield DEGRADES, "schema", f"{more} more differences", "mend those that are shown first"


def _fix(drift: Drift, obs: Observation) -> str:
    if _comes(drift, obs):
        return "it is created there by itself; if that fails, a problem says why"
    if not drift.needs_copy or not (tables := _to_copy(drift, obs)):
        return drift.fix
    commands = "; ".join(resync_command(obs, table) for table in tables)
    if drift.statement:
        return (
            f"{drift.fix} its rows are compared then; to copy them anew without waiting for that:"
            f" {commands}"
        )
    if drift.heirs:  # no partitioned table is made anew
        return drift.fix
    return f"only a new table has it so; it is created and copied anew by: {commands}"


def _comes(drift: Drift, obs: Observation) -> bool:
    """Tell whether it is a table that is followed."""
    assert obs.source is not None
    return (
        drift.kind is SchemaKind.TABLE
        and drift.is_whole
        and drift.destination is None
        and drift.object
        in {
            *(str(table.name) for table in obs.source.tables if plan.replicable(table, obs)),
            *(str(table.name) for table in roots.came(obs)),
        }
    )


def _to_copy(drift: Drift, obs: Observation) -> tuple[str, ...]:
    """Name what is copied anew, in `resync`'s terms, where a table and its heirs differ."""
    assert obs.source is not None
    tables = {str(table.name): table for table in obs.source.tables}
    heirs = (tables[name] for name in (drift.object, *drift.heirs) if name in tables)
    partitioned = {drift.object, *drift.heirs}
    found = (
        str(table.partition_of) if str(table.partition_of) in partitioned else str(table.name)
        for table in heirs
    )
    return tuple(dict.fromkeys(found))


@check("both", NOTE)
def complete_too_early(obs: Observation) -> Iterator[Found]:
    """COMPLETE=true ends a migration only after its switch."""
    if not obs.policy.complete or ended(obs):
        return
    variable = f"PGMIGRATOR_MAPPINGS__{obs.mapping.upper()}__COMPLETE"
    reason = "it is true, but the database is not switched: nothing is removed"
    yield NOTE, variable, reason, "set it only after the switch"


@check("both", DEGRADES)
def complete_waits(obs: Observation) -> Iterator[Found]:
    """COMPLETE=true is carried out, once the source certainly has no late write."""
    steps = obs.marker.steps if obs.marker else frozenset()
    if not obs.policy.complete or Step.SWITCHED not in steps:
        return
    if steps & {Step.COMPLETING, Step.COMPLETED, Step.ABANDONED}:
        return
    gone = obs.source is not None and obs.source.slot is None  # slot_gone_after_switch says so
    if late.late_writes(obs) is not None or gone:
        return
    why = "its slot was not read in time"
    if obs.source is None:
        why = obs.source_error or "it was not read"
    yield (
        DEGRADES,
        f"PGMIGRATOR_MAPPINGS__{obs.mapping.upper()}__COMPLETE",
        f"it is true, but whether the source has late writes is not known: {why}; nothing is"
        " removed until it is, however long that takes",
        "let the daemon reach the source again; if it is gone for good, once you are sure that it"
        f" has nothing that the destination lacks: pgmigrator complete {obs.mapping} --force"
        " --reason TEXT",
    )


@check("source", DEGRADES)
def leftovers(obs: Observation) -> Iterator[Found]:
    """What `complete` could not remove from a source that did not answer."""
    if obs.marker is None or Step.COMPLETED not in obs.marker.steps or obs.names is None:
        return
    slot, publications = obs.names.subscription, obs.names.publications
    left = plan.left_on_source(obs)
    if obs.source is None and obs.marker.source_left:
        both = obs.policy.tables_without_identity == "insert_only"
        left = (slot, *publications[: 2 if both else 1])
    if slot in left:
        fix = f"on the source: SELECT pg_drop_replication_slot('{slot}');"
        yield DEGRADES, slot, "our slot is still on the source", fix
    for publication in publications:
        if publication in left:
            fix = f"in the source's database: DROP PUBLICATION {quote_identifier(publication)};"
            yield DEGRADES, publication, "our publication is still on the source", fix


CHECKS: tuple[Check, ...] = (
    blocks_source,
    late_writes,
    slot_gone_after_switch,
    complete_too_early,
    complete_waits,
    leftovers,
    copy_fails,
    schema_drift,
)
#: what a source that does not answer is no reason not to look at
WITHOUT_SOURCE: tuple[Check, ...] = (complete_waits, leftovers)
