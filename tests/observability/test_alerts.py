"""Every alert: silent when healthy or too early, firing with its whole text, resolving."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.tools import run_tool
from tests.observability import promtool
from tests.observability.alert_cases import CASES, Case
from tests.observability.rules import FILE, RUNBOOKS, Rule, rule, rules

BY_ID = {f"{case.alert}-{case.severity}": case for case in CASES}
PHASE = re.compile(r"database_phase\{phase=")


def run(tmp_path: Path, groups: Iterable[dict[str, Any]]) -> str:
    """Have promtool run unit tests; the test fails with what it says."""
    file = tmp_path / "tests.yaml"
    file.write_text(yaml.safe_dump(promtool.document(groups)))
    return run_tool("promtool", "test", "rules", file)


def test_promtool_accepts_the_rules() -> None:
    assert f"{len(rules())} rules found" in run_tool("promtool", "check", "rules", FILE)


@pytest.mark.parametrize("case", CASES, ids=BY_ID)
def test_silent_then_firing_then_resolved(case: Case, tmp_path: Path) -> None:
    run(tmp_path, [promtool.lifetime(case)])


@pytest.mark.parametrize("case", CASES, ids=BY_ID)
def test_silent_in_the_wrong_phase_or_when_it_is_not_quite_so(case: Case, tmp_path: Path) -> None:
    run(tmp_path, [promtool.near_miss(case, misses) for misses in case.near])


@pytest.mark.parametrize("case", [c for c in CASES if c.outlives_restart], ids=lambda c: c.alert)
def test_the_same_alert_goes_on_while_the_pod_is_replaced(case: Case, tmp_path: Path) -> None:
    run(tmp_path, [promtool.pod_restart(case)])


@pytest.mark.parametrize("phase", ["copying", "catching_up", "ready", "switched", "completed"])
def test_a_healthy_pod_may_be_replaced(phase: str, tmp_path: Path) -> None:
    run(tmp_path, [promtool.quiet_restart(phase)])


def test_links_have_the_bases_of_the_external_labels(tmp_path: Path) -> None:
    run(tmp_path, map(promtool.links, CASES))


def test_the_daemon_is_missed_when_it_is_no_target_at_all(tmp_path: Path) -> None:
    case = BY_ID["PgMigratorDown-critical"]
    group = promtool.lifetime(case)
    group["input_series"] = [{"series": "other", "values": "1+0x100"}]
    group["alert_rule_test"] = [t for t in group["alert_rule_test"] if t["exp_alerts"]]
    run(tmp_path, [group])


def test_every_alert_has_its_case_and_every_case_its_alert() -> None:
    assert Counter(BY_ID.keys()) == Counter(each.id for each in rules())
    assert len(BY_ID) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=BY_ID)
def test_every_case_is_complete(case: Case) -> None:
    found = rule(case.alert, case.severity)
    assert case.trouble
    assert case.near, "what must not fire it"
    assert case.description
    at = promtool.times(case)
    assert at.healthy < promtool.ONSET <= at.fires < at.ends < at.resolved
    if PHASE.search(found.expr):
        phases = [each for each in case.near if any("database_phase" in name for name in each)]
        assert phases or "cutover_ready" in found.expr, "a phase in which it must not fire"


@pytest.mark.parametrize("found", rules(), ids=lambda found: found.id)
def test_every_alert_has_its_runbook(found: Rule) -> None:
    assert found.annotations["runbook_url"].endswith(f"/{found.name}.md")
    assert (RUNBOOKS / f"{found.name}.md").is_file()


def test_every_runbook_has_its_alert() -> None:
    there = {path.stem for path in RUNBOOKS.glob("PgMigrator*.md")}
    assert there == {each.name for each in rules()}
