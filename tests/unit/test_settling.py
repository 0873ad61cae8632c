"""What the source's tables must have shown for some ticks before it is followed."""

from collections.abc import Mapping

from pgmigrator.core import settling
from pgmigrator.core.model import Observation
from pgmigrator.core.names import TableName
from pgmigrator.core.settling import TICKS, Sighting, settled
from tests.unit.builders import ITEMS, NOW, ORDERS, change, source_table, streaming

LATER = TableName("public", "later")
KNOWN = (source_table(101, ORDERS), source_table(102, ITEMS))


INTERVAL = streaming().policy.refresh_interval_seconds


def at(lsn: int, oid: int | None = 103) -> Observation:
    later = (source_table(oid, LATER),) if oid is not None else ()
    facts = {"source.tables": (*KNOWN, *later), "source.server.flush_lsn": lsn}
    return change(streaming(), facts)


def seen(*observations: Observation, every: float = INTERVAL) -> Mapping[TableName, int]:
    known: Mapping[TableName, Sighting] = {}
    for tick, obs in enumerate(observations):
        now = change(obs, {"at": NOW + tick * every})
        known = settling.observe(known, now)
    return settled(known, now)


def test_what_stands_for_some_ticks_is_followed_with_its_first_lsn() -> None:
    ticks = [at(100 + tick) for tick in range(TICKS)]
    assert seen(*ticks[:-1]) == {}
    assert seen(*ticks) == {LATER: 100}


def test_what_comes_and_goes_is_counted_anew() -> None:
    assert seen(at(1), at(2), at(3, None), at(4), at(5)) == {}
    assert seen(at(1), at(2), at(3, 104), at(4, 104)) == {}  # another one of that name
    assert seen(at(1), at(2), at(3, 104), at(4, 104), at(5, 104)) == {LATER: 3}


def test_ticks_that_actions_wake_are_no_time() -> None:
    ticks = [at(100 + tick) for tick in range(9)]
    assert seen(*ticks, every=INTERVAL / 5) == {}
    assert seen(*ticks, every=INTERVAL / 4) == {LATER: 100}


def test_a_blind_tick_tells_nothing() -> None:
    blind = change(at(2), {"destination": None})
    assert seen(at(1), blind, blind, blind) == {}
    assert seen(at(1), blind, at(3), at(4)) == {LATER: 1}


def test_a_replaced_table_is_noticed() -> None:
    obs = change(at(7, None), {"source.tables.0.oid": 999})
    assert seen(obs, obs, obs) == {ORDERS: 7}
