"""Row "Problems": what is open, and what waits on purpose."""

from typing import Any

from dashboards.generator import words
from dashboards.generator.panels import Column, Panel, query, stat_panel, table_panel
from dashboards.generator.queries import of_database, of_mapping, worst

BY = ("instance", "mapping", "database", "severity")
STATUS = "http://${__data.fields.Daemon}/status/${__data.fields.Mapping}?format=text"


def row() -> list[Any]:
    """Build the row."""
    return [_problems(), _throttle()]


def _problems() -> Any:
    return table_panel(
        Panel(
            title="Open problems",
            description="How many there are. Each with its object, its reason and the exact fix:"
            " click if you can reach the daemon, or"
            ' curl -s "$URL/status/<mapping>?format=text".',
            width=12,
            empty="No problem is open, or NO DATA",
            runbook="PgMigratorProblemTables",
        ),
        [
            Column(
                "severity",
                "Severity",
                colored=True,
                mappings=words.colors(
                    {"blocks": words.FAIL, "degrades": words.WARN, "note": words.UNKNOWN}
                ),
            ),
            Column("mapping", "Mapping"),
            Column("database", "Database"),
            Column("Value", "Open", unit="short", link=("Each with its exact fix", STATUS)),
            Column("instance", "Daemon"),
        ],
        query(f"{worst(of_database('problems'), *BY)} > 0", table=True),
        sort="Severity",
    )


def _throttle() -> Any:
    return stat_panel(
        Panel(
            title="Does a copy wait on purpose?",
            description="Why it waits although nothing is wrong.",
            width=12,
            words=words.WAITING,
            runbook="PgMigratorThrottled",
        ),
        query(
            worst(of_mapping("throttle_active"), "mapping", "reason"),
            "{{mapping}}: {{reason}}",
            instant=True,
        ),
    )
