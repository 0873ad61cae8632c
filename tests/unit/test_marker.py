"""A marker reads back as written, is believed only where it belongs, and never breaks a reader."""

import json

import pytest

from pgmigrator.core import marker as m
from pgmigrator.core.marker import Binding, Marker, NewerMarker, Step
from tests.unit.builders import DESTINATION, change, marker

BINDING = Binding("orders", 20_000, DESTINATION.system_identifier)


def altered(**changes: object) -> str:
    body = json.loads(m.dump(marker(Step.SCHEMA_DONE))) | changes
    return json.dumps({key: value for key, value in body.items() if value is not ...})


@pytest.mark.parametrize(
    "written",
    [
        marker(),
        marker(created=False),
        marker(*Step),
        marker(Step.SCHEMA_DONE, Step.SUBSCRIBED),
        change(marker(Step.COMPLETING), {"reason": "the 'old' one is gone, \N{SNOWMAN}"}),
    ],
)
def test_reads_back(written: Marker) -> None:
    assert m.load(m.dump(written), BINDING) == written


def test_equal_markers_are_equal_text() -> None:
    steps = list(Step)
    assert m.dump(marker(*steps)) == m.dump(marker(*reversed(steps)))


@pytest.mark.parametrize(
    "binding",
    [
        Binding("other", 20_000, DESTINATION.system_identifier),
        Binding("orders", 20_001, DESTINATION.system_identifier),
        Binding("orders", 20_000, DESTINATION.system_identifier + 1),
    ],
)
def test_is_ignored_elsewhere(binding: Binding) -> None:
    assert m.load(m.dump(marker(Step.SUBSCRIBED)), binding) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "null",
        "7",
        "[]",
        "{}",
        '{"version": 1}',
        '{"version": "one"}',
        '{"version": null}',
        altered(steps=["no such step"]),
        altered(steps="schema_done"),
        altered(steps=...),
        altered(source=7),
        altered(source={"timeline": 1}),
        altered(switch={"lsn": 1}),
        altered(mapping=...),
        altered(unheard_of=1),
        altered(database_oid="20000"),
    ],
)
def test_what_is_no_marker_is_ignored(text: str) -> None:
    assert m.load(text, BINDING) is None


@pytest.mark.parametrize("binding", [BINDING, Binding("other", 1, 1)])
def test_a_newer_format_is_never_ignored(binding: Binding) -> None:
    with pytest.raises(NewerMarker, match="format 2"):
        m.load(altered(version=2, steps="whatever"), binding)


def test_having_adds_steps_and_nothing_else() -> None:
    before = marker(Step.SCHEMA_DONE)
    after = before.having(Step.SUBSCRIBED, Step.SCHEMA_DONE)
    assert after == change(before, {"steps": frozenset({Step.SCHEMA_DONE, Step.SUBSCRIBED})})


@pytest.mark.parametrize(
    ("text", "binding", "other"),
    [
        (m.dump(marker()), BINDING, ""),
        (m.dump(marker()), Binding("theirs", 20_000, DESTINATION.system_identifier), "orders"),
        # carried here by a dump: it claims nothing
        (m.dump(marker()), Binding("theirs", 20_001, DESTINATION.system_identifier), ""),
        ("{}", BINDING, ""),
        ("no marker", BINDING, ""),
    ],
)
def test_another_mappings_marker_names_it(text: str, binding: Binding, other: str) -> None:
    assert m.other_mapping(text, binding) == other
