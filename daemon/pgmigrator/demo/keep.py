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
from pgmigrator.demo.monitoring import Monitoring
from pgmigrator.demo.screen import Screen
from pgmigrator.demo.servers import HOST, SUPERUSER, Server
from pgmigrator.demo.watch import DemoFailed

POLL_SECONDS = 0.5
HEADER, PASSFILE = "authorization", "pgpass"


def keep_running(screen: Screen, cutover: Cutover, monitoring: Monitoring | None) -> None:
    """Print what can be done, and show what happens until Ctrl-C or SIGTERM.

    :raises DaemonEnded: the daemon does not run any more.
    """
    write_credentials(cutover.daemon)
    wanted: list[int] = []
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda received, _: wanted.append(received))
    screen.text(instructions(cutover.daemon, SHOP))
    if monitoring is not None:
        screen.text(monitoring.lines())
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
        return
    try:
        cutover.go_on()
        screen.say("the application writes to the destination")
    except DemoFailed as error:  # e.g. before the switch: worth to be seen, no reason to end
        screen.say(str(error))


def write_credentials(daemon: Daemon) -> None:
    """Write the files that curl and psql take the token and the passwords from.

    They would be in the process list otherwise.
    """
    _private(daemon.folder / HEADER, f"Authorization: Bearer {daemon.token}\n")
    servers = (daemon.stage.source, daemon.stage.destination)
    lines = [f"{HOST}:{server.port}:*:{SUPERUSER}:{server.password}\n" for server in servers]
    _private(daemon.folder / PASSFILE, "".join(lines))


def instructions(daemon: Daemon, database: str) -> str:
    """Write the URLs, and lines to copy; none of them holds a secret."""
    source, destination = daemon.stage.source, daemon.stage.destination
    url, pid, command = f"{daemon.url}/cutover/{MAPPING}", os.getpid(), _command()
    post = f"curl -sS -H @{HEADER} -d '{{}}' {url}"
    token_file = daemon.token_path.relative_to(daemon.folder)
    options = f"{MAPPING} --url {daemon.url} --token-file {token_file}"
    programs = shlex.quote(str(destination.installation.bin_dir))
    return f"""
The light is green. Everything keeps running until Ctrl-C. In another terminal:

  cd {shlex.quote(str(daemon.folder))}      # its log; files with the token and the passwords

look
  curl -sS '{daemon.url}/status/{MAPPING}?format=text'
  curl -sS {url}/guide
  curl -sS {daemon.url}/metrics
  curl -fsS {url}      # exit status 0: green
  {command} status {MAPPING} --watch --url {daemon.url}

cut over
  {post}/drain      # refused: names who still writes
  kill -USR1 {pid}      # the application stops
  {post}/switch
  kill -USR2 {pid}      # the application writes to the destination
  {post}/complete
  {command} switch {options}      # the same as curl

look into the servers
  export PGPASSFILE="$PWD/{PASSFILE}" PATH={programs}:"$PATH"
  {_psql(source, database)}      # source
  {_psql(destination, database)}      # destination
"""


def _psql(server: Server, database: str) -> str:
    return f"psql -h {HOST} -p {server.port} -U {SUPERUSER} {shlex.quote(database)}"


def _command() -> str:
    return shlex.quote(str(Path(sys.executable).with_name("pgmigrator")))


def _private(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)
