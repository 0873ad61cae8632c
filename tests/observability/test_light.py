"""The green light of the overview, computed by Prometheus' own engine from what we expose."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from pgmigrator.core.freshness import fresh
from pgmigrator.core.gates import GATE_NAMES
from pgmigrator.core.model import Phase
from pgmigrator.core.report import DatabaseReport, GateStatus, Report
from pgmigrator.surface.metrics import ReportCollector
from tests.fixtures.tools import run_tool
from tests.observability import boards
from tests.unit.surface_samples import NOW, database, gate, mapping, report, switched

LIGHT = next(t for t in boards.targets() if t.panel == "Is a cutover safe now?")
GREEN = replace(database(), gates=tuple(map(gate, GATE_NAMES)))
#: promtool's clock starts at 0, and we look at two minutes after that
AT = 120


def with_gate(name: str, status: GateStatus) -> DatabaseReport:
    gates = [gate(each, status if each == name else GateStatus.PASS) for each in GATE_NAMES]
    return replace(GREEN, gates=tuple(gates))


def exposed(current: Report) -> Iterable[Metric]:
    registry = CollectorRegistry()
    registry.register(ReportCollector(lambda: fresh(current, NOW)))
    return registry.collect()


def group(name: str, current: Report, expected: dict[str, float], age: int = 2) -> dict[str, Any]:
    """One of promtool's tests: these reports make that light."""
    series = []
    for family in exposed(current):
        for sample in family.samples:
            labels = {"job": "postgres-migrator", "instance": "a:1"} | sample.labels
            shown = ",".join(f'{key}="{value}"' for key, value in labels.items())
            is_time = sample.name == "pgmigrator_report_timestamp_seconds"
            value = AT - age if is_time else sample.value
            series.append({"series": f"{sample.name}{{{shown}}}", "values": f"{value}+0x10"})
    return {
        "name": name,
        "interval": "30s",
        "input_series": series,
        "promql_expr_test": [
            {
                "expr": boards.substituted(LIGHT.expr),
                "eval_time": f"{AT}s",
                "exp_samples": [
                    {"labels": f'{{mapping="{key}"}}', "value": value}
                    for key, value in expected.items()
                ],
            }
        ],
    }


def run(folder: Path, groups: list[dict[str, Any]]) -> None:
    file = folder / "light.yaml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "30s", "tests": groups}))
    run_tool("promtool", "test", "rules", file)


def test_it_is_on_when_every_database_is_ready(tmp_path: Path) -> None:
    other = replace(GREEN, name="crm")
    run(tmp_path, [group("ready", report(mapping(GREEN, other)), {"orders": 1})])


@pytest.mark.parametrize("status", [GateStatus.FAIL, GateStatus.UNKNOWN])
def test_any_gate_of_any_database_turns_it_off(status: GateStatus, tmp_path: Path) -> None:
    broken = {name: with_gate(name, status) for name in GATE_NAMES}
    other = replace(GREEN, name="crm")
    run(
        tmp_path,
        [group(name, report(mapping(other, each)), {"orders": 0}) for name, each in broken.items()],
    )


def test_a_daemon_that_hangs_turns_it_off(tmp_path: Path) -> None:
    current = report(mapping(GREEN))
    run(
        tmp_path,
        [
            group("119 s", current, {"orders": 1}, age=119),
            group("120 s", current, {"orders": 0}, age=120),
        ],
    )


def test_it_is_blue_once_all_is_switched_and_off_before(tmp_path: Path) -> None:
    over = switched(GREEN)
    done = replace(over, name="crm", phase=Phase.COMPLETED)
    run(
        tmp_path,
        [
            group("all", report(mapping(over, done)), {"orders": 2}),
            group("some", report(mapping(over, replace(GREEN, name="crm"))), {"orders": 0}),
        ],
    )


def test_without_a_daemon_there_is_no_light(tmp_path: Path) -> None:
    run(tmp_path, [group("nothing", report(), {})])


def test_one_mapping_does_not_dim_another(tmp_path: Path) -> None:
    bad = mapping(with_gate("lag_bytes", GateStatus.FAIL), name="billing")
    both = report(mapping(GREEN), bad)
    run(tmp_path, [group("two", both, {"orders": 1, "billing": 0})])
