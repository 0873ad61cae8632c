"""Runbooks: the same parts in each, links that lead somewhere, commands that work."""

import re
from pathlib import Path

import psycopg
import pytest

from pgmigrator.cli import cli
from pgmigrator.core.gates import GATE_NAMES
from tests.contract.test_docs_http import served
from tests.fixtures.providers import Postgres
from tests.observability.promql import exported
from tests.observability.rules import RUNBOOKS, rules

PAGES = sorted(RUNBOOKS.glob("PgMigrator*.md"))
PARTS = [
    "What it means",
    "What is at risk",
    "What to look at",
    "What to do",
    "When it resolves",
]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
SQL = re.compile(r"^(?P<before>[^\n]*)\n```sql\n(?P<query>.*?)```", re.MULTILINE | re.DOTALL)


@every_page
def test_it_has_every_part(page: Path) -> None:
    text = page.read_text()
    found = [rule for rule in rules() if rule.name == page.stem]
    assert text.startswith(f"# {page.stem}\n\n> {found[0].annotations['summary']}\n")
    assert f"\nSeverity: {' or '.join(rule.severity for rule in found)}\n" in text
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == PARTS
    for part in re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]:
        assert len(part.split()) >= 1


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        file, _, anchor = target.partition("#")
        there = (page.parent / file).read_text()
        headings = re.findall(r"^## (.*)$", there, re.MULTILINE)
        assert not anchor or anchor in [each.lower().replace(" ", "-") for each in headings]


@every_page
def test_what_it_names_exists(page: Path) -> None:
    text = page.read_text()
    routes = {path for _, path in served()}
    for path in re.findall(r"\$URL(/[^\s\"'|?]*)", text):
        pattern = path.replace("$MAPPING", "{mapping}").replace("$DATABASE", "{database}")
        assert pattern in routes, path
    for metric in re.findall(r"\bpgmigrator_[a-z_]+\b", text):
        known = exported()
        assert metric in known or any(name.startswith(metric) for name in known), metric
    for command in re.findall(r"\bpgmigrator ([a-z]+)\b", text):
        assert command in cli.commands, command
    for gate in re.findall(r"gate[s]? `(\w+)`|\.name == \"(\w+)\"", text):
        assert (gate[0] or gate[1]) in GATE_NAMES


def test_the_index_lists_every_alert() -> None:
    text = (RUNBOOKS / "README.md").read_text()
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| ([\w /]+) \| (.*) \|$", text, re.MULTILINE)
    assert [(name, severity.split(" / ")[0], summary) for name, _, severity, summary in rows] == [
        (rule.name, rule.severity, rule.annotations["summary"])
        for index, rule in enumerate(rules())
        if rule.name not in [before.name for before in rules()[:index]]
    ]
    assert all(name == file for name, file, _, _ in rows)


def test_its_sql_runs(source: Postgres, destination: Postgres) -> None:
    """Queries on both sides as they stand; what has a blank to fill in is not run."""
    tried = 0
    for page in PAGES:
        for block in SQL.finditer(page.read_text()):
            query = block["query"]
            if "<" in query.replace("<>", "").replace(" < ", ""):
                continue
            sides = [source, destination] if "source" in block["before"] else [destination]
            for side in sides:
                with psycopg.connect(side.dsn("postgres"), autocommit=True) as connection:
                    connection.execute(query.encode())
            tried += 1
    assert tried > 10
