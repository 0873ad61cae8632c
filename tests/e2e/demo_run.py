"""A demo as a process of its own, without a terminal."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

START_TIMEOUT_SECONDS = 240
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


@contextmanager
def demo_run(*options: str, path: str = "") -> Iterator[Run]:
    """Start `pgmigrator demo`; in the end, stop it and remove what it left.

    :param path: a folder to be looked in for programs, after those of PATH.
    """
    # not pytest's own folder: nobody else than its user may enter that, not even the servers' user
    folder = Path(tempfile.mkdtemp(prefix="demo-test-"))
    folder.chmod(0o755)
    search = os.pathsep.join(filter(None, (os.environ["PATH"], path)))
    # a shell that runs the tests in the background has them, and so the demo, ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pgmigrator", "demo", *options],
            env=os.environ | {"TMPDIR": str(folder), "PATH": search},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Run(folder, process)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        shutil.rmtree(folder)


def runs(process: psutil.Process) -> bool:
    """A zombie that nobody reaps does not count."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
