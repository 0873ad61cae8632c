"""PostgreSQL servers of one's own: made, started, stopped, killed, copied and thrown away.

They listen on 127.0.0.1 only, demand scram-sha-256 passwords of everybody, and do not fsync unless
told to. A server lives in a home folder: `data` (the data directory), `server.log`, `password`.
"""

import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from pgtoolkit.ctl import PGCtl, Status
from psycopg.conninfo import make_conninfo

from pgmigrator.demo.installations import (
    SERVER_USER,
    Installation,
    ProgramFailed,
    find_installation,
    run_as_server_user,
)

HOST = "127.0.0.1"
SUPERUSER = "postgres"
START_TIMEOUT_SECONDS = 60
DEFAULT_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "fsync": "off",
    "log_line_prefix": "%m [%p] %q%u@%d/%a ",
}


@dataclass(frozen=True)
class Server:
    """One server: `installation` says which PostgreSQL, `home` where it lives."""

    installation: Installation
    home: Path
    port: int
    password: str

    @classmethod
    def create(
        cls,
        installation: Installation,
        home: Path | None = None,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
    ) -> "Server":
        """Make a server (initdb), not yet started; `home` and `port` default to free ones.

        :param settings: lines of postgresql.conf, over the defaults of this module.
        :raises ProgramFailed: initdb failed.
        """
        home = new_home() if home is None else _owned_by_server_user(home)
        server = cls(installation, home, port or free_port(), secrets.token_urlsafe(16))
        password_file = _private_file(home / "password", server.password)
        server._run(
            "initdb",
            *("--pgdata", str(server.data_dir), "--pwfile", str(password_file)),
            *("--username", SUPERUSER, "--auth", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
        )
        server.configure(DEFAULT_SETTINGS | {"port": str(server.port)} | dict(settings or {}))
        return server

    @property
    def version(self) -> int:
        """The major version, for example 18."""
        return self.installation.major

    @property
    def data_dir(self) -> Path:
        """The data directory."""
        return self.home / "data"

    @property
    def log_path(self) -> Path:
        """The server's log."""
        return self.home / "server.log"

    @property
    def running(self) -> bool:
        """Whether the postmaster runs (it may not accept connections yet)."""
        return self._control.status(self.data_dir) == Status.running

    def dsn(self, dbname: str = "postgres", user: str = SUPERUSER, password: str = "") -> str:
        """The connection string of a database; the password is needed for all but the superuser."""
        return make_conninfo(
            host=HOST,
            port=self.port,
            dbname=dbname,
            user=user,
            password=self.password if user == SUPERUSER and not password else password,
        )

    def peer_dsn(self, dbname: str) -> str:
        """The connection string as another server needs it, for CREATE SUBSCRIPTION."""
        return self.dsn(dbname)

    def configure(self, settings: Mapping[str, str]) -> None:
        """Append to postgresql.conf, where the last line wins; reload or restart to apply it."""
        with (self.data_dir / "postgresql.conf").open("a") as file:
            for name, value in settings.items():
                quoted = value.replace("'", "''")
                file.write(f"{name} = '{quoted}'\n")

    def start(self) -> None:
        """Start and wait for connections to be accepted; a ProgramFailed shows the log's end."""
        try:
            self._control.start(self.data_dir, wait=START_TIMEOUT_SECONDS, logfile=self.log_path)
        except ProgramFailed as error:
            log = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
            raise ProgramFailed(f"{error}\n{log[-2000:]}") from error

    def stop(self, mode: str = "fast") -> None:
        """Stop and wait: `smart`, `fast` or `immediate` (which skips the shutdown checkpoint)."""
        self._control.stop(self.data_dir, mode=mode)

    def restart(self) -> None:
        """Stop fast and start again."""
        self.stop()
        self.start()

    def reload(self) -> None:
        """Have the running server read its configuration again."""
        self._control.reload(self.data_dir)

    def kill(self) -> None:
        """Kill -9 every process of the server, as a crash of its machine would."""
        pid_file = self.data_dir / "postmaster.pid"
        postmaster = psutil.Process(int(pid_file.read_text().splitlines()[0]))
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            process.kill()
        while any(map(_alive, processes)):
            time.sleep(0.01)
        pid_file.unlink()  # a zombie that nobody reaps would look like a running postmaster

    def destroy(self) -> None:
        """Stop the server if it runs and delete its home, log included."""
        if self.data_dir.exists() and self.running:
            self.stop("immediate")
        shutil.rmtree(self.home)

    def copy(self, port: int | None = None) -> "Server":
        """A cold copy in a home of its own, not started: the server must be stopped.

        :param port: a port of one's own by default; the original's lets the copy take its place.
        """
        if self.running:
            raise ProgramFailed("a server that runs cannot be copied cold: stop it first")
        other = replace(self, home=new_home(), port=port or free_port())
        run_as_server_user(["cp", "-a", str(self.data_dir), str(other.data_dir)], check=True)
        other.configure({"port": str(other.port)})
        return other

    def standby(self, settings: Mapping[str, str] | None = None) -> "Server":
        """A streaming standby of this running server (pg_basebackup), not yet started."""
        other = replace(self, home=new_home(), port=free_port())
        run_as_server_user(
            [
                str(_client_tools_for(self.installation) / "pg_basebackup"),
                *("--host", HOST, "--port", str(self.port), "--username", SUPERUSER),
                *("--pgdata", str(other.data_dir), "--write-recovery-conf"),
                *("--checkpoint=fast", "--no-sync"),
            ],
            check=True,
            env={"PGPASSWORD": self.password},  # not in the arguments, which everybody can read
        )
        other.configure({"port": str(other.port)} | dict(settings or {}))
        return other

    def promote(self) -> None:
        """Make a standby a primary, and wait until it is one."""
        self._run("pg_ctl", "promote", "--wait", "--pgdata", str(self.data_dir))

    @property
    def _control(self) -> PGCtl:
        return PGCtl(self.installation.bin_dir, run_command=run_as_server_user)

    def _run(self, program: str, *args: str) -> None:
        run_as_server_user([str(self.installation.bin_dir / program), *args], check=True)


def new_home() -> Path:
    """A new folder under the temporary folder, owned by the user that servers run as."""
    return _owned_by_server_user(Path(tempfile.mkdtemp(prefix="pgmigrator-")))


def free_port() -> int:
    """A port that nobody listens on, below the range that outgoing connections take theirs from."""
    while True:
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)):
                return port


def _owned_by_server_user(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        shutil.chown(folder, SERVER_USER)
    return folder


def _private_file(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    if os.geteuid() == 0:
        shutil.chown(path, SERVER_USER)
    return path


def _client_tools_for(installation: Installation) -> Path:
    """The folder of client programs at least as new as `installation`."""
    if installation.client_tools:
        return installation.bin_dir
    return find_installation(18).bin_dir


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
