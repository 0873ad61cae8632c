"""An observation that something overtook is shown, and nothing is done because of it."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pgmigrator.core import actions as a
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation
from pgmigrator.runtime import build
from pgmigrator.runtime.mapping import MappingRunner
from pgmigrator.settings import load
from tests.unit import builders

SETTINGS = {
    "PGMIGRATOR_INSTANCES__OLD__HOST": "old",
    "PGMIGRATOR_INSTANCES__NEW__HOST": "new",
    "PGMIGRATOR_MAPPINGS__ORDERS__SOURCE": "old",
    "PGMIGRATOR_MAPPINGS__ORDERS__DESTINATION": "new",
    "PGMIGRATOR_MAPPINGS__ORDERS__DATABASES": '["shop"]',
}
#: what says that everything is copied, and not yet marked so
COPIED = builders.streaming(Step.SUBSCRIBED, Step.SCHEMA_DONE)


class Heard:
    """Stands in for the actor: remembers what was to be started."""

    def __init__(self) -> None:
        self.started: list[a.Action] = []

    def start(self, _unit: object, action: a.Action, _obs: object) -> None:
        self.started.append(action)


def runner(meanwhile: Callable[[MappingRunner], Awaitable[None]]) -> tuple[MappingRunner, Heard]:
    """Return a mapping during whose observation something happens."""
    heard = Heard()

    async def hold() -> bool:
        return True

    async def observe(*_: object) -> Observation:
        await meanwhile(made)
        return COPIED

    made = build.runners(load(SETTINGS), build.Hooks())["orders"]
    made.observer = cast(Any, SimpleNamespace(observe=observe))
    made.lease = cast(Any, SimpleNamespace(hold=hold, held=True))
    made._actor = cast(Any, heard)
    return made, heard


async def nothing(_: MappingRunner) -> None:
    await asyncio.sleep(0)


async def something_ended(made: MappingRunner) -> None:
    made.units["shop"].changes += 1


async def test_an_undisturbed_observation_is_acted_on() -> None:
    made, heard = runner(nothing)
    await made.tick()
    assert heard.started == [a.MarkCopied()]


@pytest.mark.parametrize("ticks", [1, 3])
async def test_nothing_starts_while_observations_are_overtaken(ticks: int) -> None:
    made, heard = runner(something_ended)
    for _ in range(ticks):
        await made.tick()
    assert heard.started == []
    assert made.report.databases[0].name == "shop"
