"""One mapping in detail: phases, gates, lag, WAL, errors, and what was compared."""

from typing import Any

from dashboards.generator.mapping import (
    comparisons,
    copying,
    cutover,
    problems,
    replication,
    top,
    wal,
)
from dashboards.generator.panels import dashboard as build


def dashboard() -> Any:
    """Build pgmigrator-mapping."""
    return build(
        "pgmigrator-mapping",
        "Mapping",
        "One mapping in detail: where it stands, what keeps its light off, and what is at risk.",
        {
            "": top.row(),
            "Replication": replication.row(),
            "WAL on the source": wal.row(),
            "Copy and indexes": copying.row(),
            "Comparisons": comparisons.row(),
            "Problems": problems.row(),
            "Cutover": cutover.row(),
        },
    )
