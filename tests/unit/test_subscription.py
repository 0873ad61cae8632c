"""How a subscription is made, where that depends on the destination's version."""

import pytest

from pgmigrator.postgres.subscription import streaming


@pytest.mark.parametrize(
    ("version_num", "expected"),
    [(180000, "on"), (180001, "on"), (180002, "parallel"), (190000, "parallel")],
)
def test_no_parallel_worker_where_its_failure_loses_a_transaction(
    version_num: int, expected: str
) -> None:
    assert streaming(version_num) == expected
