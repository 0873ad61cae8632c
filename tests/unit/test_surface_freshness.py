"""What is too old says nothing: one rule for every page."""

from dataclasses import replace

import pytest

from pgmigrator.core.freshness import fresh
from pgmigrator.core.model import Phase
from pgmigrator.core.report import GateStatus
from tests.unit.surface_samples import NOW, database, mapping, report

GREEN = report(mapping(database("shop"), database("billing")))


def test_a_fresh_report_stays_as_it_is() -> None:
    assert fresh(GREEN, NOW) == GREEN


def test_a_stale_gate_is_unknown_and_turns_the_light_off() -> None:
    found = fresh(GREEN, NOW + 14).mappings[0]
    shop = found.databases[0]
    assert not found.ready
    assert (found.phase, shop.phase) == (Phase.CATCHING_UP, Phase.CATCHING_UP)
    assert {gate.status for gate in shop.gates} == {GateStatus.UNKNOWN}
    assert {gate.value for gate in shop.gates} == {None}
    assert "last measured 16 s ago, valid for 15 s" in shop.gates[0].reason
    # off since the moment at which the gates expired, whenever somebody asks
    assert shop.phase_since == shop.ready_changed_at == found.phase_since == NOW + 13
    assert shop.ready_since is None


def test_one_stale_database_does_not_touch_the_other() -> None:
    stale = database("billing")
    stale = replace(
        stale, gates=tuple(replace(gate, measured_at=NOW - 100) for gate in stale.gates)
    )
    shop, billing = fresh(report(mapping(database("shop"), stale)), NOW).mappings[0].databases
    assert shop.ready
    assert not billing.ready


@pytest.mark.parametrize("measured_at", [None, NOW + 100])
def test_a_pass_that_cannot_be_dated_is_none(measured_at: float | None) -> None:
    base = database()
    first, *rest = base.gates
    undated = replace(base, gates=(replace(first, measured_at=measured_at), *rest))
    found = fresh(report(mapping(undated)), NOW).mappings[0].databases[0]
    assert found.gates[0].status is GateStatus.UNKNOWN
    assert not found.ready


def test_a_light_without_gates_is_off() -> None:
    assert not fresh(report(mapping(replace(database(), gates=()))), NOW).mappings[0].ready


def test_freshness_never_turns_a_light_on() -> None:
    assert not fresh(report(mapping(database(ready=False))), NOW).mappings[0].ready


def test_gates_that_all_pass_say_for_how_long_they_must_go_on() -> None:
    passing = replace(
        database(), phase=Phase.CATCHING_UP, ready=False, ready_since=None, stable_at=NOW + 10.2
    )
    shown = mapping(passing)
    (now,), (later,), (stale,) = (
        fresh(report(shown), NOW + seconds).mappings[0].databases for seconds in (0, 11, 20)
    )
    assert now.reason == "every gate passes; the light goes on if they still do in 11 s"
    assert later.reason.endswith("in 0 s")
    assert now.stable_at == NOW + 10.2
    # none of them passes any more: nothing is foretold
    assert stale.stable_at is None
    assert stale.reason == passing.reason
