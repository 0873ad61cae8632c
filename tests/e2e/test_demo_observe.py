"""`make observe`: Prometheus and Alertmanager beside the demo see it, and go away with it."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from pgmigrator.surface.client import Client
from tests.e2e.demo_run import demo_run, runs
from tests.fixtures.tools import ROOT, tool

RULES = ROOT / "alerts" / "postgres-migrator.rules.yaml"
BOTH = {"shop", "Kunden & Archiv"}


def asked(url: str, path: str, **query: str) -> Any:
    """What Prometheus answers."""
    answer = Client(url).get(f"/api/v1/{path}?{urlencode(query)}")
    assert answer.status == 200, answer.text
    return json.loads(answer.text)["data"]


def ready(url: str) -> set[str]:
    """The databases whose light is green, as Prometheus has it."""
    lights = asked(url, "query", query="pgmigrator_cutover_ready == 1")["result"]
    return {each["metric"]["database"] for each in lights}


def may_have_a_view_of_its_own() -> bool:
    """Whether this machine lets the unpacked Alertmanager start."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "true"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_prometheus_and_alertmanager_see_the_green_light_and_knows_every_rule() -> None:
    programs = str(Path(tool("prometheus")).parent)
    with demo_run("--observe", str(ROOT / "alerts"), path=programs) as demo:
        demo.wait_for("\nmonitoring\n")
        found = re.search(r"Prometheus: (http://127\.0\.0\.1:\d+); Alertmanager: (.+)", demo.output)
        assert found, demo.output
        url = found[1]
        assert f"{url}/api/v1/alerts" in demo.output

        (up,) = asked(url, "query", query='up{job="postgres-migrator"}')["result"]
        assert up["value"][1] == "1"
        # the light may be younger than the last scrape
        deadline = time.monotonic() + 60
        while (seen := ready(url)) != BOTH:
            assert time.monotonic() < deadline, seen
            time.sleep(0.5)

        rules = [rule for group in asked(url, "rules")["groups"] for rule in group["rules"]]
        written = yaml.safe_load(RULES.read_text())["groups"]
        assert len(rules) == sum(len(group["rules"]) for group in written)
        assert {rule["health"] for rule in rules} == {"ok"}
        fired = asked(url, "query", query='last_over_time(ALERTS{alertstate="firing"}[10m])')
        assert [each["metric"] for each in fired["result"]] == [], "a migration that goes well"

        if may_have_a_view_of_its_own():
            told = found[2]
            assert asked(url, "alertmanagers")["activeAlertmanagers"] == [
                {"url": f"{told}/api/v2/alerts"}
            ]
            assert Client(told).get("/api/v2/alerts").text.strip() == "[]"
            assert f"{told}/api/v2/alerts" in demo.output
        else:
            assert "user namespaces" in found[2]

        family = demo.family()
        demo.process.send_signal(signal.SIGTERM)
        assert demo.end() == 0, demo.output
        assert demo.left() == []
        assert not [process for process in family if runs(process)]


def test_a_folder_without_rules_is_refused() -> None:
    with demo_run("--observe", str(ROOT / "k8s")) as demo:
        assert demo.end() == 1
        assert "no alert rules in" in demo.output
        assert demo.left() == []
