"""The real daemon as a user runs it: a process of its own, configured by its environment."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pgmigrator.demo.servers import HOST, SUPERUSER, free_port
from pgmigrator.demo.stage import Stage
from pgmigrator.surface.client import Answer, Client, NoAnswer
from pgmigrator.surface.documents import MappingDocument, TableDocument

MAPPING = "demo"
REFRESH_SECONDS = 1
STABLE_SECONDS = 5
STOP_TIMEOUT_SECONDS = 20
#: tables of one database that are shown while they are copied
TABLES_SHOWN = 4
#: complaints of its log that are shown when the demo failed
LINES_SHOWN = 8


class DaemonEnded(RuntimeError):
    """The daemon ended although nobody asked it to."""


@dataclass
class Daemon:
    """One daemon process; `folder` is private and holds its secrets and its log."""

    folder: Path
    stage: Stage
    port: int = field(default_factory=free_port)
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{HOST}:{self.port}"

    @property
    def log_path(self) -> Path:
        """Its log."""
        return self.folder / "daemon.log"

    @property
    def token_path(self) -> Path:
        """The secret file of its control token."""
        return self._secrets_dir / "PGMIGRATOR_HTTP__CONTROL_TOKEN"

    @property
    def _secrets_dir(self) -> Path:
        return self.folder / "secrets"

    def settings(self) -> dict[str, str]:
        """Everything that it must know but the secrets, as environment variables."""
        source, destination = self.stage.source, self.stage.destination
        return {
            "PGMIGRATOR_INSTANCES__PG16__HOST": HOST,
            "PGMIGRATOR_INSTANCES__PG16__PORT": str(source.port),
            "PGMIGRATOR_INSTANCES__PG16__USER": SUPERUSER,
            "PGMIGRATOR_INSTANCES__PG18__HOST": HOST,
            "PGMIGRATOR_INSTANCES__PG18__PORT": str(destination.port),
            "PGMIGRATOR_INSTANCES__PG18__USER": SUPERUSER,
            f"PGMIGRATOR_MAPPINGS__{MAPPING.upper()}__SOURCE": "pg16",
            f"PGMIGRATOR_MAPPINGS__{MAPPING.upper()}__DESTINATION": "pg18",
            "PGMIGRATOR_REFRESH_INTERVAL_SECONDS": str(REFRESH_SECONDS),
            "PGMIGRATOR_CUTOVER__STABLE_SECONDS": str(STABLE_SECONDS),
            "PGMIGRATOR_POSTGRES_BIN_DIR": str(destination.installation.bin_dir),
            "PGMIGRATOR_SECRETS_DIR": str(self._secrets_dir),
            "PGMIGRATOR_HTTP__PORT": str(self.port),
        }

    def start(self) -> None:
        """Start it; it serves within a second or two."""
        self.write_secrets()
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pgmigrator", "run"],
                env=_without_ours(os.environ) | self.settings(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; we stop it in good order
            )

    def write_secrets(self) -> None:
        """Write its secret files, each named like its variable, for nobody else to read."""
        self._secrets_dir.mkdir(mode=0o700)
        source, destination = self.stage.source, self.stage.destination
        for path, secret in (
            (self.token_path, self.token),
            (self._secrets_dir / "PGMIGRATOR_INSTANCES__PG16__PASSWORD", source.password),
            (self._secrets_dir / "PGMIGRATOR_INSTANCES__PG18__PASSWORD", destination.password),
        ):
            path.touch(0o600)
            path.write_text(secret)

    def mapping(self) -> MappingDocument | None:
        """Read where the migration stands; None: it did not answer.

        :raises DaemonEnded: it does not run any more.
        """
        assert self.process is not None
        if (status := self.process.poll()) is not None:
            raise DaemonEnded(f"the daemon ended by itself with exit status {status}")
        found: MappingDocument | None = self._get(f"/status/{MAPPING}")
        return found

    def copying_tables(self, database: str) -> list[TableDocument]:
        """Read which tables of a database are being copied right now."""
        path = f"/status/{MAPPING}/{quote(database, safe='')}/tables"
        page = self._get(f"{path}?state=copying&limit={TABLES_SHOWN}")
        return page["items"] if page else []

    def post(self, verb: str, timeout_seconds: float = 60) -> Answer:
        """Command it as an operator does, with the token.

        :raises NoAnswer: there was none in time.
        """
        client = Client(self.url, self.token)
        body = {"timeout_seconds": timeout_seconds}
        return client.post(f"/cutover/{MAPPING}/{verb}", body, timeout_seconds)

    def stop(self) -> int:
        """Ask it to end, insist after a while; return its exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def log_end(self) -> list[str]:
        """Return its last warnings and errors, shortened."""
        if not self.log_path.exists():
            return []
        lines = self.log_path.read_text("utf-8", errors="replace").splitlines()
        told = dict.fromkeys(text for line in lines if (text := _complaint(line)))
        return [*told][-LINES_SHOWN:]

    def _get(self, path: str) -> Any:
        try:
            answer = Client(self.url).get(path)
        except NoAnswer:
            return None
        return answer.document() if answer.status == 200 else None


def _without_ours(environ: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environ.items() if not k.startswith(("PG", "PGMIGRATOR_"))}


def _complaint(line: str) -> str:
    """What a line of the log complains about; empty if it does not."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line  # a crash before the log was set up
    if entry.get("level") in ("debug", "info"):
        return ""
    exception = entry.get("exception", "").strip().rpartition("\n")[2]
    parts = [entry.get(key, "") for key in ("database", "action", "event", "reason")]
    return "daemon: " + ": ".join(str(part) for part in (*parts, exception) if part)
