"""What the last count and the conflicts say goes before a drain's own evidence."""

import pytest

from pgmigrator.core.history import Counter
from pgmigrator.core.known import known
from pgmigrator.core.model import RowCountDelta
from tests.unit.builders import ITEMS, NOW, ORDERS, STORAGE, change, history_of, row_counts
from tests.unit.builders import streaming as streaming_

STREAMING = streaming_()
HISTORY = history_of(STREAMING)
DELTA = RowCountDelta(table=ORDERS, source_rows=99, destination_rows=550)
COUNTED = row_counts(deltas=(DELTA,), differing={ITEMS: STORAGE})


def test_without_a_difference_nothing_is_known() -> None:
    found = known(STREAMING, STREAMING.row_counts, HISTORY)
    assert found.rows == ()
    assert found.conflicts == {}


def test_what_the_last_count_found_is_known_however_old_it_is() -> None:
    counts, rows = known(STREAMING, change(COUNTED, {"at": NOW - 10**6}), HISTORY).rows
    assert "99 rows on the source and 550" in counts
    assert str(ITEMS) in rows


@pytest.mark.parametrize(
    "changes",
    [
        {"source.server.started_at": NOW},
        {"destination.server.started_at": NOW},
        {"destination.tables": ()},
        # copied anew since
        {
            "destination.tables.0.synchronized_lsn": 10_001,
            "destination.tables.1.synchronized_lsn": 10_001,
        },
    ],
)
def test_a_count_of_something_else_says_nothing(changes: dict[str, object]) -> None:
    assert known(change(STREAMING, changes), COUNTED, HISTORY).rows == ()


def test_a_table_that_was_not_counted_does_not_hide_another() -> None:
    counted = change(COUNTED, {"value.tables": frozenset({ORDERS})})
    (said,) = known(STREAMING, counted, HISTORY).rows
    assert str(ORDERS) in said


def test_conflicts_from_before_a_crash_are_known() -> None:
    before = change(
        HISTORY, {"counters": {"confl_insert_exists": Counter(3, 0), "apply": Counter(2, 2)}}
    )
    assert known(STREAMING, None, before).conflicts == {"confl_insert_exists": 3}
