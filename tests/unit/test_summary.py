"""What a comparison says of each table is one of three things, and never two."""

import pytest

from pgmigrator.core.model import RowCountDelta
from pgmigrator.core.summary import _verification
from tests.unit.builders import ITEMS, ORDERS, STORAGE, change, row_counts, streaming

REWRITTEN = {"source.tables.0.storage": "16999/2"}
DELTA = RowCountDelta(table=ORDERS, source_rows=3, destination_rows=1)
OTHER_ROWS = {"row_counts": row_counts(differing={ORDERS: STORAGE})}
OTHER_COUNTS = {"row_counts": row_counts(deltas=(DELTA,))}
NOT_COUNTED = {"row_counts": row_counts(tables=frozenset({ITEMS}))}


@pytest.mark.parametrize(
    ("changes", "verified", "mismatched", "unverified"),
    [
        ({}, 2, 0, 0),
        ({"row_counts": None}, 0, 0, 2),
        (NOT_COUNTED, 1, 0, 1),
        (OTHER_COUNTS, 2, 1, 0),
        (REWRITTEN, 1, 0, 1),
        # both are known to differ, whatever else is not known of them
        (REWRITTEN | OTHER_ROWS, 2, 1, 0),
        (REWRITTEN | OTHER_COUNTS, 2, 1, 0),
    ],
)
def test_every_table_is_equal_or_differs_or_is_not_compared(
    changes: dict[str, object], verified: int, mismatched: int, unverified: int
) -> None:
    found = _verification(change(streaming(), changes))
    assert found.verified_tables == verified
    assert found.mismatched_tables == mismatched
    assert found.unverified_tables == unverified


def test_tables_with_other_rows_are_named_apart_from_those_with_other_counts() -> None:
    found = _verification(change(streaming(), OTHER_ROWS))
    assert found.other_rows == (ORDERS,)
    assert found.worst == ()
