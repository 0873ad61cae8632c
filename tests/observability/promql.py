"""PromQL as a tree: what a query selects, whether we export it, and how it is used."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import promql_parser as pq

from pgmigrator.surface.catalogue import METRICS

#: what Prometheus itself brings, and the client library
FOREIGN = {
    "up": set[str](),
    "ALERTS": {"alertname", "alertstate", "severity"},
    "process_resident_memory_bytes": set[str](),
    "process_cpu_seconds_total": set[str](),
    "process_open_fds": set[str](),
    "process_start_time_seconds": set[str](),
}
TARGET = {"job", "instance"}
COMPARISONS = {"==", "!=", ">", "<", ">=", "<="}
SETS = {"and", "or", "unless"}
RATES = {"rate", "increase", "irate"}
GRAFANA = {"$__rate_interval": "5m", "$__interval": "30s", "$__range": "1h"}


@dataclass(frozen=True)
class Use:
    """One selector, and the function and range that it stands in."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]
    function: str = ""
    range: timedelta | None = None

    @property
    def labels(self) -> set[str]:
        return {name for name, _, _ in self.matchers}


def parse(query: str) -> pq.Expr:
    """Parse a query in which Grafana's intervals may stand; raises ValueError."""
    for variable, value in GRAFANA.items():
        query = query.replace(variable, value)
    expression: pq.Expr = pq.parse(query)
    return expression


def nodes(expr: object) -> Iterator[pq.Expr]:
    """Yield every node of a tree, parents first."""
    if not isinstance(expr, pq.Expr):
        return
    yield expr
    children = [getattr(expr, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    for child in [*children, *getattr(expr, "args", ())]:
        yield from nodes(child)


def uses(expr: pq.Expr) -> list[Use]:
    """List every selector."""
    return list(_uses(expr, "", None))


def _uses(expr: object, function: str, span: timedelta | None) -> Iterator[Use]:
    if isinstance(expr, pq.VectorSelector):
        matchers = tuple((m.name, _op(m), m.value) for m in expr.matchers.matchers)
        yield Use(expr.name or "", matchers, function, span)
    elif isinstance(expr, pq.MatrixSelector):
        yield from _uses(expr.vector_selector, function, expr.range)
    elif isinstance(expr, pq.Call):
        for argument in expr.args:
            yield from _uses(argument, expr.func.name, None)
    elif isinstance(expr, pq.Expr):
        for name in ("lhs", "rhs", "expr"):
            yield from _uses(getattr(expr, name, None), "", None)


def _op(matcher: pq.Matcher) -> str:
    found = re.match(r"\w+(=~|!~|!=|=)", str(matcher))
    assert found is not None
    return found[1]


def is_vector(expr: object) -> bool:
    """Tell whether an expression selects anything: a number does not."""
    return isinstance(expr, pq.Expr) and bool(uses(expr))


def unknown_selectors(expr: pq.Expr) -> list[str]:
    """List what names a metric, or a label of it, that is not exported."""
    found = []
    for use in uses(expr):
        labels = exported().get(use.metric)
        if labels is None:
            found.append(f"no such metric: {use.metric}")
        else:
            found += [
                f"{use.metric} has no label {label}" for label in use.labels - labels - TARGET
            ]
    return found


def exported() -> dict[str, set[str]]:
    """Return every metric with its labels; a histogram by the names of its series."""
    found = dict(FOREIGN)
    # alerts bear the labels of what fires
    found["ALERTS"] = found["ALERTS"] | {"mapping", "database"}
    for metric in METRICS:
        if metric.kind == "histogram":
            found |= {f"{metric.full_name}_{part}": set(metric.labels) for part in ("sum", "count")}
            found[f"{metric.full_name}_bucket"] = {*metric.labels, "le"}
        else:
            found[metric.full_name] = set(metric.labels)
    return found


def counters() -> set[str]:
    """Return what only grows, and so means something only as a rate."""
    ours = {metric.full_name for metric in METRICS if metric.kind == "counter"}
    return ours | {name for name in exported() if re.search(r"_(total|sum|count|bucket)$", name)}


def misused_counters(expr: pq.Expr) -> list[str]:
    """List counters that are shown as they are, and gauges that are taken the rate of."""
    known = counters()
    return [
        f"{use.metric} in {use.function or 'nothing'}"
        for use in uses(expr)
        if (use.metric in known) is not (use.function in RATES)
    ]


def careless_regexps(expr: pq.Expr) -> list[str]:
    """List regular expressions that are equality in disguise, or anchored for nothing."""
    return [
        f"{label}{op}{value!r}"
        for use in uses(expr)
        for label, op, value in use.matchers
        if op in ("=~", "!~")
        and not value.startswith("$")
        and (not re.search(r"[.*+?|()\[\]]", value) or value.startswith("^") or value.endswith("$"))
    ]
