"""What a linter finds in alert rules: the checks of pint that matter here, for every rule."""

import re
from datetime import timedelta

import promql_parser as pq
import pytest

from tests.observability.promql import (
    COMPARISONS,
    RATES,
    SETS,
    careless_regexps,
    is_vector,
    misused_counters,
    nodes,
    parse,
    unknown_selectors,
    uses,
)
from tests.observability.rules import Rule, rules

SEVERITIES = {"critical", "warning", "info"}
ANNOTATIONS = {"summary", "description", "runbook_url", "dashboard_url"}
#: the shortest range that spans four scrapes of a minute
RANGE_MIN = timedelta(minutes=4)
LABELS = {"job", "mapping", "database", "side", "reason"}
TEMPLATE = re.compile(r"\{\{(.*?)\}\}")

every_rule = pytest.mark.parametrize("found", rules(), ids=lambda found: found.id)


@every_rule
def test_every_selector_is_exported(found: Rule) -> None:
    assert unknown_selectors(parse(found.expr)) == []


@every_rule
def test_it_compares(found: Rule) -> None:
    """Without a comparison it would fire for every series, whatever its value."""
    for side in _alternatives(parse(found.expr)):
        filters = [
            node
            for node in nodes(side)
            if isinstance(node, pq.BinaryExpr)
            and str(node.op) in COMPARISONS
            and not (node.modifier and node.modifier.return_bool)
        ]
        assert filters or _calls(side, "absent"), side.prettify()


@every_rule
def test_absence_must_last(found: Rule) -> None:
    """A single failed scrape is no absence."""
    if _calls(parse(found.expr), "absent"):
        assert found.for_seconds >= 120


@every_rule
def test_counters_are_rates_and_gauges_are_not(found: Rule) -> None:
    assert misused_counters(parse(found.expr)) == []


@every_rule
def test_ranges_span_enough_scrapes(found: Rule) -> None:
    for use in uses(parse(found.expr)):
        if use.function in RATES:
            assert use.range is not None
            assert use.range >= RANGE_MIN


@every_rule
def test_series_are_matched_by_named_labels(found: Rule) -> None:
    """Unnamed matching breaks as soon as one side gets a label more."""
    for node in nodes(parse(found.expr)):
        if not isinstance(node, pq.BinaryExpr) or str(node.op) == "or":
            continue
        if is_vector(node.lhs) and is_vector(node.rhs) and not _same_labels(node):
            assert node.modifier is not None, node.prettify()
            matching = node.modifier.matching
            assert matching is not None, node.prettify()
            assert matching.type == pq.LabelModifierType.Include, node.prettify()
            assert "job" in matching.labels


@every_rule
def test_labels_of_one_pod_are_folded(found: Rule) -> None:
    """Otherwise every restart resolves the alert and fires another one."""
    for side in _alternatives(parse(found.expr)):
        folds = [n for n in nodes(side) if isinstance(n, pq.AggregateExpr) and n.modifier]
        assert _calls(side, "absent") or any(
            fold.modifier is not None
            and fold.modifier.type == pq.AggModifierType.Without
            and {"instance", "pod"} <= set(fold.modifier.labels)
            for fold in folds
        )


@every_rule
def test_regexps_are_needed(found: Rule) -> None:
    assert careless_regexps(parse(found.expr)) == []


@every_rule
def test_thresholds_are_exported_limits(found: Rule) -> None:
    """Only 0, 1 and "half of a limit" stand in the rules."""
    numbers = {n.val for n in nodes(parse(found.expr)) if isinstance(n, pq.NumberLiteral)}
    assert numbers <= {0.0, 1.0, 2.0}


@every_rule
def test_labels_and_annotations(found: Rule) -> None:
    assert set(found.labels) == {"severity"}
    assert found.severity in SEVERITIES
    assert set(found.annotations) == ANNOTATIONS
    summary, description = found.annotations["summary"], found.annotations["description"]
    assert "{{" not in summary
    assert summary.endswith(".")
    assert len(summary) <= 110
    assert "{{" in description
    assert re.match(r"PgMigrator([A-Z][a-z]+)+$", found.name)


@every_rule
def test_templates_name_labels_that_are_there_and_humanise_every_value(found: Rule) -> None:
    for text in found.annotations.values():
        for template in TEMPLATE.findall(text):
            assert set(re.findall(r"\$labels\.(\w+)", template)) <= LABELS
            if "$value" in template:
                assert re.fullmatch(r" \$value \| humanize(1024|Duration)? ", template)
    assert "$value" not in str(found.labels)


def test_no_rule_is_there_twice() -> None:
    seen = [(each.name, each.severity) for each in rules()]
    assert len(seen) == len(set(seen))
    assert len({each.expr for each in rules()}) == len(seen)


def _alternatives(expr: pq.Expr) -> list[pq.Expr]:
    if isinstance(expr, pq.BinaryExpr) and str(expr.op) == "or":
        return [*_alternatives(expr.lhs), *_alternatives(expr.rhs)]
    return [expr]


def _calls(expr: pq.Expr, function: str) -> bool:
    return any(isinstance(n, pq.Call) and n.func.name == function for n in nodes(expr))


def _same_labels(node: pq.BinaryExpr) -> bool:
    """Two metrics of a database, or one at two times, have the same labels by construction."""
    if str(node.op) in SETS:
        return False
    metrics = {use.metric for use in uses(node)}
    return len(metrics) == 1 or metrics <= {
        "pgmigrator_copy_estimated_bytes",
        "pgmigrator_copy_completed_bytes",
    }
