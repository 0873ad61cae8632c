"""`pgmigrator demo` as a newcomer runs it, without a terminal: it ends well, or says why not."""

import re
import signal
from collections.abc import Iterator

import pytest

from tests.e2e.demo_run import Run, demo_run, runs


@pytest.fixture
def demo() -> Iterator[Run]:
    with demo_run() as run:
        yield run


def test_a_whole_migration(demo: Run) -> None:
    assert demo.end() == 0, demo.output
    summary = demo.output.partition("\nmigrated\n")[2]
    moved = re.search(r"^moved +([0-9,]+) rows, ([0-9.]+) MB$", summary, re.M)
    assert moved, summary
    assert float(moved[2]) >= 300
    assert re.search(r"^time to green +[0-9.]+ s$", summary, re.M)
    assert re.search(r"^write pause +[0-9.]+ s$", summary, re.M)
    assert re.search(r"^differences +none, in [0-9]+ tables and [0-9]+ sequences$", summary, re.M)
    assert re.search(r"^application +.* no errors$", summary, re.M)
    assert re.search(r"^source +no trace", summary, re.M)
    for phase in ("copying", "indexing", "ready", "switched", "completed"):
        assert f"shop: {phase}" in demo.output
        assert f"Kunden & Archiv: {phase}" in demo.output
    assert demo.left() == []


def test_a_daemon_that_dies_fails_the_demo(demo: Run) -> None:
    demo.wait_for("the daemon runs")
    (daemon,) = (p for p in demo.family() if p.cmdline()[-2:] == ["pgmigrator", "run"])
    daemon.kill()
    assert demo.end() == 1, demo.output
    assert "the demo failed: the daemon ended by itself with exit status -9" in demo.output
    assert demo.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_cleans_up(demo: Run, number: signal.Signals) -> None:
    demo.wait_for("the daemon runs")
    family = demo.family()
    assert len(family) > 2
    demo.process.send_signal(number)
    assert demo.end() == 130, demo.output
    assert "everything was stopped and removed" in demo.output
    assert demo.left() == []
    assert not [process for process in family if runs(process)]
