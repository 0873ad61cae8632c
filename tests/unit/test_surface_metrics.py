"""The metrics: unknown is absent, state-sets are complete, and many tables cost little."""

import re
import timeit
from collections.abc import Iterable
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pgmigrator.core.freshness import fresh
from pgmigrator.core.gates import GATE_NAMES
from pgmigrator.core.model import Phase, RowCountDelta, Severity
from pgmigrator.core.names import parse_lsn
from pgmigrator.core.report import (
    DatabaseReport,
    GateStatus,
    Replication,
    Report,
    TableState,
    Throttle,
    Verification,
)
from pgmigrator.surface import status
from pgmigrator.surface.catalogue import ALERT_LIMITS_SECONDS, METRICS, TABLE_SERIES_MAX
from pgmigrator.surface.instruments import create_instruments
from pgmigrator.surface.metrics import ReportCollector
from tests.unit.surface_samples import NOW, database, gate, mapping, report, switched, table

#: all that PostgreSQL 18 counts
CONFLICTS = (
    "confl_insert_exists",
    "confl_update_origin_differs",
    "confl_update_exists",
    "confl_update_missing",
    "confl_delete_origin_differs",
    "confl_delete_missing",
    "confl_multiple_unique_conflicts",
)

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def exposed(current: Report) -> Series:
    """Render, print and parse again, the way a scrape does."""
    instruments = create_instruments()
    instruments.registry.register(ReportCollector(lambda: current))
    text = generate_latest(instruments.registry).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float | None:
    wanted = {"mapping": "orders", "database": "shop"} | labels
    return series.get((f"pgmigrator_{name}", frozenset(wanted.items())))


def of_mapping(series: Series, name: str, **labels: str) -> float | None:
    wanted = {"mapping": "orders"} | labels
    return series.get((f"pgmigrator_{name}", frozenset(wanted.items())))


def test_metrics_and_status_say_the_same_of_a_mapping() -> None:
    current = report(mapping(database()))
    series, document = exposed(current), status.mapping_status(current.mappings[0])
    limits = document["limits"]
    for name, expected in (
        ("mapping_cutover_ready", document["ready"]),
        ("source_sessions_blocked", document["source_sessions_blocked"]),
        ("cutover_max_lag_bytes", limits["max_lag_bytes"]),
        ("cutover_max_lag_seconds", limits["max_lag_seconds"]),
        ("cutover_stable_seconds", limits["stable_seconds"]),
        ("max_retained_wal_bytes", limits["max_retained_wal_bytes"]),
        ("lease_held", document["lease"] == "held"),
    ):
        assert of_mapping(series, name) == expected, name
    for phase in Phase:
        assert of_mapping(series, "mapping_phase", phase=phase) == (phase == document["phase"])


def test_metrics_and_status_say_the_same_of_a_database() -> None:
    current = report(mapping(database()))
    series, document = exposed(current), status.database_status(current.mappings[0].databases[0])
    replication, copy, drained = document["replication"], document["copy"], document["drain"]
    assert copy is not None
    assert drained is not None
    assert replication["confirmed_lsn"] is not None
    for name, expected in (
        ("replication_lag_bytes", replication["lag_bytes"]),
        ("replication_lag_seconds", replication["lag_seconds"]),
        ("confirmed_flush_lsn_bytes", parse_lsn(replication["confirmed_lsn"])),
        ("slot_safe_wal_bytes", replication["safe_wal_bytes"]),
        ("slot_wal_runway_seconds", replication["wal_runway_seconds"]),
        ("slot_active", replication["slot_active"]),
        ("subscription_enabled", replication["subscription_enabled"]),
        ("apply_errors_total", replication["apply_errors"]),
        ("sync_errors_total", replication["sync_errors"]),
        ("copy_completed_bytes", copy["completed_bytes"]),
        ("copy_estimated_bytes", copy["estimated_bytes"]),
        ("copy_completed_rows", copy["completed_rows"]),
        ("copy_estimated_rows", copy["estimated_rows"]),
        ("row_count_delta_rows", document["verification"]["row_count_delta"]),
        ("drain_duration_seconds", drained["duration_seconds"]),
        ("cutover_ready", document["ready"]),
    ):
        assert value(series, name) == expected, name


def test_metrics_and_status_say_the_same_of_every_state() -> None:
    current = report(mapping(database()))
    series, document = exposed(current), status.database_status(current.mappings[0].databases[0])
    copy, replication = document["copy"], document["replication"]
    assert copy is not None
    severities = [problem["severity"] for problem in document["problems"]]
    expected: dict[tuple[str, str, str], float | None] = {
        ("slot_retained_wal_bytes", "slot", "main"): replication["retained_wal_bytes"],
        ("slot_retained_wal_bytes", "slot", "sync"): replication["sync_retained_wal_bytes"],
        ("sequences", "state", "behind"): document["sequences"]["behind"],
        ("sequences", "state", "missing"): document["sequences"]["missing"],
        **{("database_phase", "phase", p): p == document["phase"] for p in Phase},
        **{("tables", "state", s): number for s, number in copy["tables"].items()},
        **{("indexes", "state", s): number for s, number in document["indexes"].items()},
        **{("problems", "severity", s): severities.count(s) for s in Severity},
    }
    drift = document["schema_drift"] or {}
    expected |= {("schema_drift_objects", "kind", kind): number for kind, number in drift.items()}
    for (name, label, key), number in expected.items():
        assert value(series, name, **{label: key}) == number, (name, key)
    for each in document["gates"]:
        for state in GateStatus:
            shown = value(series, "cutover_gate_status", gate=each["name"], status=state)
            assert shown == (state == each["status"])
        named = {"gate": each["name"], "unit": each["unit"]}
        assert value(series, "cutover_gate_value", **named) == each["value"]
        assert value(series, "cutover_gate_limit", **named) == each["limit"]


@pytest.mark.parametrize("seconds", [0, 14, 3600])
def test_a_stale_light_is_off_in_both(seconds: float) -> None:
    current = fresh(report(mapping(database())), NOW + seconds)
    light = status.cutover(current.mappings[0])["ready"]
    assert light is (seconds == 0)
    assert value(exposed(current), "cutover_ready") == light
    assert of_mapping(exposed(current), "mapping_cutover_ready") == light


@pytest.mark.parametrize("broken", range(5))
@pytest.mark.parametrize("state", [GateStatus.FAIL, GateStatus.UNKNOWN])
def test_any_gate_turns_the_light_off(broken: int, state: GateStatus) -> None:
    base = database()
    gates = list(base.gates)
    gates[broken] = gate(gates[broken].name, state)
    current = fresh(report(mapping(replace(base, gates=tuple(gates)))), NOW)
    assert value(exposed(current), "cutover_ready") == 0


def test_unknown_has_no_series() -> None:
    unknown = replace(
        database(),
        replication=Replication(),
        copy=None,
        indexes={},
        schema_drift=None,
        sequences_total=None,
        verification=Verification(),
        drain=None,
    )
    names = {name for name, _ in exposed(report(mapping(unknown)))}
    for prefix in (
        "replication_",
        "slot_",
        "confirmed_",
        "copy_",
        "tables",
        "indexes",
        "schema_drift",
        "verified_tables",
        "verification",
        "apply_errors",
        "drain_",
        "switched_",
        "late_writes",
    ):
        assert not [name for name in names if name.startswith(f"pgmigrator_{prefix}")], prefix


def test_state_sets_are_complete() -> None:
    series = exposed(report(mapping(database())))
    tables = {state: value(series, "tables", state=state) for state in TableState}
    assert tables == dict.fromkeys(TableState, 0) | {
        TableState.STREAMING: 5,
        TableState.COPYING: 1,
    }
    statuses = [
        value(series, "slot_wal_status", status=s)
        for s in ("reserved", "extended", "unreserved", "lost")
    ]
    assert statuses == [1, 0, 0, 0]
    assert value(series, "conflicts_total", conflict="insert_exists") == 2
    assert of_mapping(series, "errors_total", category="refused") == 0
    assert of_mapping(series, "errors_total", category="unreachable") == 2
    assert of_mapping(series, "server_up", side="destination") == 0


def test_a_copy_that_waits_says_why() -> None:
    waiting = replace(database("late"), throttles=frozenset({Throttle.MAX_PARALLEL_TABLES}))
    for databases, expected in (((database(),), 0), ((database(), waiting), 1)):
        current = report(mapping(*databases))
        series, document = exposed(current), status.mapping_status(current.mappings[0])
        reason = Throttle.MAX_PARALLEL_TABLES
        assert of_mapping(series, "throttle_active", reason=reason) == expected
        assert [each["name"] for each in document["databases"] if each["throttles"]] == [
            "late"
        ] * expected


def test_limits_are_exposed_for_alerts_and_dashboards() -> None:
    series = exposed(replace(report(mapping(database())), report_max_age_seconds=300.0))
    shown = {
        dict(labels)["limit"]: number
        for (name, labels), number in series.items()
        if name == "pgmigrator_alert_limit_seconds"
    }
    assert shown == ALERT_LIMITS_SECONDS | {"report_age": 300.0}


def test_switched_shows() -> None:
    series = exposed(report(mapping(switched(database()))))
    assert value(series, "switched_timestamp_seconds") == NOW - 1
    assert value(series, "late_writes") == 0


def many(count: int) -> DatabaseReport:
    """A database that has a number for everything, and very many tables that copy."""
    worst = tuple(
        RowCountDelta(table=table(i).name, source_rows=i, destination_rows=0) for i in range(30)
    )
    base = switched(database())
    return replace(
        base,
        gates=tuple(map(gate, GATE_NAMES)),
        tables=tuple(table(i, TableState.COPYING) for i in range(count)),
        replication=replace(
            base.replication,
            workers={"apply": 1, "parallel apply": 1, "table synchronization": 4, "sequence": 1},
            conflicts=dict.fromkeys(CONFLICTS, 1),
        ),
        verification=Verification(
            verified_tables=count, mismatched_tables=30, at=NOW, row_count_delta_rows=1, worst=worst
        ),
    )


def named_tables(series: Iterable[tuple[str, frozenset[tuple[str, str]]]], metric: str) -> set[str]:
    return {dict(labels)["table"] for name, labels in series if name == f"pgmigrator_{metric}"}


def test_ten_thousand_tables_cost_little_and_what_is_left_out_shows() -> None:
    current = report(mapping(many(10_000)))
    registry = CollectorRegistry()
    registry.register(ReportCollector(lambda: fresh(current, NOW)))
    # the best of some: a machine that is busy proves nothing
    assert min(timeit.repeat(lambda: generate_latest(registry), number=1, repeat=10)) < 0.1
    per_database = [
        sample
        for family in registry.collect()
        for sample in family.samples
        if "database" in sample.labels
    ]
    assert 200 < len(per_database) <= 300
    series = exposed(current)
    copying = named_tables(series, "table_copy_completed_bytes")
    assert copying == {f"t{i:05}" for i in range(9_980, 10_000)}
    assert copying == named_tables(series, "table_copy_estimated_bytes")
    worst = named_tables(series, "table_row_count_delta_rows")
    assert worst == {f"t{i:05}" for i in range(10, 30)}
    assert value(series, "table_series_dropped") == 10_000 + 30 - 2 * TABLE_SERIES_MAX


def test_tables_with_as_many_rows_but_other_ones_are_named_too() -> None:
    other = tuple(table(i).name for i in range(30, 30 + TABLE_SERIES_MAX))
    base = database()
    found = replace(base.verification, mismatched_tables=1 + len(other), other_rows=other)
    series = exposed(report(mapping(replace(base, verification=found))))
    assert value(series, "verified_tables", result="mismatch") == 1 + len(other)
    counted = {"schema": "public", "table": "t00001"}
    assert value(series, "table_row_count_delta_rows", **counted) == 3, "the worst comes first"
    assert value(series, "table_row_count_delta_rows", schema="public", table="t00030") == 0
    assert value(series, "table_series_dropped") == 1


def test_finished_tables_are_gone_at_the_next_scrape() -> None:
    assert not named_tables(
        exposed(report(mapping(replace(database(), tables=(table(1),))))),
        "table_copy_completed_bytes",
    )


def test_registering_collects_nothing() -> None:
    def never() -> Report:
        raise AssertionError("collected")

    create_instruments().registry.register(ReportCollector(never))


def test_daemons_do_not_share_instruments() -> None:
    one, other = create_instruments(), create_instruments()
    one.tick_duration_seconds.observe(0.2)
    one.query_duration_seconds.labels(side="source", query="tables").observe(0.1)
    name = "pgmigrator_tick_duration_seconds_count"
    assert one.registry.get_sample_value(name) == 1
    assert other.registry.get_sample_value(name) == 0


# --- promtool's rules, since promtool is not everywhere ------------------------------------------

_NOT_BASE = re.compile(
    r"_(milliseconds|microseconds|nanoseconds|minutes|hours|days|kilobytes|megabytes|gigabytes|"
    r"kilo\w+|percent|ms|s|sec|secs|mb|gb)(_|$)"
)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_pass_the_linter(metric: object) -> None:
    found = next(each for each in METRICS if each is metric)
    name = found.full_name
    assert re.fullmatch(r"pgmigrator_[a-z][a-z0-9_]*", name)
    assert found.help.endswith(".")
    assert name.endswith("_total") is (found.kind == "counter")
    assert not name.endswith(("_count", "_sum", "_bucket", "_info_total"))
    assert not re.search(r"_(gauge|counter|histogram|summary|untyped)(_|$)", name)
    assert not _NOT_BASE.search(name)
    assert all(re.fullmatch(r"[a-z][a-z_]*", label) for label in found.labels)
    assert not {"le", "quantile", "job", "instance"} & set(found.labels)


def test_names_are_unique() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
