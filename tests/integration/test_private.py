"""What a killed daemon left behind is removed by the next one; what is in use is not."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pgmigrator.postgres.private import private_folder, sweep

HOLDS = """
import sys, time
from pgmigrator.postgres.private import private_folder
with private_folder() as folder:
    (folder / "password").write_text("secret")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_only_what_the_dead_left_is_swept(temporary: Path) -> None:
    with (
        subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True) as other,
        private_folder() as ours,
    ):
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        assert theirs.parent == temporary
        assert theirs.stat().st_mode & 0o777 == 0o700
        assert sweep() == 0
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert (theirs / "password").exists()
        assert sweep() == 1
        assert not theirs.exists()
        assert ours.exists()
    assert not ours.exists()


def test_what_is_not_ours_stays(temporary: Path) -> None:
    (temporary / "elsewhere").mkdir()
    (temporary / "elsewhere" / "lock").touch()
    (temporary / "pgmigrator-private-link").symlink_to(temporary / "elsewhere")
    assert sweep() == 0
    assert (temporary / "elsewhere" / "lock").exists()
