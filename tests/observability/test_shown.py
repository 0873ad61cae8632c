"""What a person reads in the boards, and in which colour, by Grafana's own library.

A Grafana server cannot be had from a package registry; the code that turns series into texts,
colours and tables can. Numbers are made up here; that the queries have them, test_live proves.
"""

import itertools
from typing import Any

import pytest
import yaml
from dashboards.generator import words
from dashboards.generator.words import BLUE, FAIL, PASS, UNKNOWN, WARN

from pgmigrator.core.model import Phase
from pgmigrator.surface.catalogue import WAL_STATUSES
from tests.fixtures.grafana import RELEASE, Cell, Rows, job, shown
from tests.fixtures.tools import ROOT
from tests.observability import boards

WORDS = {
    "Is a cutover safe now?": words.LIGHT,
    "Daemon": words.TARGET,
    "Servers": words.SERVER,
    "Slot": words.IN_USE,
    "Lease": words.LEASE,
    "Does a copy wait on purpose?": words.WAITING,
}
#: what no query has, and so no word is there for
STRANGE = 99
NUMBERS: dict[str, list[tuple[float, str, str]]] = {
    "Worst lag, of its limit": [(0.5, "50%", PASS), (1, "100%", WARN), (20, "2000%", FAIL)],
    "Shortest WAL runway": [
        (1800, "30 mins", FAIL),
        (7200, "2 hours", WARN),
        (86400, "1 day", PASS),
    ],
    "Open problems": [(0, "0", UNKNOWN), (2, "2", WARN)],
    "Application waits behind us": [(0, "0", PASS), (1, "1", FAIL)],
    "Age of what you see": [(4, "4 s", PASS), (45, "45 s", WARN), (120, "2 mins", FAIL)],
    "Age of its report": [(4, "4 s", PASS), (45, "45 s", WARN), (120, "2 mins", FAIL)],
    "Oldest transaction on the source": [(60, "1 min", PASS), (3600, "1 hour", FAIL)],
    "Rows last compared": [(60, "1 min", PASS), (86400, "1 day", FAIL)],
    "Tables that differ": [(0, "0", PASS), (1, "1", FAIL)],
    # 0 is no good news: as many rows may be other ones
    "Difference of row counts": [(0, "0", UNKNOWN), (1, "1", FAIL)],
    "Late writes": [(0, "0", PASS), (1, "1", FAIL)],
    "Tables with a problem": [(0, "0", PASS), (1, "1", FAIL)],
    "Tables that are not shown here": [(12, "12", UNKNOWN)],
    "Last drain took": [(0.4, "400 ms", UNKNOWN)],
    "Initial copy": [(0.5, "50%", BLUE)],
    "Running copies": [(0.5, "50%", BLUE)],
}
#: an instant, seen from now
MOMENTS = {"Copy ends", "Light last changed", "Switched"}

STATS = [
    (uid, panel)
    for uid in boards.UIDS
    for panel in boards.panels(uid)
    if panel["type"] in ("stat", "bargauge")
]


def panel(uid: str, title: str) -> Any:
    """Find a panel."""
    return next(each for each in boards.panels(f"pgmigrator-{uid}") if each["title"] == title)


def texts(rows: list[list[Cell]]) -> list[list[str]]:
    """Leave the colours away."""
    return [[text for text, _ in row] for row in rows]


def test_the_library_is_that_of_the_grafana_in_compose() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert services["grafana"]["image"] == f"grafana/grafana:{RELEASE}"


def test_every_panel_of_words_or_numbers_is_told_of_here() -> None:
    titles = {each["title"] for _, each in STATS}
    assert titles == {*WORDS, *NUMBERS, *MOMENTS}


def test_without_a_series_or_a_number_a_panel_is_grey_and_says_what_that_may_mean() -> None:
    empty = shown(*(job(each, []) for _, each in STATS))
    null = shown(*(job(each, [({}, None)]) for _, each in STATS))
    for (_, each), of_empty, of_null in zip(STATS, empty, null, strict=True):
        expected = [[each["fieldConfig"]["defaults"]["noValue"], UNKNOWN]]
        assert of_empty == of_null == expected, each["title"]


def test_every_number_has_its_word_and_its_colour() -> None:
    chosen = [each for _, each in STATS if each["title"] in WORDS]
    for each, found in zip(
        chosen,
        shown(*(job(p, [({}, n) for n in (*WORDS[p["title"]], STRANGE)]) for p in chosen)),
        strict=True,
    ):
        meant = [list(cell) for cell in WORDS[each["title"]].values()]
        assert found == [*meant, [str(STRANGE), UNKNOWN]], each["title"]


def test_states_over_time_have_the_words_of_the_code() -> None:
    phases, wal = shown(
        job(panel("mapping", "Phases"), [({}, number) for number in words.PHASES]),
        job(panel("mapping", "Is the WAL still there?"), [({}, number) for number in words.WAL]),
    )
    assert [text for text, _ in phases] == [*Phase]
    assert phases == [list(cell) for cell in words.PHASES.values()]
    assert [text.lower() for text, _ in wal] == [*WAL_STATUSES]
    assert wal == [list(cell) for cell in words.WAL.values()]


def test_numbers_turn_red_where_the_alerts_begin() -> None:
    chosen = [each for _, each in STATS if each["title"] in NUMBERS]
    for each, found in zip(
        chosen,
        shown(*(job(p, [({}, number) for number, _, _ in NUMBERS[p["title"]]]) for p in chosen)),
        strict=True,
    ):
        assert found == [list(cell) for _, *cell in NUMBERS[each["title"]]], each["title"]


def test_instants_are_told_from_now() -> None:
    chosen = [each for _, each in STATS if each["title"] in MOMENTS]
    for each, ((text, colour),) in zip(
        chosen, shown(*(job(p, [({}, 1000.0 * 86400 * 365)]) for p in chosen)), strict=True
    ):
        assert text.endswith("years ago"), each["title"]
        assert colour == UNKNOWN


def test_the_gates_are_a_matrix_of_words() -> None:
    gates: Rows = [
        ({"gate": "lag_bytes", "where": "orders / shop"}, 0),
        ({"gate": "apply_running", "where": "orders / zoo"}, 1),
        ({"gate": "apply_running", "where": "orders / shop"}, 2),
    ]
    (found,) = shown(job(panel("mapping", "Gates"), gates))
    assert texts(found) == [
        ["Gate", "orders / shop", "orders / zoo"],
        ["lag_bytes", "FAIL", "NO DATA"],
        ["apply_running", "pass", "unknown"],
    ]
    assert [[colour for _, colour in row[1:]] for row in found[1:]] == [
        [FAIL, UNKNOWN],
        [PASS, UNKNOWN],
    ]


DATABASE = {"mapping": "orders", "database": "shop"}


def test_what_keeps_a_light_off_is_told_with_its_numbers_and_its_limit() -> None:
    board = panel("overview", "What keeps a light off: gates that do not pass")
    gates: Rows = [
        ({**DATABASE, "gate": "row_counts_match", "status": "fail"}, 1),
        ({**DATABASE, "gate": "data_fresh", "status": "unknown"}, 1),
    ]
    of_gate = {**DATABASE, "gate": "row_counts_match", "unit": "rows"}
    ((headings, failing, unknown),) = shown(job(board, gates, [(of_gate, 3)], [(of_gate, 0)]))
    assert [text for text, _ in headings] == [
        "Status",
        "Mapping",
        "Database",
        "Gate that must pass",
        "Value",
        "Limit",
        "Unit",
    ]
    assert failing[0] == ["fail", FAIL]
    assert unknown[0] == ["unknown", UNKNOWN]
    assert failing[3][0].startswith("row_counts_match: ")
    assert [text for text, _ in failing[4:]] == ["3", "0", "rows"]
    assert [text for text, _ in unknown[4:]] == ["-", "-", "-"], "a gate without a number"


def test_where_every_database_stands_has_words_and_units() -> None:
    board = panel("overview", "Where every database stands")
    other = {"mapping": "orders", "database": "zoo"}
    series: list[Rows] = [
        [(DATABASE, 5), (other, 0)],
        [(DATABASE, 1000.0 * 86400 * 365)],
        [(DATABASE, 0.5)],
        [(DATABASE, 3.4)],
        [],
    ]
    ((_, one, unknown),) = shown(job(board, *series))
    assert one[2] == ["indexing", BLUE]
    assert one[3][0].endswith("years ago")
    assert [text for text, _ in one[4:]] == ["50%", "3.40 s", "-"]
    assert unknown[2] == ["unknown", UNKNOWN]
    assert {text for text, _ in unknown[3:]} == {"-"}


@pytest.mark.parametrize(
    ("uid", "title", "labels", "expected"),
    [
        (
            "overview",
            "What is wrong: firing alerts",
            {"severity": "critical", "alertname": "PgMigratorDown"},
            ["critical", "PgMigratorDown", "-", "-"],
        ),
        (
            "mapping",
            "Open problems",
            {**DATABASE, "severity": "degrades", "instance": "a:8432"},
            ["degrades", "orders", "shop", "1", "a:8432"],
        ),
        (
            "tables",
            "Tables whose rows differ",
            {**DATABASE, "schema": "public", "table": "nothing"},
            ["orders", "shop", "public", "nothing", "1"],
        ),
        (
            "daemon",
            "Version",
            {"instance": "a:8432", "version": "0.1.0", "revision": "abc"},
            ["a:8432", "0.1.0", "abc"],
        ),
    ],
)
def test_lists(uid: str, title: str, labels: dict[str, str], expected: list[str]) -> None:
    others = {key: "" for key in ("mapping", "database") if uid == "overview"}
    ((_, row),) = shown(job(panel(uid, title), [({**others, **labels}, 1)]))
    assert [text for text, _ in row] == expected


def test_sizes_of_copies_have_units() -> None:
    labels = {**DATABASE, "schema": "public", "table": "orders"}
    board = panel("tables", "Running copies by size")
    ((_, row),) = shown(job(board, [(labels, 5 * 1024**2)], [(labels, 2 * 1024**3)]))
    assert [text for text, _ in row[4:]] == ["5 MiB", "2 GiB"]


def test_every_table_is_told_of_here() -> None:
    told = {
        "Gates",
        "What keeps a light off: gates that do not pass",
        "Where every database stands",
        "What is wrong: firing alerts",
        "Open problems",
        "Tables whose rows differ",
        "Version",
        "Running copies by size",
    }
    every = itertools.chain.from_iterable(map(boards.panels, boards.UIDS))
    assert {each["title"] for each in every if each["type"] == "table"} == told
