"""Where the mapping stands, above all rows: its light, its phases, its gates."""

from typing import Any

from dashboards.generator import words
from dashboards.generator.databases import NAME
from dashboards.generator.panels import Panel, matrix, query, stat_panel, table_panel, timeline
from dashboards.generator.queries import gate, light, phase


def row() -> list[Any]:
    """Build the row."""
    return [_light(), _phases(), _gates()]


def _light() -> Any:
    return stat_panel(
        Panel(
            title="Is a cutover safe now?",
            description="The green light of each database: READY only if every gate passes, has for"
            " the stable time, and was read within the last two minutes.",
            width=6,
            height=9,
            words=words.LIGHT,
            runbook="PgMigratorCutoverReadinessLost",
        ),
        query(light("mapping", "database"), NAME, instant=True),
    )


def _phases() -> Any:
    return timeline(
        Panel(
            title="Phases",
            description="The way of each database. failed, blocked and unknown need a person: the"
            " reason is in /status.",
            width=18,
            height=9,
            words=words.PHASES,
            runbook="PgMigratorFailed",
        ),
        query(phase(), NAME),
    )


def _gates() -> Any:
    return table_panel(
        Panel(
            title="Gates",
            description="The conditions of the green light, all of which must pass at once,"
            " failures first. unknown counts as not passed. Reason and fix of each:"
            " /cutover/<mapping>.",
            width=24,
            height=17,
            words=words.GATE,
            runbook="PgMigratorCutoverReadinessLost",
        ),
        [],
        query(gate(), table=True),
        transformations=matrix("gate", "where", "Gate"),
    )
