"""Observing: one mapping's two servers, read over sessions that stay open between the ticks.

A side that does not answer is None with its reason, never an exception: what is unknown is data.
Facts that cost more than a tick may, are read on schedules of their own (see schedule.py).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from pgmigrator.core.conditions import DestinationConditions, SourceConditions
from pgmigrator.core.facts import DestinationFacts, SourceFacts
from pgmigrator.core.listing import Listing
from pgmigrator.core.marker import ENDED, Step
from pgmigrator.core.model import Measured, Observation, Policy, RoleDifference, SchemaItem
from pgmigrator.core.names import Names, names, sync_slots_pattern
from pgmigrator.core.preflight.servers import (
    MIN_DESTINATION_VERSION_NUM,
    MIN_SOURCE_VERSION_NUM,
)
from pgmigrator.core.roles import RolePolicy, Roles, login_roles, without_settings
from pgmigrator.core.roles import compare as compare_roles
from pgmigrator.errors import MigratorError, Unreachable
from pgmigrator.postgres import (
    conditions,
    fingerprint,
    marker,
    preload,
    roles,
    source,
    subscription,
)
from pgmigrator.postgres import destination as destination_facts
from pgmigrator.postgres.connect import Connection, Endpoint, fetch, translated
from pgmigrator.postgres.left_out import left_out
from pgmigrator.postgres.queries import query
from pgmigrator.postgres.schedule import Scheduled
from pgmigrator.postgres.sessions import Sessions

T = TypeVar("T")

log = structlog.get_logger()

#: reading one side of one database takes no longer than this
SIDE_TIMEOUT_S = 20.0
#: databases of one mapping that are observed at the same time
OBSERVED_AT_ONCE = 8
#: what only the checks look at is read this often
CONDITIONS_INTERVAL_S = 30.0


@dataclass(slots=True)
class _Schedules:
    """The costly facts of one database."""

    sizes: Scheduled[dict[int, int]]
    schema: Scheduled[tuple[SchemaItem, ...]]
    source: Scheduled[SourceConditions]
    destination: Scheduled[DestinationConditions]
    logins: Scheduled[Mapping[tuple[str, ...], str | None]]
    late_writes: Scheduled[int | None]


def _followed(there: DestinationFacts | None, known: Names) -> tuple[str, ...]:
    """Return the publications that our subscription follows."""
    subscription = there.subscription if there else None
    return subscription.publications if subscription else (known.publication,)


class Observer:
    """Reads everything about one mapping; only reads."""

    def __init__(
        self,
        source_endpoint: Endpoint,
        destination_endpoint: Endpoint,
        role_policy: RolePolicy,
        refresh_interval_seconds: float,
        timed: Callable[[str, str, float], None],
    ) -> None:
        """Bind to both ends of a mapping; sessions are opened when they are first needed.

        `timed(side, what, seconds)` is told how long each reading took.
        """
        self.source = source_endpoint
        self.destination = destination_endpoint
        #: roles of the source that can log in, for the guide; empty until they were read
        self.application_roles: tuple[str, ...] = ()
        self.role_policy = role_policy
        #: as they were last compared; None: they were not read
        self.source_roles: Roles | None = None
        self._refresh = refresh_interval_seconds
        self._timed = timed
        self._fresh = Policy(refresh_interval_seconds=refresh_interval_seconds).fresh_seconds
        self._sessions = Sessions()
        self._schedules: dict[str, _Schedules] = {}
        self._roles: Scheduled[tuple[RoleDifference, ...]] = Scheduled(
            refresh_interval_seconds, self._fresh
        )
        self._extensions: Scheduled[dict[str, str]] = Scheduled(60, self._fresh)
        self._route: Scheduled[str] = Scheduled(30, self._fresh)
        self._names: dict[str, Names] = {}
        self._with_objects: set[str] = set()
        self._sync_slots: dict[str, str] = {}

    async def close(self) -> None:
        """Close every session."""
        await self._sessions.close()

    async def leave(self, database: str) -> None:
        """Close our own sessions to a destination database that is about to be dropped."""
        await self._sessions.forget(self.destination, database)

    def expire(self, database: str) -> None:
        """Read the costly facts of a database anew: an action has changed them."""
        self._roles.expire()
        if database in self._schedules:
            self._schedules[database].schema.expire()
            self._schedules[database].late_writes.expire()
            self._schedules[database].destination.expire()

    async def source_databases(self, excluded: frozenset[str]) -> Listing:
        """Return the source's databases that hold user objects, those excluded left alone.

        One that cannot be read counts as if it did: it is not known that it does not.

        :raises Unreachable: the source does not answer.
        """
        async with asyncio.timeout(SIDE_TIMEOUT_S):
            with translated(self.source):
                admin = await self._sessions.get(self.source)
                rows = await fetch(admin, query("databases"))
            listed = [row for row in rows if row["name"] not in excluded]
            wanted = [row for row in listed if not row["template"]]
            present = [row["name"] for row in wanted if not (row["invalid"] or row["closed"])]
            unread = [name for name in present if name not in self._with_objects]
            refused = frozenset([name for name in unread if not await self._looked_into(name)])
        return Listing(
            databases=tuple(n for n in present if n in self._with_objects or n in refused),
            refused=refused,
            invalid=tuple(row["name"] for row in wanted if row["invalid"]),
            closed=tuple(row["name"] for row in wanted if row["closed"]),
            # never looked into: while anybody is connected to one, nobody can make a copy of it
            templates=tuple(row["name"] for row in listed if row["template"]),
        )

    async def destination_databases(self) -> tuple[str, ...]:
        """Return the destination's databases that bear the mapping's marker.

        :raises Unreachable: the destination does not answer.
        """
        async with asyncio.timeout(SIDE_TIMEOUT_S):
            with translated(self.destination):
                admin = await self._sessions.get(self.destination)
                server = await source.read_server(admin)
                return await marker.marked_databases(
                    admin, self.destination.mapping, server.identity.system_identifier
                )

    async def _looked_into(self, database: str) -> bool:
        """Note whether a database of the source has user objects; False: it cannot be read."""
        try:
            with translated(self.source):
                if await self._has_objects(database):
                    self._with_objects.add(database)
        except MigratorError:
            return False  # its own observation says why
        except Exception:
            log.exception("not read", mapping=self.source.mapping, database=database)
            return False
        return True

    async def _has_objects(self, database: str) -> bool:
        connection = await self._sessions.get(self.source, database)
        (row,) = await fetch(connection, query("has_user_objects"), {"marked": False})
        # the one that the settings connect to first is in use all the time, also by verbs
        if not row["has_user_objects"] and database != self.source.instance.database:
            await self._sessions.forget(self.source, database)
        return bool(row["has_user_objects"])

    async def observe(self, mapping: str, database: str, policy: Policy) -> Observation:
        """Read both sides of one database; what does not answer is None, with its reason."""
        at = time.time()
        there, destination_error = await self._side(
            self.destination,
            database,
            "observe",
            lambda: self._read_destination(mapping, database),
        )
        steps = there.marker.steps if there and there.marker else frozenset()
        here, source_error = await self._side(
            self.source, database, "observe", lambda: self._read_source(database, there, steps)
        )
        observation = Observation(
            mapping=mapping,
            database=database,
            at=at,
            policy=policy,
            names=self._names.get(database),
            source=here,
            source_error=source_error,
            destination=there,
            destination_error=destination_error,
        )
        return await self._with_comparisons(observation, steps)

    async def _side(
        self, endpoint: Endpoint, database: str, what: str, read: Callable[[], Awaitable[T]]
    ) -> tuple[T | None, str]:
        """Read something of one database; whatever happens, the sessions to others stay open."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(SIDE_TIMEOUT_S):
                with translated(endpoint):
                    return await read(), ""
        except TimeoutError:
            await self._sessions.forget_silent(endpoint, database)
            return None, f"{endpoint.side} {endpoint.name}: no answer in {SIDE_TIMEOUT_S:g} s"
        except Unreachable as error:
            await self._sessions.forget(endpoint, database)
            return None, str(error)
        except MigratorError as error:
            return None, str(error)
        except Exception as error:
            # one database that cannot be read never stops the others
            log.exception("not read", side=endpoint.side, mapping=endpoint.mapping)
            return None, f"{endpoint.side} {endpoint.name}: {type(error).__name__}, see the log"
        finally:
            self._timed(endpoint.side, what, time.perf_counter() - started)

    # --- the destination, first: its marker tells what to look for on the source ----------------

    async def _read_destination(self, mapping: str, database: str) -> DestinationFacts:
        admin = await self._sessions.get(self.destination)
        extensions = await self._extensions.get(lambda: source.read_available_extensions(admin))
        server = replace(await source.read_server(admin), available_extensions=extensions.value)
        system_identifier = server.identity.system_identifier
        oid = await self._source_oid(mapping, database, admin, system_identifier)
        if oid is not None:
            self._names[database] = names(mapping, oid, system_identifier)
        known = self._names.get(database)
        outside = await destination_facts.read_outside(admin, server, database)
        if outside.database is None or server.version_num < MIN_DESTINATION_VERSION_NUM:
            # an older server cannot even be asked the rest
            await self._sessions.forget(self.destination, database)
            return await self._there(database, outside)
        inside = await self._sessions.get(self.destination, database)
        found = await destination_facts.read_inside(inside, outside, mapping, known)
        if found.marker is None and database != self.destination.instance.database:
            # not ours: whoever drops or renames it, as we advise, finds nobody in it
            await self._sessions.forget(self.destination, database)
        return await self._there(database, found)

    async def _source_oid(
        self, mapping: str, database: str, admin: Connection, system_identifier: int
    ) -> int | None:
        """Return the source database's oid: the marker's word, else the source's."""
        marker = await destination_facts.read_marker(admin, database, mapping, system_identifier)
        if marker is not None:
            return marker.source_database_oid
        try:
            with translated(self.source):
                connection = await self._sessions.get(self.source)
                found = await source.read_database(connection, database)
        except MigratorError:
            return None
        return found.oid if found else None

    # --- the source -----------------------------------------------------------------------------

    async def _read_source(
        self, database: str, there: DestinationFacts | None, steps: frozenset[Step]
    ) -> SourceFacts:
        admin = await self._sessions.get(self.source)
        found = await source.read_database(admin, database)
        known = self._names.get(database)
        # an older server cannot even be asked the rest
        too_old = admin.info.server_version < MIN_SOURCE_VERSION_NUM
        if found is None or known is None or too_old:
            return SourceFacts(server=await source.read_server(admin), database=found)
        connection = await self._sessions.get(self.source, database)
        sizes = await self._scheduled(database).sizes.get(lambda: source.read_sizes(connection))
        watching = Step.SWITCHED in steps and Step.COMPLETED not in steps
        publications = _followed(there, known)

        async def late_writes() -> int | None:
            read = await self._scheduled(database).late_writes.get(
                lambda: source.read_late_writes(connection, known.subscription, publications)
            )
            # a late write stays in the slot; that there is none holds only for a while
            recent = time.time() - read.at <= self._fresh
            return read.value if read.value or recent else None

        facts = await source.read_source(
            connection,
            database,
            known,
            sizes.value,
            sync_slots=self._sync_slots_of(database, there),
            late_writes=late_writes if watching else None,
        )
        return facts if steps & ENDED else replace(facts, conditions=await self._here(database))

    async def _here(self, database: str) -> SourceConditions:
        """What only checks look at, on the source."""
        before = self._columns_here(database)
        found = await self._scheduled(database).source.get(
            lambda: conditions.read(SourceConditions, self.source, database)
        )
        if self._columns_here(database) != before:
            self._scheduled(database).destination.expire()  # it is to be read by the same
        return found.value

    def _columns_here(self, database: str) -> dict[str, tuple[str, ...]]:
        """Which columns the source's tables of extensions have, as they were last read."""
        last = self._scheduled(database).source.last
        return {table.object: table.columns for table in last.value.extension_rows} if last else {}

    async def _there(self, database: str, found: DestinationFacts) -> DestinationFacts:
        """Add what only checks look at, on the destination; a database not ours is not entered."""
        steps = found.marker.steps if found.marker else frozenset()
        if steps & ENDED:
            return found
        inside = self._inside(database, steps)
        read = await self._scheduled(database).destination.get(
            lambda: conditions.read(
                DestinationConditions, self.destination, inside, self._columns_here(database)
            )
        )
        return replace(found, conditions=read.value)

    def _inside(self, database: str, steps: frozenset[Step]) -> str:
        """Name the destination's database that checks look into: that itself once it is ours."""
        return database if Step.SCHEMA_DONE in steps else self.destination.instance.database

    def sync_slots(self, database: str) -> str:
        """Return the LIKE pattern of our table-sync slots; "" matches none."""
        return self._sync_slots.get(database, "")

    def _sync_slots_of(self, database: str, there: DestinationFacts | None) -> str:
        """Know them also while the destination is silent."""
        if there is not None and there.subscription is not None:
            self._sync_slots[database] = sync_slots_pattern(
                there.subscription.oid, there.server.identity.system_identifier
            )
        return self.sync_slots(database)

    # --- comparisons ----------------------------------------------------------------------------

    async def _with_comparisons(self, obs: Observation, steps: frozenset[Step]) -> Observation:
        if obs.source is None or obs.destination is None or steps & ENDED:
            return obs
        if obs.source.server.version_num < MIN_SOURCE_VERSION_NUM:
            return obs
        obs = await self._with_logins(obs, steps)
        compared, error = await self._side(
            self.source, obs.database, "compare", lambda: self._compare(obs, steps)
        )
        return compared if compared is not None else replace(obs, source_error=error)

    async def _compare(self, obs: Observation, steps: frozenset[Step]) -> Observation:
        found = await self._roles.get(self._compare_roles)
        obs = replace(obs, roles=found)
        if found.value:
            # afterwards, each time: a role that is not here yet may have been granted something
            here = await self._sessions.get(self.source, obs.database)
            home = await self._sessions.get(self.source)
            obs = replace(obs, tied_roles=await roles.read_tied(here, home))
        if Step.SUBSCRIBED not in steps:
            route = await self._route.get(
                lambda: subscription.probe_route(self.source, self.destination)
            )
            obs = replace(obs, environment=replace(obs.environment, route_error=route.value))
        there = obs.destination
        # without the step: an adopted database that a daemon restored right before it died?
        if Step.SCHEMA_DONE in steps or (there and there.marker and there.has_user_objects):
            created = bool(there and there.marker and there.marker.created)
            obs = replace(obs, schema=await self._compare_schema(obs, created=created))
        return obs

    async def _with_logins(self, obs: Observation, steps: frozenset[Step]) -> Observation:
        """Open a session with each setting of the source that loads libraries at login."""
        found = obs.source.conditions if obs.source else None
        wanted = frozenset(each.login for each in found.preloads) if found else frozenset()
        if not wanted:
            return obs
        inside, action = self._inside(obs.database, steps), "observe"

        async def log_in() -> dict[tuple[str, ...], str | None]:
            return {
                login: await preload.refusal(self.destination, inside, action, login)
                for login in wanted
            }

        schedule = self._scheduled(obs.database).logins
        if schedule.last is None or not wanted <= schedule.last.value.keys():
            schedule.expire()
        read, error = await self._side(
            self.destination, obs.database, action, lambda: schedule.get(log_in)
        )
        return replace(obs, logins=read.value) if read else replace(obs, destination_error=error)

    async def _compare_roles(self) -> tuple[RoleDifference, ...]:
        passwords = self.role_policy.passwords
        here = await self._sessions.get(self.source)
        there = await self._sessions.get(self.destination)
        theirs, ours = await roles.read(here, passwords), await roles.read(there, passwords)
        theirs = without_settings(theirs, await left_out(here, there))
        self.source_roles = theirs
        self.application_roles = login_roles(theirs, self.role_policy)
        return compare_roles(theirs, ours, self.role_policy)

    async def _compare_schema(
        self, obs: Observation, *, created: bool
    ) -> Measured[tuple[SchemaItem, ...]]:
        here = await self._sessions.get(self.source, obs.database)
        there = await self._sessions.get(self.destination, obs.database)
        return await self._scheduled(obs.database).schema.get(
            lambda: fingerprint.compare(
                here,
                there,
                created=created,
                tablespaces=obs.policy.keeps_tablespaces,
                at_once=OBSERVED_AT_ONCE,
            )
        )

    # --- schedules -----------------------------------------------------------------------------

    def _scheduled(self, database: str) -> _Schedules:
        if database not in self._schedules:
            self._schedules[database] = _Schedules(
                sizes=Scheduled(30, self._fresh),
                schema=Scheduled(self._refresh, self._fresh),
                source=Scheduled(CONDITIONS_INTERVAL_S, self._fresh),
                destination=Scheduled(CONDITIONS_INTERVAL_S, self._fresh),
                logins=Scheduled(CONDITIONS_INTERVAL_S, self._fresh),
                late_writes=Scheduled(self._refresh, self._fresh),
            )
        return self._schedules[database]
