"""No secret is in a log of ours or of a server, in a process list, or on any of our pages."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from pgmigrator.demo.servers import Server
from pgmigrator.postgres.children import PROGRAMS
from tests.e2e import shop
from tests.fixtures.daemon import TOKEN, Daemon, orders
from tests.fixtures.servers import PairFactory

COMMON_PASSWORD = "common-password-of-the-tests"
ROLE_PASSWORD = "password-of-a-role-of-the-tests"
PAGES = ("/status", "/status/orders", "/status/orders/shop", "/metrics", "/cutover/orders/guide")


class Watch:
    """Reads the command lines and environments of the daemon and its children, all the time."""

    def __init__(self, root: int) -> None:
        self.seen: set[str] = set()
        self._root = psutil.Process(root)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                for child in self._root.children(recursive=True):
                    self._look(child)
                self.seen.add(" ".join(self._root.cmdline()))
            except psutil.NoSuchProcess:
                pass
            self._stop.wait(0.005)

    def _look(self, process: psutil.Process) -> None:
        try:
            self.seen.add(" ".join(process.cmdline()))
            # a child has what it needs, not what the daemon has
            if process.name() in ("pg_dump", "pg_restore"):
                self.seen.add(str(process.environ()))
        except psutil.Error:
            pass


def noting(bin_dir: Path, folder: Path) -> Path:
    """Make a pg_dump and a pg_restore that note how they were started: they end too soon to watch.

    Returns the file of the notes; the programs are beside it.
    """
    notes = folder / "children"
    for name in PROGRAMS:
        program = folder / name
        program.write_text(
            f'#!/bin/sh\n{{ echo "$0 $*"; env; }} >>{notes}\nexec {bin_dir / name} "$@"\n'
        )
        program.chmod(0o755)
    return notes


@pytest.mark.parametrize(("log_statement", "role_passwords"), [("ddl", "copy"), ("all", "common")])
def test_no_secret_is_seen_anywhere(
    fresh_pair: PairFactory,
    daemon: Callable[..., Daemon],
    client_bin_dir: Path,
    tmp_path: Path,
    log_statement: str,
    role_passwords: str,
) -> None:
    loud = {
        "log_statement": log_statement,
        "log_min_duration_sample": "0",
        "log_transaction_sample_rate": "1",
        "log_min_duration_statement": "0",
        "log_min_error_statement": "info",
        "log_connections": "on",
        "log_error_verbosity": "verbose",
    }
    pair = fresh_pair(source=shop.SOURCE, destination=loud)
    shop.create(pair.source, rows=2000)
    shop.execute(
        pair.source,
        f"CREATE ROLE clerk LOGIN PASSWORD '{ROLE_PASSWORD}'",
        "CREATE ROLE old_clerk LOGIN PASSWORD 'md5" + 32 * "a" + "'",
    )
    more = {"ROLE_PASSWORDS": role_passwords}
    if role_passwords == "common":
        more["COMMON_ROLE_PASSWORD"] = COMMON_PASSWORD
    notes = noting(client_bin_dir, tmp_path)
    running = daemon(orders(pair, **more), PGMIGRATOR_POSTGRES_BIN_DIR=str(tmp_path))
    running.start()
    assert running.process is not None
    watch = Watch(running.process.pid)
    running.wait_phase("ready")
    pages = "\n".join(running.fetch(page)[1] for page in PAGES)
    pages += "".join(running.command(*words).stdout for words in (("status",), ("guide", "orders")))
    assert running.post("switch")[0] == 200
    assert running.post("complete")[0] == 200
    running.wait_phase("completed")
    watch.stop()
    assert running.stop() == 0

    expected = COMMON_PASSWORD if role_passwords == "common" else ROLE_PASSWORD
    named = [line for line in running.log.read_text().splitlines() if "common password" in line]
    assert [json.loads(line)["roles"] for line in named] == (
        [["clerk", "old_clerk"]] if role_passwords == "common" else []
    )
    user = pair.destination.dsn(user="clerk", password=expected)
    psycopg.connect(user).close()  # the secrets were there, and were used
    children = notes.read_text()
    assert all(f"/{name} " in children for name in PROGRAMS)
    places = {
        "the daemon's log": running.log.read_text(),
        "the destination's log": pair.destination.log_path.read_text(errors="replace"),
        "a process list": "\n".join(watch.seen) + children,
        "a page": pages,
    }
    assert "CREATE TABLE" in places["the destination's log"]
    secrets = _secrets(pair.source, pair.destination)
    found = [(name, place) for name, s in secrets.items() for place, t in places.items() if s in t]
    assert found == []
    # the source was not told either
    source_log = pair.source.log_path.read_text(errors="replace")
    assert [name for name in ("common", "token") if secrets[name] in source_log] == []


def test_a_wrong_password_is_not_shown(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source, rows=10)
    wrong = "a-wrong-password-of-the-tests"
    running = daemon(orders(pair), PGMIGRATOR_INSTANCES__OLD__PASSWORD=wrong)
    running.start()
    running.wait(lambda document: "password" in document["source"]["reason"], "the refusal")
    check = running.command("check")
    assert check.returncode == 1
    pages = "".join(running.fetch(page)[1] for page in PAGES)
    assert wrong not in pages + running.log.read_text() + check.stdout + check.stderr


def _secrets(*servers: Server) -> dict[str, str]:
    """Return every secret that was in play, by name."""
    found = {"common": COMMON_PASSWORD, "role": ROLE_PASSWORD, "token": TOKEN}
    for server in servers:
        found[f"password of {server.version}"] = server.password
        query = "SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL"
        with psycopg.connect(server.dsn()) as connection:
            for role, verifier in connection.execute(query):
                found[f"verifier of {role} on {server.version}"] = verifier
    return found
