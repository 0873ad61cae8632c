"""Row "Comparisons": what was compared on both sides, when, and what differs."""

from typing import Any

from dashboards.generator import words
from dashboards.generator.databases import age, by_label, number
from dashboards.generator.panels import Panel, high_is_bad

from pgmigrator.surface.catalogue import ALERT_LIMITS_SECONDS


def row() -> list[Any]:
    """Build the row."""
    return [_verified(), _verified_at(), _differing(), _delta(), _drift(), _sequences()]


def _verified() -> Any:
    return by_label(
        Panel(
            title="Tables by the result of the last comparison",
            description="Exact counts of both sides at one LSN; where rows were rewritten since"
            " their copy, the rows too. mismatch: do not cut over. unverified: not in it, or"
            " rewritten since.",
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
            description="Age of the last comparison that came to its end.",
            width=4,
            unit="s",
            steps=high_is_bad(limit / 2, limit),
            runbook="PgMigratorVerificationStale",
            empty="not yet, or NO DATA",
        ),
        "verification_last_success_timestamp_seconds",
    )


def _differing() -> Any:
    return number(
        Panel(
            title="Tables that differ",
            description="In the number of their rows, or in the rows themselves, at the last"
            " comparison.",
            width=4,
            unit="short",
            steps=((None, words.PASS), (1, words.FAIL)),
            runbook="PgMigratorContentMismatch",
            empty="not yet compared, or NO DATA",
        ),
        "verified_tables",
        'result="mismatch"',
    )


def _delta() -> Any:
    return number(
        Panel(
            title="Difference of row counts",
            description="Sum over all tables at the last count. 0 says nothing of rows that are"
            " other ones: see the tables that differ.",
            width=4,
            unit="short",
            steps=((None, words.UNKNOWN), (1, words.FAIL)),
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
