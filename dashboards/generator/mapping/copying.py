"""Row "Copy and indexes": the initial copy, its end, and what is built after it."""

from typing import Any

from dashboards.generator.databases import LIMITS, NAME, by_label
from dashboards.generator.panels import Panel, graph, query
from dashboards.generator.queries import of_database, worst
from dashboards.generator.shared import copy_ends


def row() -> list[Any]:
    """Build the row."""
    return [_copy(), copy_ends(width=4, height=8), _indexes()]


def _copy() -> Any:
    return graph(
        Panel(
            title="Initial copy",
            description="Bytes copied, and the estimate of all. A retried copy goes back.",
            width=12,
            height=8,
            unit="bytes",
            min=0,
            runbook="PgMigratorCopyStalled",
        ),
        query(worst(of_database("copy_completed_bytes")), NAME),
        query(worst(of_database("copy_estimated_bytes")), f"{NAME}: at most"),
        limits=LIMITS,
    )


def _indexes() -> Any:
    return by_label(
        Panel(
            title="Indexes on the destination",
            description="Built after the copy. problem: invalid, REINDEX it.",
            width=8,
            height=8,
            unit="short",
            min=0,
            runbook="PgMigratorSchemaDrift",
        ),
        "indexes",
        "state",
    )
