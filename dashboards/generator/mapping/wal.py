"""Row "WAL on the source": what is kept there for us, and for how long that may go on."""

from typing import Any

from dashboards.generator import words
from dashboards.generator.databases import LIMITS, NAME, age, number
from dashboards.generator.panels import Panel, graph, high_is_bad, query, timeline
from dashboards.generator.queries import of_daemon, of_database, of_mapping, wal_status, worst

from pgmigrator.surface.catalogue import ALERT_LIMITS_SECONDS


def row() -> list[Any]:
    """Build the row."""
    return [_retained(), _runway(), _wal_status(), _slot(), _transaction()]


def _retained() -> Any:
    return graph(
        Panel(
            title="WAL that the source keeps for us",
            description="main: for the slot; sync: for running copies. At MAX_RETAINED_WAL (the"
            " limit) the daemon gives the slot up, so that the source's disk does not fill.",
            width=12,
            height=8,
            unit="bytes",
            min=0,
            runbook="PgMigratorRetainedWalHigh",
        ),
        query(
            worst(of_database("slot_retained_wal_bytes"), "mapping", "database", "slot"),
            f"{NAME}: {{{{slot}}}}",
        ),
        query(worst(of_database("slot_safe_wal_bytes")), f"{NAME}: still allowed by the source"),
        query(worst(of_mapping("max_retained_wal_bytes"), "mapping"), "{{mapping}}: limit"),
        limits=LIMITS,
    )


def _runway() -> Any:
    return graph(
        Panel(
            title="WAL runway",
            description="Predicted time until the slot is given up, and where the alerts begin."
            " Absent while the WAL that is kept does not grow.",
            width=12,
            height=8,
            unit="s",
            min=0,
            runbook="PgMigratorWalRunwayShort",
            empty="not growing, or NO DATA",
        ),
        query(f"min by (mapping, database) ({of_database('slot_wal_runway_seconds')})", NAME),
        query(
            worst(of_daemon("alert_limit_seconds", 'limit=~"wal_runway.+"'), "limit"),
            "{{limit}} limit",
        ),
        limits=LIMITS,
    )


def _wal_status() -> Any:
    return timeline(
        Panel(
            title="Is the WAL still there?",
            description="reserved and extended are fine. unreserved: the next checkpoint may remove"
            " WAL that is needed. lost: this database must be copied anew.",
            width=12,
            words=words.WAL,
            runbook="PgMigratorSlotUnreserved",
        ),
        query(wal_status(), NAME),
    )


def _slot() -> Any:
    return number(
        Panel(
            title="Slot",
            description="Whether the destination reads from the slot now.",
            width=6,
            words=words.IN_USE,
            runbook="PgMigratorSlotInactive",
        ),
        "slot_active",
    )


def _transaction() -> Any:
    limit = ALERT_LIMITS_SECONDS["source_transaction_age"]
    return age(
        Panel(
            title="Oldest transaction on the source",
            description="A slot is created, and a drain proved, only once it has ended.",
            width=6,
            unit="s",
            steps=high_is_bad(limit / 4, limit),
            runbook="PgMigratorSourceTransactionTooOld",
            empty="none is open, or NO DATA",
        ),
        "source_oldest_transaction_timestamp_seconds",
    )
