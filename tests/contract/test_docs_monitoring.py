"""docs/monitoring.md: its commands run, its snippets are valid, and what it names is there."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.tools import ROOT, run_tool
from tests.observability import boards
from tests.observability.promql import parse, unknown_selectors, uses
from tests.observability.rules import FILE

PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def sections(text: str) -> dict[str, str]:
    """Heading -> what stands below it."""
    return dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))


CHECKS = [
    line
    for block in blocks("sh")
    for line in block.splitlines()
    if line.startswith(("promtool ", "amtool "))
]


@pytest.mark.parametrize("line", CHECKS)
def test_its_checks_pass(line: str) -> None:
    program, *arguments = shlex.split(line)
    run_tool(program, *arguments)


def test_there_are_checks_of_both() -> None:
    assert {line.split()[0] for line in CHECKS} == {"promtool", "amtool"}


def test_its_configuration_of_prometheus_is_valid_and_loads_the_rules(tmp_path: Path) -> None:
    (snippet, chart) = map(yaml.safe_load, blocks("yaml"))
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump(snippet | {"rule_files": [str(FILE)]}))
    run_tool("promtool", "check", "config", config)
    assert [Path(path).name for path in snippet["rule_files"]] == [FILE.name]
    jobs = [job["job_name"] for job in snippet["scrape_configs"]]
    assert set(re.findall(r'job="([^"]+)"', FILE.read_text())) == set(jobs)
    labels = snippet["global"]["external_labels"]
    assert set(labels) == set(re.findall(r"externalLabels\.(\w+)", FILE.read_text()))
    assert chart["prometheus"]["prometheusSpec"]["externalLabels"] == labels
    folder = chart["grafana"]["sidecar"]["dashboards"]["folderAnnotation"]
    assert folder in (ROOT / "dashboards" / "kustomization.yaml").read_text()


@pytest.mark.parametrize(
    "query", [line for block in blocks("promql") for line in block.split("\n")]
)
def test_its_queries_ask_for_what_is_exported(query: str) -> None:
    if query:
        assert unknown_selectors(parse(query)) == []
        assert uses(parse(query))


def test_every_path_exists() -> None:
    named = re.findall(r"(?<![/\w.])(?:alerts|compose|dashboards|docs|k8s)/[\w./*-]+", PAGE)
    assert len(named) > 8
    missing = [path for path in named if not [*ROOT.glob(path.rstrip("."))]]
    assert missing == []
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / link).exists()


def test_the_dashboards_are_listed_as_they_are() -> None:
    titles = [boards.document(uid)["title"].rpartition(" / ")[2] for uid in boards.UIDS]
    first_look = sections(PAGE)["The first look"]
    assert re.findall(r"^\| (\w+) \|", first_look, re.MULTILINE)[1:] == titles


def test_the_links_of_panels_are_found_by_the_line_that_changes_them() -> None:
    (command,) = re.findall(r"^sed -i '(s#(\S+)#\S+#)' (\S+)$", PAGE, re.MULTILINE)
    script, old, files = command
    for path in ROOT.glob(files):
        model: Any = json.loads(path.read_text())
        (variable,) = (v for v in model["templating"]["list"] if v["name"] == "runbooks")
        assert variable["query"] == old
        assert path.read_text().count(old) == 1, "each line that sed meets, it changes once"
    assert script.startswith(f"s#{old}#")


def test_what_the_rules_say_without_a_base_is_what_it_says() -> None:
    links = sections(PAGE)["Links"]
    assert '"docs/runbooks" }}/PgMigratorDown.md' in FILE.read_text()
    assert "`docs/runbooks/PgMigratorDown.md`" in links
    assert "{{ $externalLabels.grafana_url }}/d/pgmigrator-overview" in FILE.read_text()
    assert "`/d/pgmigrator-overview`" in links
