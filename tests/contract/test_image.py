"""The Dockerfile keeps its rules. An image is not built here: that takes a Docker engine."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pgmigrator import __version__
from pgmigrator.settings import Http

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text()


def instructions() -> list[tuple[str, str]]:
    """Each instruction and its arguments, with continued lines joined."""
    lines = re.sub(r"^#.*\n", "", TEXT, flags=re.M).replace("\\\n", "").splitlines()
    pairs = [line.partition(" ") for line in lines if line]
    return [(name, re.sub(r"\s+", " ", rest).strip()) for name, _, rest in pairs]


def arguments(name: str) -> list[str]:
    return [rest for found, rest in instructions() if found == name]


def is_ignored(path: str) -> bool:
    """As Docker reads .dockerignore: the last pattern that matches a path or a parent decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern, negated = line.removeprefix("!"), line.startswith("!")
        parents = [path, *map(str, Path(path).parents)]
        tail = pattern.removeprefix("**/")
        matches = any(fnmatch(p, pattern) or fnmatch(Path(p).name, tail) for p in parents)
        if line and not line.startswith("#") and matches:
            ignored = not negated
    return ignored


def test_hadolint_has_no_complaint() -> None:
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    if hadolint is None:
        pytest.skip("not checked: PyPI has no hadolint for this machine")
    command = [hadolint, str(ROOT / "Dockerfile")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_whatever_is_copied_is_there_and_not_ignored() -> None:
    sources = [
        source
        for rest in arguments("COPY")
        if not rest.startswith("--from=")
        for source in rest.split()[:-1]
    ]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [source for source in sources if is_ignored(source)] == []
    for kept_out in (".git", ".venv", "tests", "secrets", "daemon/pgmigrator/__pycache__/cli.pyc"):
        assert is_ignored(kept_out)
    assert not is_ignored("daemon/pgmigrator/postgres/sql/slot.sql")


def test_it_runs_as_a_numeric_user_who_is_not_root() -> None:
    assert arguments("USER") == ["65532:65532"]
    names = [name for name, _ in instructions()]
    assert "RUN" not in names[names.index("USER") :]


def test_the_entry_point_is_one_that_signals_reach() -> None:
    assert json.loads(arguments("ENTRYPOINT")[0]) == ["pgmigrator"]
    assert json.loads(arguments("CMD")[0]) == ["run"]
    scripts = importlib.metadata.entry_points(group="console_scripts")
    assert "pgmigrator" in {script.name for script in scripts}


def test_the_base_is_pinned_and_no_digest_is_made_up() -> None:
    stages = arguments("FROM")
    assert len(stages) == 2
    assert all(stage.startswith("python:${PYTHON_TAG}${PYTHON_DIGEST}") for stage in stages)
    assert not re.search(r"sha256:[0-9a-f]", TEXT)
    tag = dict(rest.split("=", 1) for rest in arguments("ARG"))["PYTHON_TAG"]
    assert re.fullmatch(r"3\.\d+-slim-[a-z]+", tag)


def test_no_compiler_and_no_package_lists_stay() -> None:
    assert not re.search(r"gcc|build-essential|-dev\b|clang", TEXT)
    for run in arguments("RUN"):
        assert ("apt-get update" in run) == ("rm -rf /var/lib/apt/lists/*" in run)


def test_labels_and_version_are_those_of_the_project() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]+)"', TEXT))
    assert set(labels) == {"title", "description", "licenses", "version", "revision"}
    assert f"ARG VERSION={__version__}\n" in TEXT
    assert f"--tag postgres-migrator:{__version__} " in TEXT


def test_every_dependency_is_locked_within_its_range() -> None:
    text = (ROOT / "requirements.lock").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.M))
    blocks = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.M)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    missing = []
    for wanted in map(Requirement, importlib.metadata.requires("postgres-migrator") or ()):
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        version = locked.get(canonicalize_name(wanted.name))
        if version is None or not wanted.specifier.contains(version):
            missing.append(f"{wanted} (locked: {version})")
    assert missing == [], "see the head of requirements.lock for how to make it anew"


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A daemon whose every answer has this status; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_asks_the_liveness_probe(status: int, healthy: bool) -> None:
    command = json.loads(arguments("HEALTHCHECK")[0].partition("CMD ")[2])
    command[0] = sys.executable
    with answering(status) as port:
        env = {"PGMIGRATOR_HTTP__PORT": str(port)}
        done = subprocess.run(command, env=env, capture_output=True, check=False)
    assert (done.returncode == 0) == healthy
    assert f"EXPOSE {Http().port}\n" in TEXT
    assert f"'{Http().port}'" in " ".join(command)
