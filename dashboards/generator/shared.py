"""Panels that stand in more than one dashboard."""

from typing import Any

from dashboards.generator import words
from dashboards.generator.databases import moment
from dashboards.generator.panels import Panel, high_is_bad, query, runbook, stat_panel
from dashboards.generator.queries import of_daemon, of_database, worst


def daemon_up(description: str, width: int) -> Any:
    """Whether there is a daemon at all."""
    return stat_panel(
        Panel(
            title="Daemon",
            description=description,
            width=width,
            words=words.TARGET,
            links=(runbook("PgMigratorDown"),),
        ),
        query(f"min by (instance) ({of_daemon('up')})", "{{instance}}", instant=True),
    )


def report_age(title: str, description: str, width: int) -> Any:
    """How old everything is that the daemon says."""
    return stat_panel(
        Panel(
            title=title,
            description=description,
            width=width,
            unit="s",
            steps=high_is_bad(30, 120),
            runbook="PgMigratorTicksStalled",
        ),
        query(
            worst(f"time() - {of_database('report_timestamp_seconds')}", "mapping"),
            "{{mapping}}",
            instant=True,
        ),
    )


def copy_ends(width: int, height: int) -> Any:
    """When the initial copy of each database is predicted to end."""
    return moment(
        Panel(
            title="Copy ends",
            description="Predicted from the rate of the last two minutes. Absent when nothing is"
            " copied, or when it cannot be told.",
            width=width,
            height=height,
            unit="dateTimeFromNow",
            empty="nothing to predict, or NO DATA",
        ),
        "copy_eta_timestamp_seconds",
    )
