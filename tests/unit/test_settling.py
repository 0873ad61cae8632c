"""What the source's tables must have shown for some ticks before it is followed."""

from collections.abc import Mapping

from pgmigrator.core import settling
from pgmigrator.core.model import Observation
from pgmigrator.core.names import TableName
from pgmigrator.core.settling import TICKS, Sighting, settled
from tests.unit.builders import ITEMS, ORDERS, change, source_table, streaming

LATER = TableName("public", "later")
KNOWN = (source_table(101, ORDERS), source_table(102, ITEMS))


def at(lsn: int, oid: int | None = 103) -> Observation:
    later = (source_table(oid, LATER),) if oid is not None else ()
    facts = {"source.tables": (*KNOWN, *later), "source.server.flush_lsn": lsn}
    return change(streaming(), facts)


def seen(*observations: Observation) -> Mapping[TableName, Sighting]:
    known: Mapping[TableName, Sighting] = {}
    for obs in observations:
        known = settling.observe(known, obs)
    return known


def test_what_stands_for_some_ticks_is_followed_with_its_first_lsn() -> None:
    ticks = [at(100 + tick) for tick in range(TICKS)]
    assert settled(seen(*ticks[:-1])) == {}
    assert settled(seen(*ticks)) == {LATER: 100}


def test_what_comes_and_goes_is_counted_anew() -> None:
    assert settled(seen(at(1), at(2), at(3, None), at(4), at(5))) == {}
    assert settled(seen(at(1), at(2), at(3, 104), at(4, 104))) == {}  # another one of that name
    assert settled(seen(at(1), at(2), at(3, 104), at(4, 104), at(5, 104))) == {LATER: 3}


def test_a_blind_tick_tells_nothing() -> None:
    blind = change(at(2), {"destination": None})
    assert settled(seen(at(1), blind, blind, blind)) == {}
    assert settled(seen(at(1), blind, at(3), at(4))) == {LATER: 1}


def test_a_replaced_table_is_noticed() -> None:
    obs = change(at(7, None), {"source.tables.0.oid": 999})
    assert settled(seen(obs, obs, obs)) == {ORDERS: 7}
