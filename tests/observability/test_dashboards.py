"""What a linter finds in dashboards, for every panel of every kind, with no exception."""

import json
import re
from itertools import combinations
from typing import Any

import pytest
from dashboards.generator.every import rendered
from dashboards.generator.words import FAIL, PASS, UNKNOWN

from pgmigrator.core.gates import GATE_NAMES
from pgmigrator.core.model import Phase
from tests.observability import boards
from tests.observability.boards import FOLDER, UIDS, Target
from tests.observability.promql import (
    RATES,
    careless_regexps,
    misused_counters,
    parse,
    unknown_selectors,
    uses,
)
from tests.observability.rules import RUNBOOKS, rules

#: below, client-side `kubectl apply` can keep it in an annotation
BYTES_MAX = 200_000
UNITS = {
    "none",
    "s",
    "bytes",
    "short",
    "percentunit",
    "dateTimeFromNow",
    "ops",
    "reqps",
}
KINDS = {"stat", "table", "timeseries", "state-timeline", "bargauge"}
VARIABLES = ["datasource", "job", "instance", "mapping", "database", "runbooks"]
#: series of alerts bear no instance: our rules fold it away
WITHOUT_INSTANCE = {"ALERTS"}

#: show that the daemon is gone, and so need no words for it: see test_live
WITHOUT_DAEMON = {
    "What is wrong: firing alerts",
    "What keeps a light off: gates that do not pass",
}

every_board = pytest.mark.parametrize("uid", UIDS)
every_panel = pytest.mark.parametrize(
    "panel",
    [panel for uid in UIDS for panel in boards.panels(uid)],
    ids=lambda panel: panel["title"],
)
every_target = pytest.mark.parametrize("target", boards.targets(), ids=lambda target: target.id)


@every_board
def test_it_is_what_the_code_builds(uid: str) -> None:
    text = (FOLDER / f"{uid}.json").read_text("utf-8")
    assert text == rendered()[uid], "run python -m dashboards.generator"
    assert len(text.encode()) < BYTES_MAX


def test_every_dashboard_is_committed() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(UIDS) == set(rendered())


@every_board
def test_it_loads_in_every_supported_grafana(uid: str) -> None:
    board = boards.document(uid)
    assert board["schemaVersion"] == 39
    assert board["uid"] == uid
    assert board["title"].startswith("Postgres Migrator / ")
    assert board["description"]
    assert board["editable"] is False
    assert board["timezone"] == "utc"
    assert board["refresh"] == "5s"
    assert board["tags"] == ["postgres-migrator"]
    # what only an export or a database has
    assert not {"id", "__inputs", "__requires", "version", "gnetId"} & set(board)


@every_board
def test_variables(uid: str) -> None:
    found = boards.document(uid)["templating"]["list"]
    assert [variable["name"] for variable in found] == VARIABLES
    assert [variable["label"] for variable in found[:3]] == ["Data source", "Job", "Instance"]
    assert found[0]["query"] == "prometheus"
    for variable in found[1:5]:
        assert variable["datasource"]["uid"] == "${datasource}"
        assert variable["refresh"] == 2
        assert variable["multi"]
        assert variable["includeAll"]
        assert variable["allValue"] == ".+"
        selector = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        assert selector
        assert selector[2] == variable["name"]
        assert unknown_selectors(parse(selector[1])) == []


@every_board
def test_the_dashboards_link_to_one_another(uid: str) -> None:
    (link,) = boards.document(uid)["links"]
    assert (link["type"], link["tags"]) == ("dashboards", ["postgres-migrator"])
    assert link["includeVars"]
    assert link["keepTime"]


@every_board
def test_panels_have_their_own_place(uid: str) -> None:
    found = boards.document(uid)["panels"]
    assert len({panel["id"] for panel in found}) == len(found)
    titles = [panel["title"] for panel in boards.panels(uid)]
    assert len(set(titles)) == len(titles)
    for one, other in combinations((panel["gridPos"] for panel in found), 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in found)


def test_the_first_screen_answers_what_matters_without_scrolling() -> None:
    """About nine rows of the grid are seen on a laptop."""
    first = [p["title"] for p in boards.panels(UIDS[0]) if p["gridPos"]["y"] == 0]
    assert first == [
        "Is a cutover safe now?",
        "What is wrong: firing alerts",
        "What keeps a light off: gates that do not pass",
    ]
    assert all(p["gridPos"]["h"] <= 9 for p in boards.panels(UIDS[0]) if p["gridPos"]["y"] == 0)


@every_panel
def test_every_panel_says_what_it_is(panel: Any) -> None:
    assert panel["type"] in KINDS
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert panel["targets"]
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs)
    assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] in UNITS
    if defaults["unit"] == "none" and panel["type"] != "table":
        assert defaults["mappings"][0]["type"] == "value", "a number without unit needs words"
    for override in panel["fieldConfig"]["overrides"]:
        for each in override["properties"]:
            assert each["id"] != "unit" or each["value"] in UNITS


@every_panel
def test_no_data_never_looks_good(panel: Any) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    # whatever else it may mean; but for what has a row of its own when the daemon is gone
    assert "NO DATA" in defaults["noValue"] or panel["title"] in WITHOUT_DAEMON
    (special,) = [each for each in defaults["mappings"] if each["type"] == "special"]
    assert special["options"]["match"] == "null+nan"
    assert special["options"]["result"]["color"] == UNKNOWN
    # Grafana shows this one also when there is no series at all
    assert special["options"]["result"]["text"] == defaults["noValue"]


@every_panel
def test_colours_come_with_words_and_are_told_apart_by_everybody(panel: Any) -> None:
    text = json.dumps(panel)
    allowed = {PASS, FAIL, UNKNOWN, "#E69F00", "#0072B2", "#56B4E9", "#CC79A7", "#F0E442"}
    assert set(re.findall(r"#[0-9A-Fa-f]{6}\b", text)) <= allowed
    assert not re.search(r'"color": "(red|green|orange|yellow|dark-|light-|semi-)', text)
    for mapping in panel["fieldConfig"]["defaults"]["mappings"]:
        if mapping["type"] == "value":
            words = [each["text"] for each in mapping["options"].values()]
            assert all(words)
            assert len(set(words)) == len(words)


@every_panel
def test_what_can_be_red_leads_to_a_runbook(panel: Any) -> None:
    found = re.findall(r"\$\{runbooks\}/(\w+)\.md", json.dumps(panel))
    assert all((RUNBOOKS / f"{name}.md").is_file() for name in found)
    by_name = "${runbooks}/${__value.raw}.md" in json.dumps(panel)
    if FAIL in json.dumps(panel):
        assert found or by_name
    if by_name:
        assert {rule.name for rule in rules()} == {page.stem for page in RUNBOOKS.glob("Pg*.md")}


@every_panel
def test_what_may_be_several_has_names(panel: Any) -> None:
    for target in panel["targets"]:
        assert target.get("format") == "table" or target["legendFormat"]
        assert target["expr"]


@every_target
def test_every_selector_is_exported(target: Target) -> None:
    assert unknown_selectors(parse(target.expr)) == []


@every_target
def test_every_selector_follows_the_variables(target: Target) -> None:
    for use in uses(parse(target.expr)):
        wanted = {("job", "=~", "$job"), ("instance", "=~", "$instance")}
        if use.metric in WITHOUT_INSTANCE:
            wanted = {("job", "=~", "$job")}
        assert wanted <= set(use.matchers), use


@every_target
def test_counters_are_rates_over_the_interval_of_grafana(target: Target) -> None:
    assert misused_counters(parse(target.expr)) == []
    for function, span in re.findall(r"\b(rate|increase|irate)\([^[]+\[([^]]+)\]", target.expr):
        assert function in RATES
        assert span == "$__rate_interval"


@every_target
def test_regexps_are_needed(target: Target) -> None:
    assert careless_regexps(parse(target.expr)) == []


@every_target
def test_folds_keep_what_the_legend_names(target: Target) -> None:
    """Series of several daemons, or of one before and after a restart, are folded into one."""
    folded = re.findall(r"\bby \(([^)]*)\)", target.expr)
    assert folded
    kept = {label for each in folded for label in each.split(", ")}
    assert set(boards.legend_labels(target)) <= kept


def test_what_is_listed_is_all_there_is() -> None:
    overview = json.dumps(boards.document(UIDS[0]))
    assert [gate for gate in GATE_NAMES if f"{gate}: " not in overview] == []
    assert [phase for phase in Phase if f'"text": "{phase}"' not in overview] == []
