"""Puts the parts of a mapping together from the settings."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pgmigrator.core.model import Observation
from pgmigrator.core.roles import RolePolicy
from pgmigrator.postgres.connect import Endpoint
from pgmigrator.postgres.observe import Observer
from pgmigrator.runtime.act import Actor
from pgmigrator.runtime.lease import Lease
from pgmigrator.runtime.mapping import MappingRunner
from pgmigrator.runtime.neighbours import Neighbours
from pgmigrator.runtime.unit import Unit
from pgmigrator.runtime.work import Work
from pgmigrator.settings import Settings


def endpoints(settings: Settings, mapping: str) -> tuple[Endpoint, Endpoint]:
    """Return source and destination of a mapping."""
    configured = settings.mappings[mapping]
    return (
        Endpoint("source", mapping, configured.source, settings.instances[configured.source]),
        Endpoint(
            "destination",
            mapping,
            configured.destination,
            settings.instances[configured.destination],
        ),
    )


def role_policy(settings: Settings, mapping: str) -> RolePolicy:
    """Return how roles are brought over, as the settings have it."""
    configured = settings.mappings[mapping]
    common = configured.common_role_password
    return RolePolicy(
        conflicts=configured.role_conflicts,
        passwords=configured.role_passwords,
        common_password=common.get_secret_value() if common else None,
        own=frozenset(end.instance.user for end in endpoints(settings, mapping)),
    )


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the mappings tell the daemon around them."""

    #: (mapping, category)
    count_error: Callable[[str, str], None] = lambda _mapping, _category: None
    #: (side, what, seconds)
    timed: Callable[[str, str, float], None] = lambda _side, _what, _seconds: None
    #: (mapping): an action has changed something, so that the next tick need not wait
    wake: Callable[[str], None] = lambda _mapping: None


def runners(settings: Settings, hooks: Hooks) -> dict[str, MappingRunner]:
    """Return one runner for each mapping."""
    neighbours = Neighbours(settings)
    dump_locks = {name: asyncio.Lock() for name in settings.instances}
    roles_locks = {name: asyncio.Lock() for name in settings.instances}
    return {
        name: _runner(
            name,
            settings,
            neighbours,
            dump_locks[mapping.source],
            roles_locks[mapping.destination],
            hooks,
        )
        for name, mapping in settings.mappings.items()
    }


def _runner(
    name: str,
    settings: Settings,
    neighbours: Neighbours,
    dump_lock: asyncio.Lock,
    roles_lock: asyncio.Lock,
    hooks: Hooks,
) -> MappingRunner:
    source, destination = endpoints(settings, name)
    policy = role_policy(settings, name)
    reader = Observer(source, destination, policy, settings.refresh_interval_seconds, hooks.timed)

    def work(unit: Unit, obs: Observation) -> Work:
        return Work(
            unit=unit,
            obs=obs,
            source=source,
            destination=destination,
            role_policy=policy,
            postgres_bin_dir=settings.postgres_bin_dir,
            observer=reader,
            dump_lock=dump_lock,
            roles_lock=roles_lock,
        )

    return MappingRunner(
        name=name,
        settings=settings,
        observer=reader,
        actor=Actor(
            work=work, count_error=partial(hooks.count_error, name), wake=partial(hooks.wake, name)
        ),
        lease=Lease(source, destination),
        neighbours=neighbours,
        dump_lock=dump_lock,
    )
