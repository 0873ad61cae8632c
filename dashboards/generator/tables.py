"""The tables: how many do what, which are copied now, which differ, and what is not shown."""

from typing import Any

from dashboards.generator import words
from dashboards.generator.databases import NAME
from dashboards.generator.panels import (
    Column,
    Panel,
    bars,
    graph,
    query,
    stat_panel,
    table_panel,
)
from dashboards.generator.panels import dashboard as build
from dashboards.generator.queries import copied, of_database, worst

from pgmigrator.surface.catalogue import TABLE_SERIES_MAX

TABLE = ("mapping", "database", "schema", "table")
STATUS = (
    "http://${__field.labels.instance}/status/${__field.labels.mapping}/${__field.labels.database}"
)


def dashboard() -> Any:
    """Build pgmigrator-tables."""
    return build(
        "pgmigrator-tables",
        "Tables",
        "Tables by what they are doing, running copies, and the worst differences. Every single"
        " table is in /status/<mapping>/<database>/tables.",
        {
            "": [_problem_tables(), _left_out(), _states()],
            "Copied now": [_copies(), _copy_sizes()],
            "Differences": [_mismatches()],
        },
    )


def _problem_tables() -> Any:
    return stat_panel(
        Panel(
            title="Tables with a problem",
            description="They are not migrated. Which, why and the fix: click, or curl -s"
            ' "$URL/status/<mapping>/<database>/tables?state=problem&format=text".',
            width=6,
            unit="short",
            steps=((None, words.PASS), (1, words.FAIL)),
            runbook="PgMigratorProblemTables",
            links=(("Every table with a problem", f"{STATUS}/tables?state=problem&format=text"),),
        ),
        query(
            worst(of_database("tables", 'state="problem"'), "instance", "mapping", "database"),
            NAME,
            instant=True,
        ),
    )


def _left_out() -> Any:
    return stat_panel(
        Panel(
            title="Tables that are not shown here",
            description=f"Only {TABLE_SERIES_MAX} tables are named in each panel below: this many"
            " are left out. All of them are a click away.",
            width=6,
            unit="short",
            links=(("Every table", f"{STATUS}/tables?format=text&limit=1000"),),
        ),
        query(
            worst(of_database("table_series_dropped"), "instance", "mapping", "database"),
            NAME,
            instant=True,
        ),
    )


def _states() -> Any:
    return graph(
        Panel(
            title="Tables by what they are doing",
            description="pending, copying, catching_up, then streaming. problem: not migrated."
            " excluded: left out by setting.",
            width=12,
            unit="short",
            min=0,
            runbook="PgMigratorProblemTables",
        ),
        query(
            f"sum by (state) ({worst(of_database('tables'), 'mapping', 'database', 'state')})",
            "{{state}}",
        ),
        stack=True,
    )


def _copies() -> Any:
    return bars(
        Panel(
            title="Running copies",
            description=f"The largest {TABLE_SERIES_MAX} tables that are copied now, by part"
            " copied. Empty when no table is copied.",
            width=12,
            height=12,
            unit="percentunit",
            min=0,
            max=1,
            steps=((None, words.BLUE),),
            empty="no table is copied now, or NO DATA",
        ),
        query(
            copied("table_copy", *TABLE),
            "{{database}}: {{schema}}.{{table}}",
            instant=True,
        ),
    )


def _copy_sizes() -> Any:
    return table_panel(
        Panel(
            title="Running copies by size",
            description="The same tables, with their estimated size.",
            width=12,
            height=12,
            empty="no table is copied now, or NO DATA",
        ),
        [
            Column("mapping", "Mapping"),
            Column("database", "Database"),
            Column("schema", "Schema"),
            Column("table", "Table"),
            Column("Value #A", "Copied", unit="bytes"),
            Column("Value #B", "Estimated", unit="bytes"),
        ],
        query(worst(of_database("table_copy_completed_bytes"), *TABLE), table=True),
        query(worst(of_database("table_copy_estimated_bytes"), *TABLE), table=True),
        sort="Estimated",
        descending=True,
    )


def _mismatches() -> Any:
    return table_panel(
        Panel(
            title="Tables whose rows differ",
            description=f"The {TABLE_SERIES_MAX} worst of the last comparison. 0: as many rows, but"
            " other ones. Do not cut over before this is empty.",
            width=24,
            height=9,
            empty="No table differs in the last comparison, or NO DATA",
            runbook="PgMigratorContentMismatch",
        ),
        [
            Column("mapping", "Mapping"),
            Column("database", "Database"),
            Column("schema", "Schema"),
            Column("table", "Table"),
            Column("Value", "Difference of row counts", unit="short"),
        ],
        query(worst(of_database("table_row_count_delta_rows"), *TABLE), table=True),
        sort="Difference of row counts",
        descending=True,
    )
