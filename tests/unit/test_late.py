"""Late writes that no slot shows: the source is compared with what it was at the switch."""

import pytest

from pgmigrator.core import late
from pgmigrator.core.preflight import find_problems
from tests.unit.builders import (
    ORDERS,
    SEQUENCE,
    change,
    publication,
    sequence,
    source_table,
    switched,
)

QUIET = switched()


def test_a_source_as_it_was_is_quiet() -> None:
    assert late.quiet(QUIET)
    assert late.late_writes(QUIET) == 0
    assert late.said(QUIET) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source.tables.0": source_table(999, ORDERS)}, f"table {ORDERS} is new"),
        ({"source.publication": publication()}, f"table {ORDERS} is published no more"),
        ({"source.publication": None}, f"table {ORDERS} is published no more"),
        ({"source.sequences": (sequence(8),)}, f"sequence {SEQUENCE} moved"),
        ({"destination.at_switch.sequences": {}}, f"sequence {SEQUENCE} is new"),
        ({"source.unlogged_tables": ("public.u",)}, "unlogged table public.u is new"),
        ({"source.large_objects": 3}, "large objects: 0 became 3"),
    ],
)
def test_what_the_slot_cannot_show_is_a_late_write_by_name(
    changes: dict[str, object], said: str
) -> None:
    found = change(QUIET, changes)
    assert late.late_writes(found) == 1
    assert not late.quiet(found)
    assert said in late.said(found)
    assert any(said in problem.reason for problem in find_problems(found))
    # also while the slot cannot be read
    assert late.late_writes(change(found, {"source.late_writes": None})) == 1
    assert late.late_writes(change(found, {"source.late_writes": 5})) == 5


def test_what_is_gone_was_not_written() -> None:
    gone = change(QUIET, {"source.tables": (), "source.sequences": ()})
    assert late.quiet(gone)


@pytest.mark.parametrize(
    "changes",
    [{"source": None}, {"source.late_writes": None}, {"destination.at_switch": None}],
)
def test_what_is_not_known_is_not_zero(changes: dict[str, object]) -> None:
    found = change(QUIET, changes)
    assert late.late_writes(found) is None
    assert not late.quiet(found)
