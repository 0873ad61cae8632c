"""Row "Comparisons": what was compared on both sides, when, and what differs."""

from typing import Any

from dashboards.generator import words
from dashboards.generator.databases import age, by_label, number
from dashboards.generator.panels import Panel, high_is_bad

from pgmigrator.surface.catalogue import ALERT_LIMITS_SECONDS


def row() -> list[Any]:
    """Build the row."""
    return [_verified(), _verified_at(), _delta(), _drift(), _sequences()]


def _verified() -> Any:
    return by_label(
        Panel(
            title="Tables by the result of the last count",
            description="Exact counts of both sides at one LSN. mismatch: rows are missing or too"
            " many; do not cut over.",
            width=12,
            unit="short",
            min=0,
            runbook="PgMigratorContentMismatch",
        ),
        "verified_tables",
        "result",
    )


def _verified_at() -> Any:
    limit = ALERT_LIMITS_SECONDS["verification_age"]
    return age(
        Panel(
            title="Rows last compared",
            description="Age of the last count that came to its end.",
            width=6,
            unit="s",
            steps=high_is_bad(limit / 2, limit),
            runbook="PgMigratorVerificationStale",
            empty="not yet, or NO DATA",
        ),
        "verification_last_success_timestamp_seconds",
    )


def _delta() -> Any:
    return number(
        Panel(
            title="Rows that differ",
            description="Sum of the differences of all tables at the last count.",
            width=6,
            unit="short",
            steps=((None, words.PASS), (1, words.FAIL)),
            runbook="PgMigratorContentMismatch",
            empty="not counted yet, or NO DATA",
        ),
        "row_count_delta_rows",
    )


def _drift() -> Any:
    return by_label(
        Panel(
            title="Schema drift",
            description="Objects that differ between both sides, by kind. DDL is not replicated:"
            " run it on both. Compared once the indexes are built.",
            width=12,
            unit="short",
            min=0,
            runbook="PgMigratorSchemaDrift",
            empty="not compared yet, or NO DATA",
        ),
        "schema_drift_objects",
        "kind",
    )


def _sequences() -> Any:
    return by_label(
        Panel(
            title="Sequences",
            description="behind: a busy application is always a few ahead, which the next tick"
            " makes up for. missing: create it on the destination.",
            width=12,
            unit="short",
            min=0,
            runbook="PgMigratorSequencesBehind",
        ),
        "sequences",
        "state",
    )
