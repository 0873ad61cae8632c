"""Puts the parts of a mapping together from the settings."""

import asyncio
from collections.abc import Callable

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


def observer(settings: Settings, mapping: str) -> Observer:
    """Return what reads both servers of a mapping."""
    source, destination = endpoints(settings, mapping)
    policy = role_policy(settings, mapping)
    return Observer(source, destination, policy, settings.refresh_interval_seconds)


def runners(
    settings: Settings, count_error: Callable[[str, str], None]
) -> dict[str, MappingRunner]:
    """Return one runner for each mapping; `count_error(mapping, category)` counts errors."""
    neighbours = Neighbours(settings)
    dump_locks = {name: asyncio.Lock() for name in settings.instances}
    return {
        name: _runner(name, settings, neighbours, dump_locks, count_error)
        for name in settings.mappings
    }


def _runner(
    name: str,
    settings: Settings,
    neighbours: Neighbours,
    dump_locks: dict[str, asyncio.Lock],
    count_error: Callable[[str, str], None],
) -> MappingRunner:
    source, destination = endpoints(settings, name)
    policy = role_policy(settings, name)
    reader = observer(settings, name)

    def work(unit: Unit, obs: Observation) -> Work:
        return Work(
            unit=unit,
            obs=obs,
            source=source,
            destination=destination,
            role_policy=policy,
            postgres_bin_dir=settings.postgres_bin_dir,
            observer=reader,
            dump_lock=dump_locks[settings.mappings[name].source],
        )

    return MappingRunner(
        name=name,
        settings=settings,
        observer=reader,
        actor=Actor(work=work, count_error=lambda category: count_error(name, category)),
        lease=Lease(source, destination),
        neighbours=neighbours,
    )
