"""What the demo says and draws, from documents of the daemon's own making."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from pgmigrator.core.model import Phase, Severity
from pgmigrator.core.report import DatabaseReport, GateStatus, TableState
from pgmigrator.demo.panel import View, Writes, panel
from pgmigrator.demo.progress import Copied, changes, failure, lag, obstacles
from pgmigrator.demo.screen import Screen
from pgmigrator.surface import status
from pgmigrator.surface.documents import DatabaseDocument, MappingDocument
from tests.unit import surface_samples as samples

WRITES = Writes(side="source", committed=1234, rolled_back=5, per_second=198.4, errors=0)


def document(*databases: DatabaseReport, **changed: Any) -> MappingDocument:
    return status.mapping_status(replace(samples.mapping(*databases), **changed))


def copying(done: int) -> DatabaseReport:
    base = samples.database(ready=False)
    assert base.copy is not None
    tables = {TableState.STREAMING: done, TableState.PENDING: 10 - done}
    copy = replace(base.copy, tables=tables, completed_bytes=done * 10, estimated_bytes=100)
    return replace(base, phase=Phase.COPYING, copy=copy, problems=())


def texts(before: MappingDocument | None, after: MappingDocument) -> list[str]:
    return [change.text for change in changes(before, after)]


def database(report: DatabaseReport) -> DatabaseDocument:
    return status.database_status(report)


def test_first_document_tells_phases_and_problems() -> None:
    assert texts(None, document(samples.database())) == [
        "phase ready",
        "shop: ready",
        'problem: "public"."log": no usable replica identity'
        '; fix: ALTER TABLE "public"."log" ADD PRIMARY KEY (id)',
    ]


def test_nothing_new_says_nothing() -> None:
    same = document(samples.database())
    assert texts(same, same) == []


def test_nothing_is_said_before_the_databases_are_known() -> None:
    assert texts(None, document(phase=Phase.UNKNOWN)) == []
    assert texts(document(phase=Phase.UNKNOWN), document(copying(1)))[0].startswith("phase ")


def test_tables_copied_are_told_one_by_one() -> None:
    told = texts(document(copying(1)), document(copying(2)))
    assert told == ["shop: 2 of 10 tables, 20 % of 100 B copied"]


def test_gates_are_told_when_they_change() -> None:
    before = document(replace(samples.database(ready=False), problems=()))
    after = document(replace(samples.database(), phase=Phase.CATCHING_UP, problems=()))
    assert texts(before, after)[-1] == "shop: 5 of 5 gates pass (lag 512 B, 0.4 s)"
    assert "not yet: no_conflicts" in texts(after, before)[-1]


def test_a_new_problem_is_a_milestone() -> None:
    clean = document(replace(samples.database(), problems=()))
    (change,) = changes(clean, document(samples.database()))
    assert change.milestone
    assert "; fix: " in change.text


@pytest.mark.parametrize("phase", [Phase.PREFLIGHT, Phase.SCHEMA, Phase.COMPLETED])
def test_no_copy_no_progress(phase: Phase) -> None:
    assert Copied.of(database(replace(copying(3), phase=phase))) is None


def test_copy_without_bytes_is_no_division_by_zero() -> None:
    base = copying(3)
    assert base.copy is not None
    empty = replace(base, copy=replace(base.copy, estimated_bytes=0, completed_bytes=0))
    copied = Copied.of(database(empty))
    assert copied is not None
    assert copied.percent == 0


def test_unknown_lag_is_not_zero() -> None:
    base = samples.database()
    unknown = replace(base, replication=replace(base.replication, lag_bytes=None))
    assert lag(database(unknown)) == "-"


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.BLOCKED])
def test_a_phase_without_way_out_is_a_failure(phase: Phase) -> None:
    stuck = replace(samples.database(), phase=phase, reason="the slot is gone", problems=())
    assert failure(document(stuck)) == [f"shop is {phase}: the slot is gone"]


def test_a_problem_of_every_database_is_told_once() -> None:
    both = document(samples.database(), samples.database("other"))
    assert len([text for text in texts(None, both) if text.startswith("problem")]) == 1


def test_a_blocking_problem_is_a_failure_with_its_fix() -> None:
    problem = replace(samples.PROBLEM.problem, severity=Severity.BLOCKS)
    blocked = replace(samples.database(), problems=(replace(samples.PROBLEM, problem=problem),))
    (reason,) = failure(document(blocked))
    assert "ADD PRIMARY KEY" in reason


def test_a_migration_under_way_is_no_failure() -> None:
    assert failure(document(copying(1))) == []


def test_obstacles_name_the_gates() -> None:
    found = obstacles(document(samples.database(ready=False)))
    assert "  no_conflicts: no_conflicts was looked at" in found


def drawn(view: View, width: int) -> str:
    # rich takes no width from a dumb terminal: not from the one that runs the tests either
    terminal = {"TERM": "xterm"}
    console = Console(
        file=StringIO(), width=width, force_terminal=True, color_system=None, _environ=terminal
    )
    console.print(panel(view))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("done", [0, 4, 10])
def test_panel_fits_every_width(width: int, done: int) -> None:
    mapping = document(copying(done))
    page = status.tables_page(copying(done), state="copying")
    text = drawn(View(mapping, WRITES, {"shop": page["items"]}), width)
    assert all(len(line) <= width for line in text.splitlines())
    assert f"{done}/10" in text
    assert "1,234 commits" in text


def test_panel_shows_gates_until_the_switch() -> None:
    before = drawn(View(document(samples.database(ready=False)), WRITES), 100)
    assert "✘ no_conflicts" in before
    assert "✔ lag_bytes" in before
    switched = samples.switched(samples.database())
    assert "lag_bytes" not in drawn(View(document(switched, phase=Phase.SWITCHED), WRITES), 100)


def test_panel_without_databases_or_gates() -> None:
    assert "unknown" in drawn(View(document(phase=Phase.UNKNOWN), WRITES), 80)
    bare = replace(samples.database(), gates=(), copy=None, phase=Phase.PREFLIGHT)
    assert "preflight" in drawn(View(document(bare), WRITES), 80)


def test_panel_shows_the_worst_of_all_databases() -> None:
    unknown = replace(samples.database("other"), gates=(samples.gate("a", GateStatus.UNKNOWN),))
    passing = replace(samples.database(), gates=(samples.gate("a"),))
    assert "? a" in drawn(View(document(passing, unknown), WRITES), 80)


def told(act: Callable[[Screen], None]) -> list[str]:
    out = StringIO()
    screen = Screen(Console(file=out, width=80))
    with screen:
        act(screen)
    return out.getvalue().splitlines()


def test_without_a_terminal_there_is_one_line_per_change() -> None:
    def act(screen: Screen) -> None:
        screen.doing("copying")
        for number in (1, 1, 2):
            screen.show(View(document(copying(number)), WRITES))
        screen.say("copied")

    lines = [line.partition(" s  ")[2] for line in told(act)]
    assert lines == [
        "copying",
        "phase catching_up",
        "shop: copying",
        "shop: 2 of 10 tables, 20 % of 100 B copied",
        "copied",
    ]


def test_brackets_are_no_markup_and_long_lines_stay_whole() -> None:
    text = "[red]" + "x" * 200
    assert told(lambda screen: screen.say(text))[0].endswith(text)
