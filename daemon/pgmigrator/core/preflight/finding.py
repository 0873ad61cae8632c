"""What every check is made of: what it declares, its findings, wordings.

A check is one function, made one by `check`: it yields what it found as severity, object, why that
matters, and the exact fix. Its docstring says what it demands.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Literal

from pgmigrator.core.facts import Server
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation, Severity

BLOCKS, DEGRADES, NOTE = Severity.BLOCKS, Severity.DEGRADES, Severity.NOTE

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
