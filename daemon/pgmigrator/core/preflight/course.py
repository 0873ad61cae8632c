"""What goes wrong on the way, and what the operator asked for too early."""

from collections.abc import Iterator
from shlex import quote

from pgmigrator.core import plan
from pgmigrator.core.drift import drifts
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
    assert obs.source is not None
    if obs.source.late_writes:
        yield (
            DEGRADES,
            obs.database,
            f"{obs.source.late_writes} transactions were written to the source after the switch;"
            " the destination does not have them",
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
            "compare source and destination; then `complete --force --reason ...`",
        )


@check("destination", DEGRADES)
def schema_drift(obs: Observation) -> Iterator[Found]:
    """Both sides define everything alike: whatever DDL changed meanwhile is named with its SQL."""
    steps = obs.marker.steps if obs.marker else frozenset()
    if obs.schema is None or Step.INDEXED not in steps or ended(obs):
        return
    found = drifts(obs.schema.value)
    for drift in found[:DRIFTS_SHOWN]:
        fix = drift.fix
        if drift.needs_copy:
            fix += (
                " its rows are compared then; to copy them anew without waiting for that:"
                f" pgmigrator resync {obs.mapping} {quote(obs.database)} {quote(drift.object)}"
            )
        yield DEGRADES, f"{drift.kind} of {drift.object}", drift.reason, fix
    if (more := len(found) - DRIFTS_SHOWN) > 0:
        yield DEGRADES, "schema", f"{more} more differences", "mend those that are shown first"


@check("both", NOTE)
def complete_too_early(obs: Observation) -> Iterator[Found]:
    """COMPLETE=true ends a migration only after its switch."""
    if not obs.policy.complete or ended(obs):
        return
    variable = f"PGMIGRATOR_MAPPINGS__{obs.mapping.upper()}__COMPLETE"
    reason = "it is true, but the database is not switched: nothing is removed"
    yield NOTE, variable, reason, "set it only after the switch"


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
        fix = f"on the source: SELECT pg_drop_replication_slot('{slot}')"
        yield DEGRADES, slot, "our slot is still on the source", fix
    for publication in publications:
        if publication in left:
            fix = f"in the source's database: DROP PUBLICATION {quote_identifier(publication)}"
            yield DEGRADES, publication, "our publication is still on the source", fix


CHECKS: tuple[Check, ...] = (
    blocks_source,
    late_writes,
    slot_gone_after_switch,
    complete_too_early,
    leftovers,
    schema_drift,
)
