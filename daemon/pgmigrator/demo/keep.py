"""`--keep`: everything keeps running at the green light, for somebody to play with.

Two signals stand for the application's people: SIGUSR1 stops it, SIGUSR2 moves it over.
"""

import os
import shlex
import signal
import sys
import time
from pathlib import Path

from pgmigrator.demo.application import SHOP
from pgmigrator.demo.cutover import Cutover
from pgmigrator.demo.daemon import MAPPING, Daemon
from pgmigrator.demo.screen import Screen
from pgmigrator.demo.servers import HOST, SUPERUSER, Server

POLL_SECONDS = 0.5


def keep_running(screen: Screen, cutover: Cutover) -> None:
    """Print what can be done, and show what happens until Ctrl-C or SIGTERM.

    :raises DaemonEnded: the daemon does not run any more.
    """
    write_credentials(cutover.daemon)
    wanted: list[int] = []
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda received, _: wanted.append(received))
    screen.text(instructions(cutover.daemon, SHOP))
    screen.doing("waiting for Ctrl-C")
    try:
        while True:
            cutover.watch.look()
            while wanted:
                _obey(wanted.pop(0), screen, cutover)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return


def _obey(number: int, screen: Screen, cutover: Cutover) -> None:
    if number == signal.SIGUSR1:
        cutover.traffic.stop()
        screen.say("the application stopped")
    else:
        cutover.go_on()
        screen.say("the application writes to the destination")


def write_credentials(daemon: Daemon) -> None:
    """Write the files that curl and psql take the token and the passwords from."""
    _private(_header_path(daemon), f"Authorization: Bearer {daemon.token}\n")
    servers = (daemon.stage.source, daemon.stage.destination)
    lines = [f"{HOST}:{server.port}:*:{SUPERUSER}:{server.password}\n" for server in servers]
    _private(_passfile(daemon), "".join(lines))


def instructions(daemon: Daemon, database: str) -> str:
    """Write the URLs, and lines to copy; none of them holds a secret."""
    url, pid = f"{daemon.url}/cutover/{MAPPING}", os.getpid()
    command = _command()
    post = f"curl -sS -H @{shlex.quote(str(_header_path(daemon)))} -d '{{}}' {url}"
    options = f"{MAPPING} --url {daemon.url} --token-file {shlex.quote(str(daemon.token_path))}"
    return f"""
The light is green. Everything keeps running until Ctrl-C; play with it in another terminal.

Look
  {daemon.url}/status?format=text
  {daemon.url}/cutover/{MAPPING}/guide
  {daemon.url}/metrics
  curl -sS {daemon.url}/status/{MAPPING}?format=text
  curl -fsS {url}                    # exit status 0: green
  {command} status {MAPPING} --watch --url {daemon.url}

Cut over (the header file holds the token)
  {post}/drain      # refused: it names who still writes
  kill -USR1 {pid}          # the application stops
  {post}/switch
  kill -USR2 {pid}          # the application writes to the destination
  {post}/complete
or, for example
  {command} switch {options}

Both servers
  export PGPASSFILE={shlex.quote(str(_passfile(daemon)))}
  {_psql(daemon, daemon.stage.source, database)}   # source
  {_psql(daemon, daemon.stage.destination, database)}   # destination

The daemon's log
  {daemon.log_path}
"""


def _header_path(daemon: Daemon) -> Path:
    return daemon.folder / "authorization"


def _passfile(daemon: Daemon) -> Path:
    return daemon.folder / "pgpass"


def _psql(daemon: Daemon, server: Server, database: str) -> str:
    program = daemon.stage.destination.installation.bin_dir / "psql"
    name = shlex.quote(database)
    return f"{shlex.quote(str(program))} -h {HOST} -p {server.port} -U {SUPERUSER} {name}"


def _command() -> str:
    program = Path(sys.executable).with_name("pgmigrator")
    here = Path.cwd()
    shown = program.relative_to(here) if program.is_relative_to(here) else program
    return shlex.quote(str(shown))


def _private(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)
