"""From a report to the documents of `/status` and `/cutover`: pure, and nothing is left unsaid.

Callers pass a report that went through `core.freshness.fresh`.
"""

import base64
import binascii
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pgmigrator.core.commands import Blocker, Command, Outcome
from pgmigrator.core.model import Phase
from pgmigrator.core.names import format_lsn
from pgmigrator.core.report import (
    CopyProgress,
    DatabaseReport,
    DrainProof,
    GateResult,
    MappingReport,
    OpenProblem,
    Replication,
    Report,
    ServerReport,
    TableReport,
    TableState,
    Verification,
)
from pgmigrator.errors import MigratorError
from pgmigrator.surface import documents as d

LIMIT_DEFAULT = 100
LIMIT_MAX = 1000


class BadPage(MigratorError, ValueError):
    """A page of tables was asked for with a limit, a state or a cursor that cannot be."""


def instant(at: float) -> str:
    """Write epoch seconds as RFC 3339, in UTC, to the millisecond.

    >>> instant(0)
    '1970-01-01T00:00:00.000Z'
    """
    moment = datetime.fromtimestamp(at, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status(report: Report) -> d.StatusDocument:
    """Render the whole report."""
    phases = [mapping.phase for mapping in report.mappings]
    return {
        "api_version": "v1",
        "generated_at": _optional_instant(report.generated_at),
        "daemon": {
            "version": report.version,
            "revision": report.revision,
            "started_at": instant(report.started_at),
            "lease": _lease(
                bool(report.mappings) and all(mapping.lease_held for mapping in report.mappings)
            ),
        },
        "summary": {
            "mappings": len(phases),
            "ready": sum(mapping.ready for mapping in report.mappings),
            "failed": phases.count(Phase.FAILED),
            "blocked": phases.count(Phase.BLOCKED),
        },
        "mappings": [mapping_status(mapping) for mapping in report.mappings],
    }


def mapping_status(mapping: MappingReport) -> d.MappingDocument:
    """Render one mapping with its databases."""
    return {
        "name": mapping.name,
        "phase": mapping.phase,
        "phase_since": instant(mapping.phase_since),
        "ready": mapping.ready,
        "lease": _lease(mapping.lease_held),
        "observed_at": instant(mapping.observed_at),
        "refresh_interval_seconds": mapping.refresh_interval_seconds,
        "limits": {
            "max_lag_bytes": mapping.max_lag_bytes,
            "max_lag_seconds": mapping.max_lag_seconds,
            "stable_seconds": mapping.stable_seconds,
            "max_retained_wal_bytes": mapping.max_retained_wal_bytes,
        },
        "source": _server(mapping.source),
        "destination": _server(mapping.destination),
        "source_sessions_blocked": mapping.source_sessions_blocked,
        "problems": _problems(mapping.problems),
        "databases": [database_status(database) for database in mapping.databases],
    }


def database_status(database: DatabaseReport) -> d.DatabaseDocument:
    """Render one database."""
    switched = database.switched
    return {
        "name": database.name,
        "phase": database.phase,
        "phase_since": instant(database.phase_since),
        "reason": database.reason,
        "observed_at": instant(database.observed_at),
        "ready": database.ready,
        "ready_since": _optional_instant(database.ready_since),
        "stable_at": _optional_instant(database.stable_at),
        "blocking": [gate.name for gate in database.blocking],
        "gates": [_gate(gate) for gate in database.gates],
        "replication": _replication(database.replication),
        "copy": _copy(database.copy),
        "indexes": dict(database.indexes),
        "sequences": {
            "total": database.sequences_total,
            "behind": database.sequences_behind,
            "missing": database.sequences_missing,
        },
        "schema_drift": None if database.schema_drift is None else dict(database.schema_drift),
        "verification": _verification(database.verification),
        "drain": drain(database.drain) if database.drain else None,
        "switched": {
            "lsn": format_lsn(switched.lsn),
            "at": instant(switched.at),
            "late_writes": switched.late_writes,
        }
        if switched
        else None,
        "source_oldest_transaction_at": _optional_instant(database.source_oldest_transaction_at),
        "running": list(database.running),
        "throttles": sorted(database.throttles),
        "problems": _problems(database.problems),
    }


def assert_shown(database: DatabaseReport) -> None:
    """Make sure that a report can be shown, lest it take all the others down with it.

    :raises Exception: it cannot.
    """
    json.dumps(database_status(database), allow_nan=False)


def tables_page(
    database: DatabaseReport,
    state: str | None = None,
    limit: str | None = None,
    cursor: str | None = None,
) -> d.TablesDocument:
    """Render one page of tables; the parameters are as they came in the query.

    The cursor names the last table of the page before, so that tables which come and go between
    two requests neither repeat nor skip others.

    :raises BadPage: a parameter makes no sense.
    """
    wanted, size = _state(state), _limit(limit)
    found = sorted(
        (table for table in database.tables if wanted in (None, table.state)),
        key=lambda table: table.name,
    )
    after = _read_cursor(cursor)
    rest = [table for table in found if (table.name.schema, table.name.name) > after]
    page = rest[:size]
    return {
        "items": [_table(table) for table in page],
        "next_cursor": _write_cursor(page[-1]) if len(rest) > size else None,
        "total": len(found),
    }


def cutover(mapping: MappingReport) -> d.CutoverDocument:
    """Render the green light of one mapping."""
    since = [database.ready_since for database in mapping.databases]
    known = [at for at in since if at is not None]
    return {
        "mapping": mapping.name,
        "ready": mapping.ready,
        "since": instant(max(known)) if mapping.ready and known else None,
        "blocking": [
            {
                "database": database.name,
                "gate": gate.name,
                "status": gate.status,
                "reason": gate.reason,
                "fix": gate.fix,
            }
            for database in mapping.databases
            for gate in database.blocking
        ],
        "problems": _problems(mapping.problems),
        "databases": [
            {
                "name": database.name,
                "phase": database.phase,
                "ready": database.ready,
                "since": _optional_instant(database.ready_since),
                "stable_at": _optional_instant(database.stable_at),
                "reason": database.reason,
            }
            for database in mapping.databases
        ],
    }


def outcome(command: Command, result: Outcome) -> d.OutcomeDocument:
    """Render the answer to a command."""
    return {
        "mapping": command.mapping,
        "verb": command.verb,
        "outcome": result.status,
        "message": result.message,
        "blocking": [_blocker(blocker) for blocker in result.blocking],
        "drains": [drain(proof) for proof in result.drains],
    }


def drain(proof: DrainProof) -> d.DrainDocument:
    """Render what a drain proved."""
    return {
        "database": proof.database,
        "lsn": _lsn(proof.lsn),
        "proved": proof.proved,
        "at": instant(proof.at),
        "duration_seconds": round(proof.duration_seconds, 3),
        "missing": list(proof.missing),
        "not_covered": list(proof.not_covered),
        "sequences": proof.sequences,
    }


# --- parts ---------------------------------------------------------------------------------------


def _optional_instant(at: float | None) -> str | None:
    return None if at is None else instant(at)


def _lsn(lsn: int | None) -> str | None:
    return None if lsn is None else format_lsn(lsn)


def _number(value: float | None) -> d.Number | None:
    """Print whole numbers whole, others to the thousandth; what is no number is unknown."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else round(value, 3)


def _lease(held: bool) -> Literal["held", "waiting"]:
    return "held" if held else "waiting"


def _server(server: ServerReport) -> d.ServerDocument:
    return {
        "instance": server.instance,
        "version": server.version,
        "up": server.up,
        "observed_at": _optional_instant(server.observed_at),
        "reason": server.reason,
    }


def _problems(problems: Sequence[OpenProblem]) -> list[d.ProblemDocument]:
    return [
        {
            "id": each.id,
            "severity": each.problem.severity,
            "object": each.problem.object,
            "reason": each.problem.reason,
            "fix": each.problem.fix,
            "since": instant(each.since),
        }
        for each in problems
    ]


def _gate(gate: GateResult) -> d.GateDocument:
    return {
        "name": gate.name,
        "status": gate.status,
        "value": _number(gate.value),
        "limit": _number(gate.limit),
        "unit": gate.unit,
        "reason": gate.reason,
        "fix": gate.fix,
        "measured_at": _optional_instant(gate.measured_at),
    }


def _replication(replication: Replication) -> d.ReplicationDocument:
    return {
        "lag_bytes": replication.lag_bytes,
        "lag_seconds": _number(replication.lag_seconds),
        "confirmed_lsn": _lsn(replication.confirmed_lsn),
        "retained_wal_bytes": replication.retained_wal_bytes,
        "sync_retained_wal_bytes": replication.sync_retained_wal_bytes,
        "safe_wal_bytes": replication.safe_wal_bytes,
        "wal_runway_seconds": _number(replication.wal_runway_seconds),
        "wal_status": replication.wal_status,
        "slot_active": replication.slot_active,
        "subscription_enabled": replication.subscription_enabled,
        "workers": dict(replication.workers),
        "apply_errors": replication.apply_errors,
        "sync_errors": replication.sync_errors,
        "conflicts": dict(replication.conflicts),
    }


def _copy(copy: CopyProgress | None) -> d.CopyDocument | None:
    if copy is None:
        return None
    return {
        "tables": dict(copy.tables),
        "completed_bytes": copy.completed_bytes,
        "estimated_bytes": copy.estimated_bytes,
        "completed_rows": copy.completed_rows,
        "estimated_rows": copy.estimated_rows,
        "eta": _optional_instant(copy.eta_at),
    }


def _verification(verification: Verification) -> d.VerificationDocument:
    return {
        "verified": verification.verified_tables,
        "mismatched": verification.mismatched_tables,
        "unverified": verification.unverified_tables,
        "as_of": _optional_instant(verification.at),
        "row_count_delta": verification.row_count_delta_rows,
    }


def _blocker(blocker: Blocker) -> d.BlockerDocument:
    return {
        "database": blocker.database,
        "object": blocker.object,
        "status": blocker.status,
        "reason": blocker.reason,
        "fix": blocker.fix,
    }


def _table(table: TableReport) -> d.TableDocument:
    return {
        "schema": table.name.schema,
        "table": table.name.name,
        "state": table.state,
        "completed_bytes": table.completed_bytes,
        "estimated_bytes": table.estimated_bytes,
        "completed_rows": table.completed_rows,
        "estimated_rows": table.estimated_rows,
        "reason": table.reason,
    }


# --- pages ---------------------------------------------------------------------------------------


def _state(text: str | None) -> TableState | None:
    if text is None:
        return None
    try:
        return TableState(text)
    except ValueError:
        raise BadPage(f"state must be one of: {', '.join(TableState)}") from None


def _limit(text: str | None) -> int:
    if text is None:
        return LIMIT_DEFAULT
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LIMIT_MAX):
        raise BadPage(f"limit must be a number from 1 to {LIMIT_MAX}")
    return int(text)


def _write_cursor(last: TableReport) -> str:
    body = json.dumps([last.name.schema, last.name.name]).encode()
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def _read_cursor(text: str | None) -> tuple[str, str]:
    if text is None:
        return ("", "")
    try:
        body = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        schema, name = body
    except (binascii.Error, ValueError, TypeError):
        raise BadPage("cursor is not one of ours: take next_cursor from the page before") from None
    if not (isinstance(schema, str) and isinstance(name, str)):
        raise BadPage("cursor is not one of ours: take next_cursor from the page before")
    return (schema, name)
