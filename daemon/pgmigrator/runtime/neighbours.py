"""What the mappings of one daemon must know of each other: shared servers, colliding names."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from pgmigrator.core.model import Environment, RoleDifference
from pgmigrator.core.roles import RolePolicy, Roles, collisions
from pgmigrator.postgres.children import versions
from pgmigrator.settings import Settings

#: how often pg_dump is looked for
PROGRAMS_INTERVAL_SECONDS = 60.0


class Neighbours:
    """Announced by each mapping in its tick, read by the others in theirs."""

    def __init__(self, settings: Settings) -> None:
        """Know every mapping from the settings; their databases come with their first tick."""
        self._settings = settings
        self._databases: dict[str, frozenset[str]] = {}
        self._pending: dict[str, frozenset[str]] = {}
        self._with_slot: dict[str, frozenset[str]] = {}
        self._roles: dict[str, tuple[Roles | None, RolePolicy]] = {}
        self._programs: tuple[int, ...] = ()
        self._programs_due = 0.0

    def announce(
        self,
        mapping: str,
        databases: frozenset[str],
        pending: frozenset[str],
        with_slot: frozenset[str],
        roles: Roles | None,
        role_policy: RolePolicy,
    ) -> None:
        """Say which databases a mapping has, which are not subscribed yet, and its roles.

        `with_slot` are those of the pending whose slot is there.
        Roles are None if they were not read, or the source's are no longer followed.
        """
        self._databases[mapping] = databases
        self._pending[mapping] = pending
        self._with_slot[mapping] = with_slot
        self._roles[mapping] = roles, role_policy

    @property
    def complete(self) -> bool:
        """Every mapping has announced itself once: before that, nobody knows what collides."""
        return self._databases.keys() >= self._settings.mappings.keys()

    def environment(self, mapping: str) -> Environment:
        """Return what is shared by the databases of a mapping."""
        return Environment(
            pg_dump_versions=self._pg_dump_versions(),
            source_databases=self._count(self._pending, mapping, "source"),
            source_slots=self._count(self._with_slot, mapping, "source"),
            destination_databases=self._count(self._databases, mapping, "destination"),
            colliding_roles=tuple(self._colliding_roles(mapping)),
        )

    def _colliding_roles(self, mapping: str) -> Iterator[RoleDifference]:
        ours, policy = self._roles.get(mapping, (None, RolePolicy()))
        for other in self._sharing(mapping, "destination"):
            theirs, their_policy = self._roles.get(other, (None, RolePolicy()))
            if other != mapping and ours is not None and theirs is not None:
                own = policy.own | their_policy.own
                yield from collisions(ours, theirs, replace(policy, own=own), other)

    def _pg_dump_versions(self) -> tuple[int, ...]:
        """Look again now and then: somebody may install it while we wait."""
        if time.monotonic() >= self._programs_due:
            self._programs_due = time.monotonic() + PROGRAMS_INTERVAL_SECONDS
            self._programs = versions(self._settings.postgres_bin_dir)
        return self._programs

    def colliding(self, mapping: str, database: str) -> tuple[str, ...]:
        """Return the other mappings that bring a database of that name to the same server."""
        return tuple(
            other
            for other in self._sharing(mapping, "destination")
            if other != mapping and database in self._databases.get(other, ())
        )

    def _count(self, announced: Mapping[str, frozenset[str]], mapping: str, side: str) -> int:
        return sum(len(announced.get(m, ())) for m in self._sharing(mapping, side))

    def _sharing(self, mapping: str, side: str) -> list[str]:
        """Return the mappings whose instance on that side is the same server."""
        return [
            name
            for name in self._settings.mappings
            if self._address(name, side) == self._address(mapping, side)
        ]

    def _address(self, mapping: str, side: str) -> tuple[str, int]:
        name = getattr(self._settings.mappings[mapping], side)
        instance = self._settings.instances[name]
        return instance.host, instance.port
