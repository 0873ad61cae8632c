"""`pgmigrator demo` as a newcomer runs it, without a terminal: it ends well, or says why not."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

START_TIMEOUT_SECONDS = 120
END_TIMEOUT_SECONDS = 420


@dataclass
class Run:
    """One demo, with a temporary folder of its own to see what it leaves behind."""

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while text not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)

    def end(self) -> int:
        return self.process.wait(END_TIMEOUT_SECONDS)

    def family(self) -> list[psutil.Process]:
        """The daemon and both servers, which all work below the folder or were started by it."""
        demo = psutil.Process(self.process.pid)
        servers = [
            process
            for process in psutil.process_iter(["cmdline"])
            if str(self.folder) in " ".join(process.info["cmdline"] or ())
        ]
        return [*demo.children(recursive=True), *servers]

    def left(self) -> list[str]:
        return [path.name for path in self.folder.iterdir() if path.name != "output"]


@pytest.fixture
def demo() -> Iterator[Run]:
    # not pytest's own folder: nobody else than its user may enter that, not even the servers' user
    folder = Path(tempfile.mkdtemp(prefix="demo-test-"))
    folder.chmod(0o755)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pgmigrator", "demo"],
            env=os.environ | {"TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    run = Run(folder, process)
    yield run
    if process.poll() is None:
        process.terminate()
        process.wait(60)
    shutil.rmtree(folder)


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


def runs(process: psutil.Process) -> bool:
    """A zombie that nobody reaps does not count."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
