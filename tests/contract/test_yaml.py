"""Every YAML file of the repository passes yamllint."""

import subprocess
import sys

from tests.fixtures.tools import ROOT

PLACES = ("compose.yaml", "compose", "alerts", "dashboards", "k8s", ".pre-commit-config.yaml")


def test_yamllint_has_no_complaint() -> None:
    command = [sys.executable, "-m", "yamllint", "--strict", *PLACES]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "")
