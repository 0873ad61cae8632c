"""What every check is made of: what it declares, its findings, wordings.

A check is one function, made one by `check`: it yields what it found as severity, object, why that
matters, and the exact fix. Its docstring says what it demands.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Literal

from pgmigrator.core.conditions import DestinationConditions, SourceConditions
from pgmigrator.core.facts import Server
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation, Severity
from pgmigrator.core.names import quote_identifier

BLOCKS, DEGRADES, NOTE = Severity.BLOCKS, Severity.DEGRADES, Severity.NOTE

#: what quote_ident() leaves as it is, unless it is a keyword
PLAIN_NAME = re.compile("[a-z_][a-z0-9_]*")
#: what `max_slot_wal_keep_size` is proposed to be; services want it in MB
SLOT_LIMIT, SLOT_LIMIT_MB = "50GB", 51200


@dataclass(frozen=True, slots=True)
class Service:
    """A managed service: it takes no ALTER SYSTEM, and gives no superuser."""

    name: str
    #: where settings are kept
    where: str
    #: setting -> what it is called there, and its value
    renamed: Mapping[str, tuple[str, int | str]]


#: by what `Server.service` says
SERVICES: Mapping[str, Service] = {
    "rds": Service(
        "Amazon RDS or Aurora",
        "DB parameter group",
        {
            "wal_level": ("rds.logical_replication", 1),
            "max_slot_wal_keep_size": ("max_slot_wal_keep_size", SLOT_LIMIT_MB),
        },
    ),
    "cloudsql": Service(
        "Google Cloud SQL",
        "flags of the instance",
        {
            "wal_level": ("cloudsql.logical_decoding", "on"),
            "max_slot_wal_keep_size": ("max_slot_wal_keep_size", SLOT_LIMIT_MB),
        },
    ),
    "azure": Service(
        "Azure Database for PostgreSQL",
        "server parameters",
        {"max_slot_wal_keep_size": ("max_slot_wal_keep_size", SLOT_LIMIT_MB)},
    ),
}

Side = Literal["source", "destination", "both"]
#: severity, object, reason, fix
Found = tuple[Severity, str, str, str]
Finder = Callable[[Observation], Iterable[Found]]


@dataclass(frozen=True, slots=True)
class Check:
    """One entry of the catalogue."""

    id: str
    #: where the fix is to be made
    side: Side
    #: what it may answer
    severities: tuple[Severity, ...]
    #: what it demands
    meaning: str
    find: Finder
    #: it only counts until the subscription stands: later its facts include our own use
    before: bool

    def __call__(self, obs: Observation) -> Iterable[Found]:
        """Yield what is wrong."""
        if self.before and obs.marker is not None and Step.SUBSCRIBED in obs.marker.steps:
            return ()
        return self.find(obs)


def check(side: Side, *severities: Severity, before: bool = False) -> Callable[[Finder], Check]:
    """Make a function an entry of the catalogue."""

    def declared(find: Finder) -> Check:
        meaning = (inspect.getdoc(find) or "").split("\n")[0]
        return Check(find.__name__, side, severities, meaning, find, before)

    return declared


def ended(obs: Observation) -> bool:
    """From the switch on, the source's tables are no longer followed."""
    return obs.marker is not None and obs.marker.ended


def conditions_here(obs: Observation) -> SourceConditions:
    """Return what was read of the source; nothing, if it was not."""
    found = obs.source.conditions if obs.source else None
    return found or SourceConditions()


def conditions_there(obs: Observation) -> DestinationConditions:
    """Return what was read of the destination; nothing, if it was not."""
    found = obs.destination.conditions if obs.destination else None
    return found or DestinationConditions()


def subscribed(obs: Observation) -> bool:
    """Tell whether the migration is under way."""
    return obs.marker is not None and Step.SUBSCRIBED in obs.marker.steps


def blocks_at_first(obs: Observation) -> Severity:
    """Nothing is begun with it; what is under way goes on without a green light."""
    return DEGRADES if subscribed(obs) else BLOCKS


def kept_roles(obs: Observation, *policies: str) -> Iterator[str]:
    """Name the roles that the destination has otherwise and, by one of these policies, keeps so."""
    if obs.policy.role_conflicts in policies and obs.roles is not None:
        yield from (each.role for each in obs.roles.value if each.exists and not each.comment)


def spelt(*names: str) -> Iterator[str]:
    """Write names as quote_ident() might: not knowing all of its keywords, both ways."""
    for name in names:
        yield quote_identifier(name)
        if PLAIN_NAME.fullmatch(name):
            yield name


def resync_command(obs: Observation, table: object) -> str:
    """Write the command that copies a table anew."""
    return f"pgmigrator resync {obs.mapping} {quote(obs.database)} {quote(str(table))}"


def source_server(obs: Observation) -> Server:
    """Return the source; checks run only once it is known."""
    assert obs.source is not None
    return obs.source.server


def destination_server(obs: Observation) -> Server:
    """Return the destination; checks run only once it is known."""
    assert obs.destination is not None
    return obs.destination.server


def set_to(server: Server, name: str, value: int | str, *, restart: bool) -> str:
    """Say how to change a setting of a server: by SQL, or where a managed service keeps it."""
    if service := SERVICES.get(server.service):
        service_name, service_value = service.renamed.get(name, (name, value))
        then = "; then restart the instance" if restart else ""
        return f"in the {service.where}, set {service_name} = {service_value}{then}"
    then = "restart the server" if restart else "SELECT pg_reload_conf();"
    return f"ALTER SYSTEM SET {name} = '{value}'; then {then}"
