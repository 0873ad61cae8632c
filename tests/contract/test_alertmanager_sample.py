"""The sample configuration of Alertmanager, checked with Debian 13's amtool (0.28): it is valid,
every severity reaches its people, and the messages say what to do. Nothing is sent anywhere.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.tools import ROOT, run_tool

SAMPLE = ROOT / "alerts" / "alertmanager.example.yaml"
TEMPLATE = SAMPLE.with_suffix(".tmpl")
RULES = ROOT / "alerts" / "postgres-migrator.rules.yaml"


def sample() -> Any:
    return yaml.safe_load(SAMPLE.read_text())


def receiver(*labels: str) -> str:
    return run_tool(
        "amtool", "config", "routes", "test", f"--config.file={SAMPLE}", *labels
    ).strip()


def test_amtool_accepts_it() -> None:
    run_tool("amtool", "check-config", SAMPLE)


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_every_severity_reaches_its_people(severity: str) -> None:
    labels = ("alertname=PgMigratorBlocked", "mapping=orders", "database=shop")
    assert receiver(*labels, f"severity={severity}") == f"postgres-migrator-{severity}"


def test_alerts_of_others_are_left_alone() -> None:
    assert receiver("alertname=NodeDown", "severity=critical") == "unrouted"


def test_slack_teams_and_mail_are_shown() -> None:
    ways = {key for each in sample()["receivers"] for key in each if key.endswith("_configs")}
    assert ways == {"slack_configs", "msteamsv2_configs", "email_configs"}


def test_no_secret_stands_in_it() -> None:
    text = SAMPLE.read_text()
    for inline in ("api_url:", "webhook_url:", "auth_password:"):
        assert f" {inline}" not in text


def test_its_alerts_and_severities_are_those_of_the_rules() -> None:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert {rule["labels"]["severity"] for rule in rules} == {"critical", "warning", "info"}
    named = [
        matcher.split('"')[1]
        for inhibition in sample()["inhibit_rules"]
        for matcher in inhibition["source_matchers"] + inhibition["target_matchers"]
        if matcher.startswith("alertname=") and "~" not in matcher
    ]
    assert named
    assert set(named) <= {rule["alert"] for rule in rules}


def render(status: str, tmp_path: Path, template: str) -> str:
    labels = {"alertname": "PgMigratorBlocked", "severity": "critical", "mapping": "orders"}
    annotations = {name: f"the {name}" for name in ("summary", "description")}
    urls = {"runbook_url": "https://run.example", "dashboard_url": "https://look.example"}
    data = {
        "receiver": "oncall",
        "status": status,
        "alerts": [{"status": status, "labels": labels, "annotations": annotations | urls}],
        "groupLabels": labels,
        "commonLabels": labels,
    }
    file = tmp_path / "data.json"
    file.write_text(json.dumps(data))
    options = (f"--template.glob={TEMPLATE}", f"--template.data={file}")
    text = f'--template.text={{{{ template "{template}" . }}}}'
    return run_tool("amtool", "template", "render", *options, text).strip()


def test_the_title_says_how_bad_it_is_and_where(tmp_path: Path) -> None:
    title = "pgmigrator.title"
    assert render("firing", tmp_path, title) == "CRITICAL PgMigratorBlocked (orders)"
    assert render("resolved", tmp_path, title) == "RESOLVED PgMigratorBlocked (orders)"


def test_the_text_says_what_to_do(tmp_path: Path) -> None:
    assert render("firing", tmp_path, "pgmigrator.text").splitlines() == [
        "the summary",
        "the description",
        "What to do: https://run.example",
        "What it looks like: https://look.example",
    ]
