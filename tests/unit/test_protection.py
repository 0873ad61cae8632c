"""What protects the source starts when nothing else may, and `complete` never guesses."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pgmigrator.core import actions as a
from pgmigrator.core.history import History
from pgmigrator.core.model import Observation
from pgmigrator.core.roles import RolePolicy
from pgmigrator.runtime import build
from pgmigrator.runtime.cutover import _against
from pgmigrator.runtime.mapping import MappingRunner
from pgmigrator.runtime.unit import Unit
from pgmigrator.settings import load
from tests.unit import builders
from tests.unit.test_stale_observation import SETTINGS

PROTECTING = (a.DropSlot(), a.DropFromPublication(((101, builders.ORDERS),)))


def runner(*, held: bool, lost_to_silence: bool = False) -> MappingRunner:
    made = build.runners(load(SETTINGS), build.Hooks())["orders"]
    made.lease = cast(Any, SimpleNamespace(held=held, lost_to_silence=lost_to_silence))
    made._neighbours.announce("orders", frozenset(), frozenset(), 0, None, RolePolicy())
    return made


def unit(last: Observation | None = None, broken: str = "") -> Unit:
    return Unit("orders", "shop", History(started_at=0), last=last, broken=broken)


@pytest.mark.parametrize("action", PROTECTING)
async def test_a_broken_invariant_or_a_command_does_not_stop_what_protects(
    action: a.Action,
) -> None:
    made, broken, commanded = runner(held=True), unit(broken="why"), unit()
    async with commanded.command:
        assert made._may_act(broken, action)
        assert made._may_act(commanded, action)
        assert not made._may_act(broken, a.MarkCopied())
        assert not made._may_act(commanded, a.MarkCopied())


@pytest.mark.parametrize("action", PROTECTING)
async def test_a_silent_destination_does_not_stop_what_protects(action: a.Action) -> None:
    assert runner(held=False, lost_to_silence=True)._may_act(unit(), action)
    assert not runner(held=False)._may_act(unit(), action)
    assert not runner(held=False, lost_to_silence=True)._may_act(unit(), a.MarkCopied())


@pytest.mark.parametrize(
    ("changes", "blocks"),
    [
        ({}, False),
        ({"source.late_writes": 1}, True),
        ({"source.late_writes": None}, True),
        ({"source": None, "source_error": "source old: too many clients"}, True),
    ],
)
def test_complete_needs_a_source_that_was_read(changes: dict[str, object], blocks: bool) -> None:
    obs = builders.change(builders.switched(), changes)
    assert obs.marker is not None
    found = _against(unit(obs), obs.marker)
    assert bool(found) == blocks
    assert all(obs.source_error in blocker.reason for blocker in found)
