"""Row "Replication": how far behind the destination is, and what holds it up."""

from typing import Any

from dashboards.generator.databases import NAME, against_limit, by_label
from dashboards.generator.panels import Panel, graph, query
from dashboards.generator.queries import of_database


def row() -> list[Any]:
    """Build the row."""
    return [_lag_seconds(), _lag_bytes(), _errors(), _workers()]


def _lag_seconds() -> Any:
    return against_limit(
        Panel(
            title="Lag in time",
            description="Age of the oldest change that the destination has not confirmed, and the"
            " limit of the gate lag_seconds.",
            width=12,
            height=8,
            unit="s",
            min=0,
            runbook="PgMigratorReplicationLagHigh",
        ),
        "replication_lag_seconds",
        "cutover_max_lag_seconds",
    )


def _lag_bytes() -> Any:
    return against_limit(
        Panel(
            title="Lag in bytes of WAL",
            description="WAL of the source that the destination has not confirmed, and the limit of"
            " the gate lag_bytes.",
            width=12,
            height=8,
            unit="bytes",
            min=0,
            runbook="PgMigratorReplicationStalled",
        ),
        "replication_lag_bytes",
        "cutover_max_lag_bytes",
    )


def _errors() -> Any:
    def grown(name: str, *labels: str) -> str:
        by = ", ".join(("mapping", "database", *labels))
        return f"sum by ({by}) (increase({of_database(name)}[$__rate_interval]))"

    return graph(
        Panel(
            title="Errors and conflicts",
            description="How many came up in each interval. An apply error holds all replication of"
            " its database up; a conflict means that both sides have diverged.",
            width=12,
            unit="short",
            min=0,
            runbook="PgMigratorApplyErrors",
        ),
        query(grown("apply_errors_total"), f"{NAME}: apply"),
        query(grown("sync_errors_total"), f"{NAME}: copy"),
        query(grown("conflicts_total", "conflict"), f"{NAME}: {{{{conflict}}}}"),
    )


def _workers() -> Any:
    return by_label(
        Panel(
            title="Workers of the subscription",
            description="apply streams the changes; table synchronization workers copy. None at all"
            " means that nothing is replicated.",
            width=12,
            unit="short",
            min=0,
            runbook="PgMigratorSlotInactive",
        ),
        "subscription_workers",
        "worker_type",
    )
