"""What is observed where it happens: durations and requests, in a registry of its own.

The runtime gets one `Instruments` handed in and observes into it; nothing here is global.
"""

from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from pgmigrator.surface.catalogue import METRICS, Metric

#: from a cached catalog read to a time-out, in seconds
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Instruments:
    """The registry of one daemon and what can be observed into it."""

    registry: CollectorRegistry
    #: no labels
    tick_duration_seconds: Histogram
    #: labels: side (source or destination), query (a name from a fixed list, never SQL)
    query_duration_seconds: Histogram
    #: labels: route (its pattern, not its path), method, code
    http_requests: Counter


def create_instruments() -> Instruments:
    """Build a registry with the process's own metrics and our instruments."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return Instruments(
        registry=registry,
        tick_duration_seconds=_histogram("tick_duration_seconds", registry),
        query_duration_seconds=_histogram("query_duration_seconds", registry),
        http_requests=_counter("http_requests_total", registry),
    )


def _entry(name: str) -> Metric:
    return next(metric for metric in METRICS if metric.name == name)


def _histogram(name: str, registry: CollectorRegistry) -> Histogram:
    entry = _entry(name)
    return Histogram(entry.full_name, entry.help, entry.labels, registry=registry, buckets=_BUCKETS)


def _counter(name: str, registry: CollectorRegistry) -> Counter:
    entry = _entry(name)
    return Counter(entry.full_name, entry.help, entry.labels, registry=registry)
