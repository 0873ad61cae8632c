"""Runs pg_dump and pg_restore as child processes that never outlive their work.

Nothing secret is on a command line: the password is in a 0600 file in a private folder that is
removed afterwards. A child gets SIGTERM when its parent dies (Linux) or its task is cancelled:
pg_dump then cancels what its server is doing. What they say is bounded and redacted.
"""

import asyncio
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from pgmigrator.core.text import ENCODING, SESSION_OPTIONS
from pgmigrator.errors import MigratorError, Refused, Unreachable
from pgmigrator.postgres.connect import Endpoint, redact, startup_options
from pgmigrator.postgres.private import private_folder

PROGRAMS = ("pg_dump", "pg_restore")
DISTRIBUTION_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")
#: of what a child says this much is kept, its beginning: the first error is the cause
OUTPUT_MAX_BYTES = 16 * 1024 * 1024
#: how long a child may take to end after SIGTERM
TERMINATE_TIMEOUT_SECONDS = 10.0

_PR_SET_PDEATHSIG = 1
_UNREACHABLE = re.compile(
    r"connection to server .* failed|server closed the connection"
    r"|could not (?:connect|translate host name)|terminating connection"
)


@dataclass(frozen=True, slots=True)
class Tools:
    """A folder with pg_dump and pg_restore of one major version."""

    bin_dir: Path
    major: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended; `stderr` is redacted."""

    status: int
    stderr: str


def find_tools(bin_dir: Path | None, major: int) -> Tools:
    """Find pg_dump and pg_restore of a major version.

    Looks in `bin_dir` only, if given; else on PATH, then in the distributions' folders.

    :raises Refused: there are none of that version.
    """
    found = list(_complete(bin_dir))
    for folder, version_num in found:
        if version_num // 10000 == major:
            return Tools(folder, major)
    others = sorted({f"{version_num // 10000} in {folder}" for folder, version_num in found})
    had = f"found version {', '.join(others)}" if found else "found none"
    raise Refused(
        f"pg_dump and pg_restore {major} are needed, {had}: install postgresql-client-{major},"
        " or name their folder in PGMIGRATOR_POSTGRES_BIN_DIR"
    )


def versions(bin_dir: Path | None) -> tuple[int, ...]:
    """Return the versions of those that `find_tools` finds, in its order; see `version`."""
    return tuple(version_num for _, version_num in _complete(bin_dir))


def _complete(bin_dir: Path | None) -> Iterator[tuple[Path, int]]:
    for folder in [bin_dir] if bin_dir else _folders():
        if all((folder / program).exists() for program in PROGRAMS):
            yield folder, version(folder)


def _folders() -> Iterator[Path]:
    if on_path := shutil.which(PROGRAMS[0]):
        yield Path(on_path).parent
    for pattern in DISTRIBUTION_FOLDERS:
        yield from sorted(Path("/").glob(pattern), reverse=True)


def version(bin_dir: Path) -> int:
    """Return the version of the pg_dump in a folder, like server_version_num; 0: it does not run.

    A release candidate ("19rc1") has the minor version 0, as its server has.
    """
    try:
        command: list[Path | str] = [bin_dir / PROGRAMS[0], "--version"]
        said = subprocess.check_output(  # noqa: S603
            command, text=True, timeout=10, env=_without_ours()
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r"\) (\d+)(?:\.(\d+))?", said)
    return int(match[1]) * 10000 + int(match[2] or 0) if match else 0


async def run(
    tools: Tools,
    program: str,
    arguments: Sequence[str],
    *,
    endpoint: Endpoint,
    database: str,
    action: str,
    options: Mapping[str, str] | None = None,
) -> Ended:
    """Run a program against a database and wait for its end, however it ends.

    `options` are settings for its sessions. Cancelling the caller ends the child first.
    """
    with private_folder() as folder:
        environment = _environment(endpoint, folder, options or {})
        conninfo = make_conninfo("", **endpoint.parameters(database, action))
        connection = ("--no-password", f"--dbname={conninfo}")
        status, said = await _child(tools, program, (*connection, *arguments), environment)
    return Ended(status, redact(said, endpoint))


async def run_offline(tools: Tools, program: str, arguments: Sequence[str]) -> None:
    """Run a program that needs no server.

    :raises Refused: it failed.
    """
    status, said = await _child(tools, program, arguments, _without_ours())
    if status:
        raise Refused(f"{program} failed: {said.strip()}")


async def _child(
    tools: Tools, program: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[int, str]:
    """Run a child to its end; return its status and what it said. Cancelling ends it first."""
    process = await asyncio.create_subprocess_exec(
        tools.bin_dir / program,
        *arguments,
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        env=environment,
        # a process group of its own: the terminal's Ctrl-C is the daemon's to pass on
        start_new_session=True,
        preexec_fn=_die_with_parent(),
    )
    try:
        said = await _read_bounded(process)
        status = await process.wait()
    finally:
        await _end(process)
    return status, said.decode(errors="replace")


def failure(program: str, endpoint: Endpoint, ended: Ended) -> MigratorError:
    """Make the exception for a child that failed as a whole; never with a statement's text."""
    said = [line for line in ended.stderr.splitlines() if line.startswith(f"{program}: ")]
    lines = said or [f"{program} ended with status {ended.status}"]
    text = f"{endpoint.side} {endpoint.name}: " + "; ".join(lines[:3])
    return Unreachable(text) if _UNREACHABLE.search(ended.stderr) else Refused(text)


def _environment(endpoint: Endpoint, folder: Path, options: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child that talks to a server."""
    environment = _without_ours()
    # what it says is read: LC_ALL is for its own words, lc_messages for the server's
    settings = {"client_connection_check_interval": "1s", "lc_messages": "C"}
    settings |= SESSION_OPTIONS | ENCODING | dict(options)
    environment["PGOPTIONS"] = startup_options(settings)
    environment["LC_ALL"] = "C"
    if endpoint.password is not None:
        file = folder / "password"
        file.touch(0o600)
        escaped = endpoint.password.replace("\\", "\\\\").replace(":", "\\:")
        file.write_text(f"*:*:*:*:{escaped}\n", encoding="utf-8")
        environment["PGPASSFILE"] = str(file)
    elif own := os.environ.get("PGPASSFILE"):
        environment["PGPASSFILE"] = own
    return environment


def _without_ours() -> dict[str, str]:
    """Our environment without our settings, which hold secrets, and without libpq's variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _die_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def before_exec() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the line above
            os.kill(os.getpid(), signal.SIGTERM)

    return before_exec


async def _read_bounded(process: Process) -> bytes:
    assert process.stderr is not None
    kept = bytearray()
    while chunk := await process.stderr.read(65536):
        kept += chunk[: OUTPUT_MAX_BYTES - len(kept)]
    return bytes(kept)


async def _end(process: Process) -> None:
    """Terminate a child that still runs and wait for it; kill it if it does not listen."""
    if process.returncode is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(TERMINATE_TIMEOUT_SECONDS):
            await process.wait()
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
