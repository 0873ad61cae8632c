"""`/metrics`: a collector that renders the last report, and the documentation of what it renders.

A scrape never touches PostgreSQL; `pgmigrator_report_timestamp_seconds` says how old the facts are.
"""

import sys
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from pgmigrator.core.report import Report
from pgmigrator.surface.catalogue import METRICS, Metric

_HEADER = """\
# Metrics

`GET /metrics` renders the report of the last tick; a scrape never touches PostgreSQL. What is
unknown has no series, never 0. State-sets (one series per state, 0 or 1) always show every state.
At most 300 series per database, however many tables it has: what names a table is capped, and
`pgmigrator_table_series_dropped` says what was left out.

Beside these come the client library's own `process_*` and `python_*`.

"""


class ReportCollector(Collector):
    """Renders whatever report `current` returns; it must be fresh (core/freshness.py)."""

    def __init__(self, current: Callable[[], Report]) -> None:
        self._current = current

    def describe(self) -> Iterable[Family]:
        """Nothing: otherwise registering would already collect."""
        return []

    def collect(self) -> Iterator[Family]:
        """Yield every family of the table that the report has data for."""
        report = self._current()
        for metric in METRICS:
            if metric.read is not None:
                yield _family(metric, report)


def _family(metric: Metric, report: Report) -> Family:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.full_name, metric.help, labels=metric.labels)
    assert metric.read is not None
    for labels, number in metric.read(report):
        if number is not None:
            family.add_metric(labels, float(number))
    return family


def markdown() -> str:
    """Document every metric: the content of docs/metrics.md."""
    rows = ["| Metric | Type | Labels | Meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{metric.full_name}` | {metric.kind} | {', '.join(metric.labels) or '-'} "
        f"| {metric.help} |"
        for metric in METRICS
    ]
    return _HEADER + "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
