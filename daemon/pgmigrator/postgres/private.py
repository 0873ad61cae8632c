"""Private folders for what must not outlive us: password files, and dumps that may hold secrets.

A process that is killed cannot remove its own: the next daemon does. What is in use is locked, and
the lock ends with its process.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "pgmigrator-private-"
_LOCK = "lock"


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder that only we can read, and remove it at the end of the block."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        folder = Path(name)
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder


def sweep() -> int:
    """Remove the folders of ours that nobody uses any more; return how many there were."""
    return sum(map(_remove_unused, Path(tempfile.gettempdir()).glob(f"{PREFIX}*")))


def _remove_unused(folder: Path) -> bool:
    with suppress(OSError):  # in use, somebody else's, or just being made or removed
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            return False
        with (folder / _LOCK).open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
            return True
    return False
