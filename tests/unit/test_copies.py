"""Copies that fail are told from those that run or wait, and hold no place."""

from dataclasses import replace
from typing import Any

import pytest

from pgmigrator.core import copies
from pgmigrator.core.history import History, observe
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation
from pgmigrator.core.names import TableName
from tests.unit.builders import ITEMS, NOW, ORDERS, change, streaming, subscription

#: the other table is being copied meanwhile
THEIRS: dict[str, Any] = {"destination.tables.1.worker": 9}
SYNC = "table synchronization"
COPYING = streaming(Step.SCHEMA_DONE, Step.SUBSCRIBED)


def tick(
    number: int,
    state: str = "d",
    *,
    other: str = "r",
    errors: int = 0,
    worker: int = 0,
    workers: int = 0,
    **more: object,
) -> Observation:
    """Tick by tick, five seconds apart: ORDERS in a state, with or without its worker."""
    counted = subscription(sync_error_count=errors, workers={"apply": 1, SYNC: workers})
    return change(
        COPYING,
        {
            "at": NOW + 5 * number,
            "destination.subscription": counted,
            "destination.tables.0.state": state,
            "destination.tables.0.worker": worker,
            "destination.tables.1.state": other,
            **more,
        },
    )


def seen(*ticks: Observation) -> Observation:
    """Return the last of these ticks, with what all of them have shown."""
    history = History(started_at=NOW)
    for obs in ticks:
        history = observe(history, obs)
    return replace(ticks[-1], copies=history.copies)


def failing(*ticks: Observation) -> frozenset[TableName]:
    return copies.failing(seen(*ticks))


def test_a_copy_fails_once_three_tries_have_failed() -> None:
    ticks = [tick(n, errors=n) for n in range(4)]
    assert failing(*ticks[:3]) == frozenset()
    assert failing(*ticks) == {ORDERS}
    # it is being tried once more; it came through; it is begun afresh
    assert failing(*ticks, tick(4, errors=3, worker=7, workers=1)) == {ORDERS}
    for state in ("s", "r", "i"):
        assert failing(*ticks, tick(4, state, errors=3)) == frozenset()


def test_tries_that_take_long_are_told_by_their_workers() -> None:
    ticks = [tick(n, errors=n, worker=100 + n, workers=1) for n in range(4)]
    assert failing(*ticks) == {ORDERS}
    same = [tick(n, errors=n, worker=100, workers=1) for n in range(9)]  # another table fails
    assert failing(*same) == frozenset()


@pytest.mark.parametrize(
    "why",
    [
        {"errors": 0},
        {"workers": 2},  # all are busy: it is not even tried
        {"state": "i"},
        {"state": "s"},
        {"source": None},
        {"destination.subscription.worker_running": False},
    ],
)
def test_what_waits_does_not_fail(why: dict[str, object]) -> None:
    ticks = [tick(n, **({"errors": n} | why)) for n in range(9)]  # type: ignore[arg-type]
    assert failing(*ticks) == frozenset()


def test_a_restarted_daemon_needs_to_see_one_failure_only() -> None:
    assert failing(tick(0, errors=40)) == frozenset()
    assert failing(tick(0, errors=40), tick(1, errors=41)) == {ORDERS}
    assert failing(tick(0, errors=0), tick(1, errors=1)) == frozenset()


def test_a_table_that_another_may_have_helped_is_given_time() -> None:
    ticks = [tick(n, other="d", errors=n, **THEIRS) for n in range(9)]
    assert copies.failing(seen(*ticks)) == {ORDERS}
    assert copies.hopeful(seen(*ticks)) == {ORDERS}  # none was copied yet: all may come
    came = [*ticks, *(tick(9 + n, errors=8 + n) for n in range(4))]
    assert [ORDERS in copies.hopeful(seen(*came[: 10 + n])) for n in range(4)] == [
        True,
        True,
        True,
        False,
    ]
    assert ITEMS not in copies.failing(seen(*ticks))


def holds(*ticks: Observation) -> bool:
    obs = seen(*ticks)
    return copies.holds_place(obs, obs.copies)


def test_a_database_holds_its_place_while_it_is_copied() -> None:
    assert holds(tick(0))  # nothing is known yet: it may be
    assert holds(*(tick(n, worker=7, workers=1) for n in range(99)))
    # one that is tried again and again, and fails, is not copied
    assert not holds(*(tick(n, errors=n, worker=100 + n, workers=1) for n in range(99)))
    assert holds(*(tick(n, "dsrd"[n % 4]) for n in range(99)))
    # the place is given up after a while, and comes back with the copy
    idle = [tick(n) for n in range(8)]
    assert [holds(*idle[: n + 1]) for n in (5, 6, 7)] == [True, True, False]
    assert holds(*idle, tick(8, worker=7, workers=1))
    assert holds(tick(0), tick(9))  # nobody looked meanwhile


@pytest.mark.parametrize(
    ("silent", "held"), [("source", True), ("destination", True), ("neither", True)]
)
def test_a_database_that_is_not_read_holds_its_place_for_a_while(silent: str, held: bool) -> None:
    more: dict[str, object] = {} if silent == "neither" else {silent: None}
    first = [tick(n, worker=7, workers=1) for n in range(3)]
    after = [change(tick(3 + n), more) for n in range(9)]
    assert holds(*first, *after[:3]) is held
    assert not holds(*first, *after)


def test_a_database_that_has_not_begun_or_is_copied_or_ended_holds_none() -> None:
    for steps in ((Step.SCHEMA_DONE,), tuple(Step)[: list(Step).index(Step.COPIED) + 1]):
        assert not holds(change(tick(0), {"destination.marker": streaming(*steps).marker}))
    gone = change(tick(0), {"destination.subscription": None})
    assert not holds(gone)
    assert not holds(change(tick(0), {"destination": None}))
