"""Any observation: a stage of a healthy migration, and some facts that are whatever they may be.

Facts are drawn one by one, so that contradictions come along, and failures shrink to the few facts
that matter. Values that are likelier to reveal something stand twice.
"""

import contextlib
from collections.abc import Iterable

from hypothesis import strategies as st

from pgmigrator.core import actions as a
from pgmigrator.core.facts import Baseline, Conflicts
from pgmigrator.core.marker import Step
from pgmigrator.core.model import (
    Copies,
    Measured,
    Observation,
    RoleDifference,
    RowCountDelta,
    SchemaItem,
    SchemaKind,
    Tries,
)
from pgmigrator.core.names import TableName
from tests.unit import builders as b

KINDS = sorted(action.__name__ for action in a.Action.__subclasses__())
LATER = TableName("public", "later")
BOTH = ((101, b.ORDERS), (102, b.ITEMS))
DELTA = RowCountDelta(table=b.ORDERS, source_rows=3, destination_rows=2)
PUBLICATIONS = [None, *map(b.publication, BOTH), b.publication(), b.publication(*BOTH)]
THEIRS = b.change(b.publication(*BOTH), {"comment": "theirs"})

STAGES: tuple[Observation, ...] = (
    b.fresh(),
    b.marked(),
    b.marked(created=False),
    b.marked(Step.SCHEMA_DONE),
    b.change(
        b.marked(Step.SCHEMA_DONE),
        {"source.publication": b.publication(*BOTH), "source.slot": b.slot()},
    ),
    b.streaming(*b.INDEXED[:2]),
    b.streaming(*b.INDEXED[:3]),
    b.streaming(),
    b.by_inserts(),
    b.switched(),
    b.switched(Step.COMPLETING),
    b.switched(Step.COMPLETING, Step.COMPLETED),
)
STEPS = [(), *({*b.INDEXED[:n]} for n in range(1, 5)), *({step} for step in Step), {*Step}]


def _schema(kind: SchemaKind, *, missing: bool) -> Measured[tuple[SchemaItem, ...]]:
    item = SchemaItem(object=str(b.ORDERS), kind=kind, definition="x", missing=missing)
    return Measured((item,), b.NOW, 20.0)


def _roles(*, exists: bool) -> Measured[tuple[RoleDifference, ...]]:
    difference = RoleDifference(role="app", exists=exists, reason="why", fix="do this")
    return Measured((difference,), b.NOW, 25.0)


#: the values that a fact may have, by its path
FACTS: dict[str, Iterable[object]] = {
    "at": [b.NOW + 10, b.NOW + 70, b.NOW + 1000, b.NOW - 1000],
    "policy.complete": [True],
    "policy.role_conflicts": ["merge", "skip"],
    "policy.tables_without_identity": ["exclude", "insert_only", "insert_only"],
    "environment.route_error": [None, "", "timeout"],
    "environment.pg_dump_versions": [(), (170_012,), (180_001,)],
    "environment.copying_databases": [1, 2],
    "environment.tied_roles": [frozenset({"app"})],
    "environment.colliding_mappings": [("other",)],
    "environment.colliding_roles": [_roles(exists=True).value],
    "names": [None],
    "source": [None, b.fresh().source],
    "source.database": [None],
    "source.server.identity.timeline": [2],
    "source.server.identity.system_identifier": [1],
    "source.server.started_at": [b.NOW - 1],
    "source.server.flush_lsn": [0, 2**40],
    "source.server.settings.max_slot_wal_keep_size": ["-1"],
    "source.publication": [*PUBLICATIONS, THEIRS],
    "source.insert_only": [
        *(None, b.publication(), b.publication((101, b.ORDERS)), b.publication((102, b.ITEMS))),
        THEIRS,
    ],
    "source.counting_since": ["", "0 1", "0 2"],
    "source.tables.0.changes": [1],
    "source.slot": [None, b.slot(), b.slot(active=False)],
    "source.slot.wal_status": ["lost", "unreserved"],
    "source.slot.retained_bytes": [2**50],
    "source.slot.confirmed_flush_lsn": [0, 2**50],
    "source.tables": [(), (b.source_table(103, LATER),)],
    "source.tables.0.identity_usable": [True, False, False],
    "source.tables.0.oid": [999],
    "source.tables.0.storage": ["16999/3"],
    "source.tables.1.name": [LATER],
    "source.tables.0.partition_of": [LATER],
    "source.sequences": [(), (b.sequence(9),), (b.sequence(1, cycle=True),)],
    "source.blocked_sessions": [1],
    "source.late_writes": [None, 0, 1],
    "destination": [None, b.fresh().destination],
    "destination.database": [None, b.database(20_000)],
    "destination.server.identity.timeline": [2],
    "destination.server.identity.system_identifier": [1],
    "destination.server.started_at": [b.NOW - 1],
    "destination.server.flush_lsn": [0],
    "destination.marker": [None, *(b.marker(*steps) for steps in STEPS)],
    "destination.marker.created": [False],
    "destination.newer_marker": ["format 2"],
    "destination.has_user_objects": [True, False],
    "destination.tables": [(), (b.destination_table(LATER),)],
    "destination.tables.0": [b.destination_table(b.ORDERS), b.destination_table(b.ORDERS, "r")],
    "destination.tables.0.state": ["", "i", "d", "s", "r"],
    "destination.tables.0.has_rows": [None, True, False],
    "destination.tables.0.has_statistics": [True, False],
    "destination.tables.0.source_oid": [None, 999],
    "destination.tables.0.baseline": [Baseline(0, "0 1"), Baseline(1, "0 1"), None],
    "destination.subscription.publications": [b.NAMES.publications],
    "destination.tables.0.compared": [None],
    "destination.tables.0.resync": [True],
    "destination.tables.0.partition_of": [LATER],
    "destination.tables.0.created": [True, False],
    "destination.tables.0.filled": [True, False],
    "destination.tables.0.synchronized_lsn": [None, 2**50],
    "destination.subscription": [None, b.subscription()],
    "destination.subscription.enabled": [True, False],
    "destination.subscription.worker_running": [False],
    "destination.subscription.apply_error_count": [1],
    "destination.sequences": [(), (b.sequence(9),)],
    "destination.invalid_indexes": [("broken",)],
    "destination.indexes_building": [1],
    "destination.foreign_writers": [("bob",)],
    "destination.start_remembered": [False],
    "destination.source_start": [None, b.NOW - 1],
    "destination.conflicts": [Conflicts({"confl_update_missing": 1}, None)],
    "settled": [{LATER: 1}, {LATER: 2**60}, {b.ORDERS: 1}],
    "doubt": ["it is an older copy"],
    "schema": [None, Measured((), b.NOW, 20.0)]
    + [_schema(kind, missing=missing) for kind in SchemaKind for missing in (True, False)],
    "tied_roles": [frozenset()],
    "copies": [Copies({b.ORDERS: Tries(9, 9), b.ITEMS: Tries(9, tries)}) for tries in (0, 9)],
    "roles": [None, Measured((), b.NOW, 25.0), _roles(exists=True), _roles(exists=False)],
    "row_counts": [
        None,
        b.row_counts(),
        b.row_counts(deltas=(DELTA,)),
        b.row_counts(tables=frozenset()),
        b.row_counts(differing={b.ORDERS: b.STORAGE}),
    ],
    "running": [frozenset({kind}) for kind in KINDS],
    "waiting": [frozenset({kind}) for kind in KINDS],
}
_EACH = [(path, value) for path, values in FACTS.items() for value in values]


def disturb(stage: Observation, facts: Iterable[tuple[str, object]]) -> Observation:
    """Change facts one after the other; those of a thing that is not there are left out."""
    for path, value in facts:
        with contextlib.suppress(AttributeError, IndexError, TypeError):
            stage = b.change(stage, {path: value})
    return stage


observations: st.SearchStrategy[Observation] = st.builds(
    disturb, st.sampled_from(STAGES), st.lists(st.sampled_from(_EACH), max_size=6)
)
