"""The shapes of the JSON that we serve: one description for mypy, for readers and for machines.

`docs/status.schema.json` is generated from here (`python -m pgmigrator.surface.documents`). null
means unknown, units stand last in names, instants are RFC 3339 in UTC.
"""

import json
import sys
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

# pydantic needs this one before Python 3.12
from typing_extensions import TypedDict

from pgmigrator.core.commands import OutcomeStatus, Verb
from pgmigrator.core.model import Phase, Severity
from pgmigrator.core.report import GateStatus, TableState, Throttle

SCHEMA_ID = "urn:pgmigrator:status:v1"

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(ge=0)]
Number = int | float


class DaemonDocument(TypedDict):
    """The daemon that answers."""

    version: str
    revision: str
    started_at: Instant
    #: waiting: another daemon holds the lease of some mapping
    lease: Literal["held", "waiting"]


class SummaryDocument(TypedDict):
    """How many mappings there are, and how many of them are in a phase to know of."""

    mappings: Count
    ready: Count
    failed: Count
    blocked: Count


class ProblemDocument(TypedDict):
    """Something wrong with one object, and the exact fix."""

    id: str
    severity: Severity
    object: str
    reason: str
    fix: str
    since: Instant


class GateDocument(TypedDict):
    """One condition of the green light."""

    name: str
    status: GateStatus
    value: Number | None
    limit: Number | None
    unit: str
    reason: str
    fix: str
    measured_at: Instant | None


class ReplicationDocument(TypedDict):
    """The slot on the source and the subscription on the destination."""

    lag_bytes: int | None
    lag_seconds: Number | None
    confirmed_lsn: str | None
    retained_wal_bytes: int | None
    sync_retained_wal_bytes: int | None
    safe_wal_bytes: int | None
    wal_runway_seconds: Number | None
    wal_status: str | None
    slot_active: bool | None
    subscription_enabled: bool | None
    workers: dict[str, int]
    apply_errors: int | None
    sync_errors: int | None
    conflicts: dict[str, int]


class CopyDocument(TypedDict):
    """The initial copy, from estimates: for progress bars only."""

    tables: dict[TableState, int]
    completed_bytes: int
    estimated_bytes: int
    completed_rows: int
    estimated_rows: int
    eta: Instant | None


class SequencesDocument(TypedDict):
    """The sequences of the source, and how many are not where they must be."""

    total: int | None
    behind: int | None
    missing: int | None


class VerificationDocument(TypedDict):
    """The last exact comparison of row counts."""

    verified: int
    mismatched: int
    unverified: int
    as_of: Instant | None
    row_count_delta: int | None


class DrainDocument(TypedDict):
    """What the last drain proved, or what it lacked."""

    database: str
    lsn: str | None
    proved: bool
    at: Instant
    duration_seconds: Number
    missing: list[str]
    not_covered: list[str]
    sequences: int


class SwitchedDocument(TypedDict):
    """The switch: from then on the destination is the truth."""

    lsn: str
    at: Instant
    late_writes: int | None


class DatabaseDocument(TypedDict):
    """One database of a mapping."""

    name: str
    phase: Phase
    phase_since: Instant
    reason: str
    observed_at: Instant
    ready: bool
    ready_since: Instant | None
    #: while every gate passes and the light is off: when they will have for the stable time
    stable_at: Instant | None
    blocking: list[str]
    gates: list[GateDocument]
    replication: ReplicationDocument
    copy: CopyDocument | None
    indexes: dict[str, int]
    sequences: SequencesDocument
    schema_drift: dict[str, int] | None
    verification: VerificationDocument
    drain: DrainDocument | None
    switched: SwitchedDocument | None
    source_oldest_transaction_at: Instant | None
    running: list[str]
    #: why its copy waits although nothing is wrong
    throttles: list[Throttle]
    problems: list[ProblemDocument]


class ServerDocument(TypedDict):
    """One side of a mapping."""

    instance: str
    version: str | None
    up: bool
    observed_at: Instant | None
    reason: str


class LimitsDocument(TypedDict):
    """The limits of the green light and of the WAL that a slot may keep, as configured."""

    max_lag_bytes: int
    max_lag_seconds: Number
    stable_seconds: Number
    max_retained_wal_bytes: int


class MappingDocument(TypedDict):
    """One mapping: a source instance to a destination instance."""

    name: str
    phase: Phase
    phase_since: Instant
    ready: bool
    lease: Literal["held", "waiting"]
    observed_at: Instant
    refresh_interval_seconds: Number
    limits: LimitsDocument
    source: ServerDocument
    destination: ServerDocument
    source_sessions_blocked: int | None
    problems: list[ProblemDocument]
    databases: list[DatabaseDocument]


class StatusDocument(TypedDict):
    """`GET /status`: everything that the daemon knows."""

    api_version: Literal["v1"]
    #: null: no tick has ended yet
    generated_at: Instant | None
    daemon: DaemonDocument
    summary: SummaryDocument
    mappings: list[MappingDocument]


class TableDocument(TypedDict):
    """One table of the source."""

    schema: str
    table: str
    state: TableState
    completed_bytes: int | None
    estimated_bytes: int
    completed_rows: int | None
    estimated_rows: int
    reason: str


class TablesDocument(TypedDict):
    """One page of `GET /status/{mapping}/{database}/tables`, ordered by schema and name."""

    items: list[TableDocument]
    #: null: this is the last page
    next_cursor: str | None
    #: of all pages
    total: Count


class BlockingDocument(TypedDict):
    """One gate that keeps the light of one database off."""

    database: str
    gate: str
    status: GateStatus
    reason: str
    fix: str


class CutoverDatabaseDocument(TypedDict):
    """The light of one database."""

    name: str
    phase: Phase
    ready: bool
    since: Instant | None
    #: while every gate passes and the light is off: when they will have for the stable time
    stable_at: Instant | None
    reason: str


class CutoverDocument(TypedDict):
    """`GET /cutover/{mapping}`: the green light."""

    mapping: str
    ready: bool
    #: since when every database has been ready
    since: Instant | None
    blocking: list[BlockingDocument]
    #: what concerns the mapping as a whole; one that blocks keeps the light off
    problems: list[ProblemDocument]
    databases: list[CutoverDatabaseDocument]


class BlockerDocument(TypedDict):
    """One thing that stands against a command."""

    database: str
    object: str
    status: str
    reason: str
    fix: str


class OutcomeDocument(TypedDict):
    """The answer to a command; members of a problem document when it was refused."""

    mapping: str
    verb: Verb
    outcome: OutcomeStatus
    message: str
    blocking: list[BlockerDocument]
    drains: list[DrainDocument]


class _Untitled(GenerateJsonSchema):
    """Leaves out titles that only repeat the name of a member."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema() -> dict[str, Any]:
    """Build the JSON Schema of `/status`; the other documents are among its `$defs`."""
    kinds = (StatusDocument, TablesDocument, CutoverDocument, OutcomeDocument)
    _, found = TypeAdapter.json_schemas(
        [(kind.__name__, "serialization", TypeAdapter(kind)) for kind in kinds],
        schema_generator=_Untitled,
    )
    definitions = found["$defs"]
    for definition in definitions.values():
        if definition["type"] == "object":
            definition["additionalProperties"] = False
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Postgres Migrator: GET /status",
        "$ref": f"#/$defs/{StatusDocument.__name__}",
        "$defs": definitions,
    }


def schema_text() -> str:
    """Print the schema the way it is published."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
