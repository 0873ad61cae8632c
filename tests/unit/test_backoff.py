"""A server that does not answer is asked less and less often, and its error is kept meanwhile."""

import time
from contextlib import suppress

import pytest

from pgmigrator.errors import Refused, Unreachable
from pgmigrator.postgres import backoff
from pgmigrator.postgres.backoff import Backoff


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def passes(tried: Backoff) -> bool:
    with suppress(Unreachable):
        tried.check()
        return True
    return False


def test_it_waits_twice_as_long_each_time_up_to_a_limit(clock: list[float]) -> None:
    waited = []
    tried = Backoff()
    for _ in range(12):
        tried.check()
        tried.failed(Unreachable("away"))
        before = clock[0]
        while not passes(tried):
            clock[0] += 0.25
        waited.append(clock[0] - before)
    assert waited[:4] == [0.5, 1, 2, 4]
    assert waited[-1] == backoff.MAX_SECONDS


def test_an_answer_ends_it(clock: list[float]) -> None:
    tried = Backoff()
    tried.failed(Refused("wrong password"))
    with pytest.raises(Refused, match="wrong password"):
        tried.check()
    tried.succeeded()
    tried.check()
    tried.failed(Refused("again"))
    clock[0] += 0.5
    tried.check()
