"""Panels of each database that differ only in what they measure."""

from typing import Any

from dashboards.generator.panels import Panel, graph, query, stat_panel
from dashboards.generator.queries import of_database, of_mapping, worst

NAME = "{{mapping}} / {{database}}"
#: legends of what is configured; drawn dashed
LIMITS = "/limit|at most|of it/"


def number(what: Panel, metric: str, matchers: str = "") -> Any:
    """The number now."""
    return stat_panel(what, query(worst(of_database(metric, matchers)), NAME, instant=True))


def moment(what: Panel, metric: str) -> Any:
    """When that was or will be, seen from now."""
    return stat_panel(what, query(f"1000 * {worst(of_database(metric))}", NAME, instant=True))


def age(what: Panel, metric: str) -> Any:
    """How long ago that was, in seconds."""
    return stat_panel(what, query(worst(f"time() - {of_database(metric)}"), NAME, instant=True))


def by_label(what: Panel, metric: str, label: str) -> Any:
    """One line for each value of a label, over time."""
    each = query(
        worst(of_database(metric), "mapping", "database", label), f"{NAME}: {{{{{label}}}}}"
    )
    return graph(what, each)


def against_limit(what: Panel, metric: str, limit: str) -> Any:
    """The number over time, and the limit of its mapping."""
    return graph(
        what,
        query(worst(of_database(metric)), NAME),
        query(worst(of_mapping(limit), "mapping"), "{{mapping}}: limit"),
        limits=LIMITS,
    )
