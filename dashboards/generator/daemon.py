"""The daemon itself: does it tick, how long do its reads take, does it act."""

from typing import Any

from dashboards.generator import words
from dashboards.generator.panels import (
    Column,
    Panel,
    graph,
    query,
    stat_panel,
    table_panel,
)
from dashboards.generator.panels import dashboard as build
from dashboards.generator.queries import of_daemon, of_mapping, worst
from dashboards.generator.shared import daemon_up, report_age


def dashboard() -> Any:
    """Build pgmigrator-daemon."""
    return build(
        "pgmigrator-daemon",
        "Daemon",
        "The daemon itself. Nothing here is about your data: if it is down, replication goes on.",
        {
            "": [_up(), _age(), _lease(), _build_info()],
            "Ticks": [_ticks(), _tick_duration(), _queries(), _errors()],
            "Process": [_event_loop(), _http(), _memory(), _cpu(), _files()],
        },
    )


def _rate(selector: str) -> str:
    return f"rate({selector}[$__rate_interval])"


def _up() -> Any:
    return daemon_up("Whether Prometheus can scrape it.", width=6)


def _age() -> Any:
    return report_age(
        "Age of its report",
        "Since it last read the servers; it should be about the refresh interval.",
        width=6,
    )


def _lease() -> Any:
    return stat_panel(
        Panel(
            title="Lease",
            description="held: this daemon acts. waiting: another one does, and this one takes over"
            " when it is gone.",
            width=6,
            words=words.LEASE,
        ),
        query(
            worst(of_mapping("lease_held"), "instance", "mapping"),
            "{{mapping}} on {{instance}}",
            instant=True,
        ),
    )


def _build_info() -> Any:
    return table_panel(
        Panel(
            title="Version",
            description="Which daemon this is.",
            width=6,
        ),
        [
            Column("instance", "Instance"),
            Column("version", "Version", width=80),
            Column("revision", "Commit"),
        ],
        query(worst(of_daemon("build_info"), "instance", "version", "revision"), table=True),
    )


def _ticks() -> Any:
    return graph(
        Panel(
            title="Ticks by result",
            description="error: the log says why. skipped: the tick before was still running, since"
            " a server answers slowly.",
            width=12,
            height=8,
            unit="ops",
            min=0,
            runbook="PgMigratorTicksStalled",
        ),
        query(
            f"sum by (mapping, result) ({_rate(of_mapping('ticks_total'))})",
            "{{mapping}}: {{result}}",
        ),
    )


def _tick_duration() -> Any:
    buckets = f"sum by (le) ({_rate(of_daemon('tick_duration_seconds_bucket'))})"
    return graph(
        Panel(
            title="How long ticks take",
            description="Half of the ticks, and 95 of 100, are faster than that.",
            width=12,
            height=8,
            unit="s",
            min=0,
        ),
        query(f"histogram_quantile(0.5, {buckets})", "half"),
        query(f"histogram_quantile(0.95, {buckets})", "95 %"),
    )


def _queries() -> Any:
    spent = _rate(of_daemon("query_duration_seconds_sum"))
    count = _rate(of_daemon("query_duration_seconds_count"))
    return graph(
        Panel(
            title="How long reads take",
            description="Mean duration of each read of a server, by side.",
            width=12,
            height=8,
            unit="s",
            min=0,
        ),
        query(
            f"sum by (side, query) ({spent}) / (sum by (side, query) ({count}) > 0)",
            "{{side}}: {{query}}",
        ),
    )


def _errors() -> Any:
    return graph(
        Panel(
            title="Errors by category",
            description="unreachable: a server did not answer. refused: a privilege lacks."
            " invariant and unexpected: a defect of ours, keep the log.",
            width=12,
            height=8,
            unit="short",
            min=0,
            runbook="PgMigratorServerUnreachable",
        ),
        query(
            "sum by (mapping, category)"
            f" (increase({of_mapping('errors_total')}[$__rate_interval]))",
            "{{mapping}}: {{category}}",
        ),
    )


def _of_process(title: str, description: str, width: int, unit: str, metric: str) -> Any:
    """One line for each daemon."""
    return graph(
        Panel(title=title, description=description, width=width, unit=unit, min=0),
        query(worst(of_daemon(metric), "instance"), "{{instance}}"),
    )


def _event_loop() -> Any:
    return _of_process(
        "Event loop lag",
        "How late the daemon does what is due; over a second it cannot keep up.",
        8,
        "s",
        "event_loop_lag_seconds",
    )


def _http() -> Any:
    return graph(
        Panel(
            title="HTTP requests",
            description="By route and status. 503 of /cutover is an answer: not ready.",
            width=8,
            unit="reqps",
            min=0,
        ),
        query(
            f"sum by (route, code) ({_rate(of_daemon('http_requests_total'))})",
            "{{route}} {{code}}",
        ),
    )


def _memory() -> Any:
    return _of_process(
        "Memory", "Resident memory of the process.", 8, "bytes", "process_resident_memory_bytes"
    )


def _cpu() -> Any:
    return graph(
        Panel(
            title="CPU",
            description="Part of one core that the process uses.",
            width=12,
            unit="percentunit",
            min=0,
        ),
        query(
            f"sum by (instance) ({_rate(of_daemon('process_cpu_seconds_total'))})", "{{instance}}"
        ),
    )


def _files() -> Any:
    return _of_process(
        "Open files",
        "Connections are files too: if it only grows, something leaks.",
        12,
        "short",
        "process_open_fds",
    )
