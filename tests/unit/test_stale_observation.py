"""An observation that something overtook is shown, and nothing is done because of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pgmigrator.core import actions as a
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Copies, Observation
from pgmigrator.core.roles import RolePolicy
from pgmigrator.runtime import build
from pgmigrator.runtime.mapping import MappingRunner
from pgmigrator.settings import load
from tests.unit import builders

SETTINGS = {
    "PGMIGRATOR_INSTANCES__OLD__HOST": "old",
    "PGMIGRATOR_INSTANCES__NEW__HOST": "new",
    "PGMIGRATOR_MAPPINGS__ORDERS__SOURCE": "old",
    "PGMIGRATOR_MAPPINGS__ORDERS__DESTINATION": "new",
}
#: what says that everything is copied, and not yet marked so
COPIED = builders.streaming(Step.SUBSCRIBED, Step.SCHEMA_DONE)


#: a subscription is all that is left to be made
WITH_SLOT = builders.change(
    builders.marked(Step.SCHEMA_DONE),
    {
        "source.publication": builders.publication((101, builders.ORDERS), (102, builders.ITEMS)),
        "source.slot": builders.slot(),
    },
)
UNREAD = builders.change(WITH_SLOT, {"destination": None})


class Heard:
    """Stands in for the actor: remembers what was to be started."""

    def __init__(self) -> None:
        self.started: list[a.Action] = []

    def start(self, _unit: object, action: a.Action, _obs: object) -> None:
        self.started.append(action)


def runner(
    meanwhile: Callable[[MappingRunner], Awaitable[None]],
    seen: Observation = COPIED,
    databases: str = '["shop"]',
) -> tuple[MappingRunner, Heard]:
    """Return a mapping during whose observation something happens."""
    heard = Heard()
    settings = load(SETTINGS | {"PGMIGRATOR_MAPPINGS__ORDERS__DATABASES": databases})

    async def hold() -> bool:
        return True

    async def observe(_: str, database: str, __: object) -> Observation:
        await meanwhile(made)
        return replace(seen, database=database)

    made = build.runners(settings, build.Hooks())["orders"]
    roles = {"source_roles": None, "role_policy": RolePolicy()}
    made.observer = cast(Any, SimpleNamespace(observe=observe, **roles))
    made.lease = cast(Any, SimpleNamespace(hold=hold, held=True))
    made._actor = cast(Any, heard)
    return made, heard


async def nothing(_: MappingRunner) -> None:
    await asyncio.sleep(0)


async def something_ended(made: MappingRunner) -> None:
    for unit in made.units.values():
        unit.changes += 1


async def was_copying(made: MappingRunner) -> None:
    for unit in made.units.values():
        unit.history = replace(unit.history, copies=Copies(moved_at=builders.NOW))


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


@pytest.mark.parametrize(
    ("meanwhile", "seen", "copying"),
    [
        (nothing, WITH_SLOT, 0),
        (something_ended, WITH_SLOT, 1),
        (something_ended, builders.streaming(), 0),
        (nothing, UNREAD, 0),
        (was_copying, UNREAD, 1),
    ],
)
async def test_a_copy_that_may_have_begun_meanwhile_takes_room(
    meanwhile: Callable[[MappingRunner], Awaitable[None]], seen: Observation, copying: int
) -> None:
    """The subscription may have been made after its database was observed."""
    made, _ = runner(meanwhile, seen, '["shop", "other"]')
    observations = await made.look()
    assert made._copying(observations, besides="other") == copying
