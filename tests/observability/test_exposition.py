"""promtool's linter on what the daemon exposes, with data in every family."""

import subprocess

from prometheus_client import generate_latest

from pgmigrator.surface.http import create_application
from pgmigrator.surface.instruments import create_instruments
from tests.contract.test_docs_http import EVERYTHING
from tests.fixtures.tools import tool
from tests.unit.surface_samples import FakeControl


def check_metrics(text: str) -> str:
    """Return what promtool finds wrong with an exposition."""
    command = [tool("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=text, check=False, capture_output=True, text=True)
    # the client library's own names are not ours to mend
    lines = (done.stdout + done.stderr).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("python_", "process_")))


def test_the_linter_finds_nothing() -> None:
    instruments = create_instruments()
    create_application(FakeControl(EVERYTHING), instruments, None)
    assert check_metrics(generate_latest(instruments.registry).decode()) == ""


def test_the_linter_finds_something_if_there_is() -> None:
    bad = "# TYPE pgmigrator_lag_milliseconds counter\npgmigrator_lag_milliseconds 1\n"
    assert "pgmigrator_lag_milliseconds" in check_metrics(bad)
