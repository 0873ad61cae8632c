"""What is documented is what is served: routes, parameters, metrics, and the shape of /status."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from prometheus_client import generate_latest

from pgmigrator.core.commands import Blocker, Command, Outcome, OutcomeStatus, Verb
from pgmigrator.core.report import Report
from pgmigrator.surface import documents, metrics, status
from pgmigrator.surface.catalogue import METRICS
from pgmigrator.surface.http import create_application
from pgmigrator.surface.instruments import create_instruments
from pgmigrator.surface.parameters import BadParameters, parse
from tests.unit.surface_samples import (
    PROOF,
    FakeControl,
    database,
    mapping,
    report,
    switched,
)

DOCS = Path(__file__).parents[2] / "docs"
EVERYTHING = report(
    mapping(database(), database("billing", ready=False), switched(database("old"))),
    mapping(name="empty"),
)


def served() -> set[tuple[str, str]]:
    application = create_application(FakeControl(EVERYTHING), create_instruments(), None)
    return {
        (route.method, route.resource.canonical)
        for route in application.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }


def test_every_route_is_documented_and_the_reverse() -> None:
    text = (DOCS / "http.md").read_text()
    documented = set(re.findall(r"^\| `(GET|POST) ([^`?]+)`", text, re.MULTILINE))
    assert documented == served()


@pytest.mark.parametrize("verb", Verb)
def test_every_parameter_is_documented(verb: Verb) -> None:
    row = re.search(
        rf"^\| `POST /cutover/{{mapping}}/{verb}` \| (.*) \|$",
        (DOCS / "http.md").read_text(),
        re.MULTILINE,
    )
    assert row
    with pytest.raises(BadParameters) as error:
        parse(verb, "orders", b'{"?": 0}')
    known = str(error.value).partition("known are ")[2].split(", ")
    assert re.findall(r"`(\w+)`", row[1]) == known


def test_metrics_are_documented_as_generated() -> None:
    text = (DOCS / "metrics.md").read_text()
    assert text == metrics.markdown(), "python -m pgmigrator.surface.metrics > docs/metrics.md"


def test_every_documented_metric_is_exposed_and_the_reverse() -> None:
    instruments = create_instruments()
    create_application(FakeControl(EVERYTHING), instruments, None)
    text = generate_latest(instruments.registry).decode()
    exposed = set(re.findall(r"^# TYPE (pgmigrator_\S+) (\S+)$", text, re.MULTILINE))
    assert exposed == {(metric.full_name, metric.kind) for metric in METRICS}


def test_every_sample_has_the_documented_labels() -> None:
    collector = metrics.ReportCollector(lambda: EVERYTHING)
    labels = {metric.full_name: set(metric.labels) for metric in METRICS}
    for family in collector.collect():
        assert family.samples, f"{family.name}: the sample report should have data for it"
        for sample in family.samples:
            assert set(sample.labels) == labels[sample.name]


def test_the_schema_is_published_as_generated() -> None:
    text = (DOCS / "status.schema.json").read_text()
    how = "python -m pgmigrator.surface.documents > docs/status.schema.json"
    assert text == documents.schema_text(), how


def validator(definition: str) -> Draft202012Validator:
    schema = json.loads((DOCS / "status.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    chosen = schema | {"$ref": f"#/$defs/{definition}"}
    return Draft202012Validator(chosen, format_checker=FormatChecker())


def unknown(current: Report) -> Report:
    """Make everything unknown that can be."""
    bare = [
        replace(each, ready_since=None, copy=None, schema_drift=None, drain=None, switched=None)
        for each in current.mappings[0].databases
    ]
    return replace(
        current, generated_at=None, mappings=(replace(current.mappings[0], databases=tuple(bare)),)
    )


@pytest.mark.parametrize("current", [EVERYTHING, unknown(EVERYTHING), report()])
def test_status_is_valid(current: Report) -> None:
    document = json.loads(json.dumps(status.status(current)))
    validator("StatusDocument").validate(document)


def test_other_documents_are_valid() -> None:
    found = EVERYTHING.mappings[0]
    blocker = Blocker(database="shop", object="pid 7", status="fail", reason="r", fix="f")
    outcome = Outcome(
        status=OutcomeStatus.CONFLICT, message="m", blocking=(blocker,), drains=(PROOF,)
    )
    command = Command(verb=Verb.DRAIN, mapping="orders")
    shown: list[tuple[str, Any]] = [
        ("MappingDocument", status.mapping_status(found)),
        ("DatabaseDocument", status.database_status(found.databases[0])),
        ("TablesDocument", status.tables_page(found.databases[0], limit="2")),
        ("CutoverDocument", status.cutover(found)),
        ("OutcomeDocument", status.outcome(command, outcome)),
    ]
    for definition, document in shown:
        validator(definition).validate(json.loads(json.dumps(document)))


def test_the_schema_is_strict() -> None:
    document = json.loads(json.dumps(status.status(EVERYTHING)))
    document["mappings"][0]["databases"][0]["password"] = "x"
    assert not validator("StatusDocument").is_valid(document)
    document = json.loads(json.dumps(status.status(EVERYTHING)))
    del document["mappings"][0]["ready"]
    assert not validator("StatusDocument").is_valid(document)
