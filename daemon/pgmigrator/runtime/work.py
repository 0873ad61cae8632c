"""What an action needs to be done."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pgmigrator.core.facts import DestinationFacts, SourceFacts
from pgmigrator.core.marker import Marker, Step
from pgmigrator.core.model import Observation
from pgmigrator.core.names import Names
from pgmigrator.core.roles import RolePolicy
from pgmigrator.errors import Unreachable
from pgmigrator.postgres import bookkeeping
from pgmigrator.postgres import marker as marker_store
from pgmigrator.postgres.connect import Endpoint, session
from pgmigrator.postgres.observe import Observer
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.runtime.unit import Unit


@dataclass(frozen=True, slots=True)
class Work:
    """The context of one action."""

    unit: Unit
    obs: Observation
    source: Endpoint
    destination: Endpoint
    role_policy: RolePolicy
    postgres_bin_dir: Path | None
    observer: Observer
    #: one dump per source instance at a time: its locks add up
    dump_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: roles belong to the whole destination instance: databases create them one after the other
    roles_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def names(self) -> Names:
        """The names of what is ours."""
        assert self.obs.names is not None
        return self.obs.names

    @property
    def here(self) -> SourceFacts:
        """The source's side; actions that need it start only when it is known."""
        if self.obs.source is None:
            raise Unreachable(self.obs.source_error)
        return self.obs.source

    @property
    def there(self) -> DestinationFacts:
        """The destination's side; actions that need it start only when it is known."""
        if self.obs.destination is None:
            raise Unreachable(self.obs.destination_error)
        return self.obs.destination

    @property
    def pair(self) -> DatabasePair:
        """Both ends of the database."""
        return DatabasePair(
            self.source,
            self.destination,
            self.obs.database,
            self.names,
            self.obs.policy.keeps_tablespaces,
        )

    def new_marker(self, *, created: bool) -> Callable[[int], Marker]:
        """Return what makes the first marker from the oid of the destination's database."""
        here, there = self.here, self.there
        assert here.database is not None
        source_oid = here.database.oid

        def make(oid: int) -> Marker:
            return Marker(
                mapping=self.obs.mapping,
                database_oid=oid,
                source=here.server.identity,
                destination=there.server.identity,
                source_database=self.obs.database,
                source_database_oid=source_oid,
                created=created,
            )

        return make

    async def mark(self, *steps: Step, created: SourceFacts | None = None) -> None:
        """Add steps to the marker as it stands now, read again; with a note of what we created."""
        async with (
            session(self.destination, self.obs.database, "mark") as connection,
            connection.transaction(),
        ):
            if created is not None:
                tables = [(None, table.name) for table in created.tables]
                await bookkeeping.remember(connection, tables, created=True)
                roots = [(table.oid, table.name) for table in created.partitioned]
                await bookkeeping.remember_partitioned(connection, roots)
            binding = await marker_store.bind(connection, self.obs.mapping, self.obs.database)
            marker = await marker_store.read(connection, self.obs.database, binding)
            if marker is None:
                raise Unreachable("the marker is gone; observing again")
            await marker_store.write(connection, marker.having(*steps), self.obs.database)
