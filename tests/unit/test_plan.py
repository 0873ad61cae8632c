"""Which tables and sequences belong where, fact by fact."""

import pytest

from pgmigrator.core import follow, plan
from pgmigrator.core.actions import VerifyRowCounts
from pgmigrator.core.decide import decide
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Measured, Observation, RowCountDelta, SchemaItem
from pgmigrator.core.names import TableName
from tests.unit.builders import (
    ITEMS,
    NOW,
    ORDERS,
    SEQUENCE,
    STORAGE,
    change,
    destination_table,
    fresh,
    marked,
    publication,
    row_counts,
    sequence,
    source_table,
    streaming,
)

RESTORED, STREAMING = marked(Step.SCHEMA_DONE), streaming()
#: ITEMS is new: on both sides, neither published nor subscribed
LATER = change(
    STREAMING,
    {
        "destination.tables.1": destination_table(ITEMS),
        "source.publication": publication((101, ORDERS)),
    },
)
ORDERS_ONLY: dict[str, object] = {"source.publication": publication((101, ORDERS))}
RENAMED = TableName("public", "renamed")


def drift(kind: str, table: TableName) -> Measured[tuple[SchemaItem, ...]]:
    item = SchemaItem(object=str(table), kind=kind, definition="x", missing=False)
    return Measured((item,), NOW, 20.0)


@pytest.mark.parametrize(
    ("obs", "changes", "oids"),
    [
        (fresh(), {}, []),
        (RESTORED, {}, [101, 102]),
        (RESTORED, {"schema": None}, [101, 102]),
        (RESTORED, ORDERS_ONLY, [102]),
        (RESTORED, {"source.tables.0.identity_usable": False}, [102]),
        (RESTORED, {"destination.tables.0.has_rows": True}, [102]),
        (RESTORED, {"destination.tables.0.has_rows": None}, [102]),
        (RESTORED, {"destination.tables": (destination_table(ITEMS),)}, [102]),
        (RESTORED, {"schema": drift("column", ORDERS)}, [102]),
        (RESTORED, {"schema": drift("table", ORDERS)}, [102]),
        (RESTORED, {"schema": drift("index", ORDERS)}, [101, 102]),
        (RESTORED, {"source": None}, []),
        (RESTORED, {"destination": None}, []),
        (STREAMING, {}, []),
        (LATER, {}, [102]),
        # a table that was subscribed and left never returns
        (STREAMING, ORDERS_ONLY, []),
    ],
)
def test_to_publish(obs: Observation, changes: dict[str, object], oids: list[int]) -> None:
    assert [oid for oid, _ in plan.to_publish(change(obs, changes))] == oids


def test_to_publish_is_bounded() -> None:
    names = [TableName("public", f"t{n}") for n in range(plan.SLICE + 1)]
    many = change(
        RESTORED,
        {
            "source.tables": tuple(source_table(n, name) for n, name in enumerate(names)),
            "destination.tables": tuple(map(destination_table, names)),
        },
    )
    assert len(plan.to_publish(many)) == plan.SLICE


@pytest.mark.parametrize(
    ("changes", "oids"),
    [
        ({}, []),
        ({"source.tables.0.identity_usable": False}, [101]),
        ({"source.tables.1.identity_usable": False, **ORDERS_ONLY}, []),
        ({"source.tables.0.identity_usable": False, "source.publication": None}, []),
    ],
)
def test_losing_identity(changes: dict[str, object], oids: list[int]) -> None:
    assert [oid for oid, _ in plan.losing_identity(change(STREAMING, changes))] == oids


@pytest.mark.parametrize(
    ("changes", "subscribe", "left", "followed", "uncopied"),
    [
        ({}, [], [], [ORDERS, ITEMS], []),
        ({"destination.tables.1": destination_table(ITEMS)}, [ITEMS], [], [ORDERS], [ITEMS]),
        ({"destination.tables": (destination_table(ORDERS, "r"),)}, [], [], [ORDERS], [ITEMS]),
        (ORDERS_ONLY, [], [ITEMS], [ORDERS], []),
        # dropped on the source: nobody misses it
        ({**ORDERS_ONLY, "source.tables": (source_table(101, ORDERS),)}, [], [], [ORDERS], []),
        (
            {
                "source.tables.1.name": RENAMED,
                "source.publication": publication((101, ORDERS), (102, RENAMED)),
            },
            [],
            [],
            [ORDERS],
            [RENAMED],
        ),
    ],
)
def test_subscribed_and_published(
    changes: dict[str, object],
    subscribe: list[TableName],
    left: list[TableName],
    followed: list[TableName],
    uncopied: list[TableName],
) -> None:
    obs = change(STREAMING, changes)
    assert list(plan.to_subscribe(obs)) == subscribe
    assert list(plan.left_publication(obs)) == left
    assert [table.name for table in plan.followed(obs)] == followed
    assert [table.name for table in plan.uncopied(obs)] == uncopied


@pytest.mark.parametrize(
    ("changes", "swapped"),
    [
        ({}, ()),
        ({"source.tables.0.oid": 999}, (ORDERS,)),
        ({"source.tables.0.name": ITEMS, "source.tables.1.name": ORDERS}, (ORDERS, ITEMS)),
        ({"source.tables.0.name": RENAMED}, ()),
    ],
)
def test_swapped(changes: dict[str, object], swapped: tuple[TableName, ...]) -> None:
    assert follow.swapped(change(STREAMING, changes)) == swapped


@pytest.mark.parametrize(
    ("here", "there", "behind"),
    [
        (sequence(7), sequence(7), False),
        (sequence(7), sequence(6), True),
        (sequence(7), sequence(8), False),
        (sequence(7), change(sequence(7), {"is_called": False}), True),
        (sequence(-7, increment=-1), sequence(-6, increment=-1), True),
        (sequence(-7, increment=-1), sequence(-8, increment=-1), False),
        (sequence(1, cycle=True), sequence(9, cycle=True), True),
        (sequence(1, cycle=True), sequence(1, cycle=True), False),
    ],
)
def test_sequences_behind(here: object, there: object, behind: bool) -> None:
    obs = change(STREAMING, {"source.sequences": (here,), "destination.sequences": (there,)})
    assert bool(plan.sequences_behind(obs)) is behind
    assert plan.sequences_missing(obs) == ()


def test_a_missing_sequence_is_not_behind() -> None:
    obs = change(STREAMING, {"destination.sequences": ()})
    assert plan.sequences_behind(obs) == ()
    assert plan.sequences_missing(obs) == (SEQUENCE,)


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_side_that_is_unknown_plans_nothing(side: str) -> None:
    obs = change(LATER, {side: None})
    for planned in (plan.to_publish, plan.to_subscribe, plan.followed, plan.left_publication):
        assert planned(obs) == ()
    assert follow.swapped(obs) == ()
    assert plan.sequences_behind(obs) == ()
    assert plan.sequences_missing(obs) == ()


DELTA = RowCountDelta(table=ORDERS, source_rows=3, destination_rows=2)


def test_a_count_of_what_was_left_out_completes_the_one_before() -> None:
    before = row_counts(tables=frozenset({ORDERS}), deltas=(DELTA,))
    more = row_counts(tables=frozenset({ITEMS}), lsn=20_000, last_at=NOW + 9).value
    found = plan.with_counts(before, more, frozenset({ITEMS}))
    assert found is not None
    assert (found.at, found.valid_seconds) == (before.at, before.valid_seconds)
    assert found.value.tables == {ORDERS, ITEMS}
    assert found.value.deltas == (DELTA,)
    # counted again, and equal now
    again = plan.with_counts(
        before, row_counts(tables=frozenset({ORDERS})).value, frozenset({ORDERS})
    )
    assert again is not None
    assert again.value.deltas == ()
    # of other servers it proves nothing
    other = row_counts(tables=frozenset({ITEMS}), source_started_at=NOW).value
    assert plan.with_counts(before, other, frozenset({ITEMS})) == before
    assert plan.with_counts(None, more, frozenset({ITEMS})) is None


def test_a_table_that_could_not_be_counted_anew_is_not_believed_from_before() -> None:
    """It was copied since: what was counted then are other rows."""
    before = row_counts(tables=frozenset({ORDERS}), deltas=(DELTA,))
    more = row_counts(tables=frozenset({ITEMS}), lsn=20_000).value
    found = plan.with_counts(before, more, frozenset({ORDERS, ITEMS}))
    assert found is not None
    assert found.value.tables == {ITEMS}
    assert found.value.deltas == ()


# --- rows that may have changed unseen -----------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "rewritten", "uncompared"),
    [
        ({}, set(), set()),
        ({"source.tables.0.storage": "x"}, {ORDERS}, {ORDERS}),
        ({"destination.tables.0.storage": "x"}, {ORDERS}, {ORDERS}),
        ({"destination.tables.0.compared": None}, {ORDERS}, {ORDERS}),
        # its copy runs, and takes what is there
        ({"source.tables.0.storage": "x", "destination.tables.0.state": "d"}, set(), set()),
        # the columns differ: rows cannot be compared
        ({"source.tables.0.storage": "x", "schema": drift("column", ORDERS)}, {ORDERS}, set()),
        # and these are not known to be alike: not now, but the gate waits
        ({"source.tables.0.storage": "x", "schema": None}, {ORDERS}, {ORDERS}),
        # known to differ
        (
            {
                "source.tables.0.storage": "x",
                "row_counts": row_counts(differing={ORDERS: ("x", STORAGE[1])}),
            },
            {ORDERS},
            set(),
        ),
        # rewritten once more since
        (
            {
                "source.tables.0.storage": "x",
                "row_counts": row_counts(differing={ORDERS: STORAGE}),
            },
            {ORDERS},
            {ORDERS},
        ),
    ],
)
def test_rewritten_tables_are_to_be_compared(
    changes: dict[str, object], rewritten: set[TableName], uncompared: set[TableName]
) -> None:
    obs = change(streaming(), changes)
    assert set(plan.rewritten(obs)) == rewritten
    assert plan.uncompared(obs) == uncompared
    offers = decide(obs, ()).offers
    wanted = bool(uncompared) and obs.schema is not None
    assert (VerifyRowCounts(frozenset(uncompared)) in offers) is wanted


def test_a_later_count_forgets_that_rows_differed() -> None:
    before = row_counts(differing={ORDERS: STORAGE, ITEMS: STORAGE})
    more = row_counts(tables=frozenset({ITEMS})).value
    found = plan.with_counts(before, more, frozenset({ITEMS}))
    assert found is not None
    assert found.value.differing == {ORDERS: STORAGE}
