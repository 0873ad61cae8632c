"""The marker: what the catalogs cannot show, kept as one setting of the destination database.

`pgmigrator.state` is JSON, bound to the destination's system identifier, the database's oid and the
mapping. A marker that is bound to anything else is not ours and is ignored: `pg_dump -C` carries
such settings to other servers.
"""

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from pgmigrator.errors import MigratorError

SETTING = "pgmigrator.state"
FORMAT_VERSION = 1


class Step(StrEnum):
    """A step that a database has passed, for good."""

    SCHEMA_DONE = "schema_done"
    SUBSCRIBED = "subscribed"
    COPIED = "copied"
    INDEXED = "indexed"
    SWITCHED = "switched"
    COMPLETING = "completing"
    COMPLETED = "completed"
    ABANDONED = "abandoned"


#: from the switch on the destination belongs to the application
ENDED = frozenset({Step.SWITCHED, Step.COMPLETING, Step.COMPLETED, Step.ABANDONED})


class NewerMarker(MigratorError):
    """A newer daemon wrote this marker: this one stands by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerIdentity:
    """A change of either value means a failover or a restore."""

    system_identifier: int
    timeline: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """What was true when the operator switched."""

    #: the source's LSN up to which the drain proved everything applied
    lsn: int
    #: epoch seconds
    at: float
    #: tells whether the destination was written to since (see postgres/drain.py)
    baseline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The state of one destination database."""

    mapping: str
    database_oid: int
    source: ServerIdentity
    destination: ServerIdentity
    source_database: str
    source_database_oid: int
    #: False: the database stood there empty, and is therefore never dropped
    created: bool
    steps: frozenset[Step] = frozenset()
    #: of our subscription, by which its table-sync slots are named; 0: there has been none
    subscription_oid: int = 0
    switch: Switch | None = None
    #: the source did not answer when the rest was removed: something of ours may be there
    source_left: bool = False
    #: why a `complete` was forced
    reason: str = ""

    @property
    def ended(self) -> bool:
        """From the switch on, nothing is followed or judged any more."""
        return bool(self.steps & ENDED)

    def having(self, *steps: Step) -> "Marker":
        """Return this marker with further steps passed."""
        return replace(self, steps=self.steps | set(steps))

    def because(self, reason: str) -> "Marker":
        """Return this marker with the reason for a forced `complete`; "" keeps what stands."""
        return replace(self, reason=reason or self.reason)


@dataclass(frozen=True, slots=True)
class Binding:
    """What a marker must agree with to be believed."""

    mapping: str
    database_oid: int
    system_identifier: int


def dump(marker: Marker) -> str:
    """Serialise a marker, the steps sorted so that equal markers are equal text."""
    body = asdict(marker) | {"steps": sorted(marker.steps)}
    return json.dumps({"version": FORMAT_VERSION} | body, sort_keys=True)


def load(text: str, binding: Binding) -> Marker | None:
    """Read a marker; None if it is bound to something else or is no marker at all.

    :raises NewerMarker: a newer daemon wrote it.
    """
    try:
        body = json.loads(text)
        version = int(body.pop("version"))
    except (ValueError, KeyError, AttributeError, TypeError, OverflowError):
        return None
    if version > FORMAT_VERSION:
        raise NewerMarker(
            f"the marker of this database has format {version}, this daemon knows {FORMAT_VERSION}:"
            " run the newer daemon"
        )
    try:
        marker = _from_json(body)
    except (KeyError, TypeError, ValueError):
        return None
    found = Binding(marker.mapping, marker.database_oid, marker.destination.system_identifier)
    return marker if found == binding else None


def other_mapping(text: str, binding: Binding) -> str:
    """Return the mapping that a marker belongs to, if it is another one of this very database."""
    try:
        named = str(json.loads(text)["mapping"])
    except (ValueError, KeyError, TypeError):
        return ""
    if named == binding.mapping or load(text, replace(binding, mapping=named)) is None:
        return ""
    return named


def _from_json(body: dict[str, object]) -> Marker:
    nested = dict(body)
    nested["source"] = ServerIdentity(**_mapping(body["source"]))
    nested["destination"] = ServerIdentity(**_mapping(body["destination"]))
    nested["switch"] = Switch(**_mapping(body["switch"])) if body.get("switch") else None
    steps = body["steps"]
    if not isinstance(steps, list):
        raise TypeError("steps")
    nested["steps"] = frozenset(Step(step) for step in steps)
    return Marker(**nested)  # type: ignore[arg-type]


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(value)
    return value
