"""The demo's application on a server that somebody else started, such as a container.

`python -m pgmigrator.demo.live create` makes it, unless it is there; `... write` writes into it
until SIGTERM. PGHOST, PGPORT, PGUSER and PGPASSWORD lead to the server, as a superuser;
DEMO_PASSWORD is the password of the application's own roles, wherever they are migrated to.
"""

import os
import secrets
import signal
import sys
import threading

import psycopg
from psycopg.conninfo import make_conninfo

from pgmigrator.demo.application import (
    DATABASES,
    LOGIN_ROLES,
    Application,
    create_application,
)
from pgmigrator.demo.traffic import Traffic

TRANSACTIONS_PER_SECOND = 50
REPORT_INTERVAL_SECONDS = 10


def main(arguments: list[str]) -> int:
    """Create or write; return the exit status."""
    password = os.environ.get("DEMO_PASSWORD")
    if arguments not in (["create"], ["write"]) or not password:
        _say("usage: DEMO_PASSWORD=... python -m pgmigrator.demo.live create|write")
        return 64
    if arguments == ["create"]:
        create(password)
    else:
        write(password)
    return 0


def create(password: str) -> None:
    """Create the application unless its databases are there.

    :raises psycopg.Error: it is there in part only, or the server refused.
    """
    with psycopg.connect(_dsn("postgres")) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_database WHERE datname = ANY (%s)", [list(DATABASES)]
        ).fetchone()
    if found == (len(DATABASES),):
        _say("the application is there already")
        return
    _say("creating the application")
    create_application(_dsn, password)
    _say("the application is there")


def write(password: str) -> None:
    """Write until SIGTERM or SIGINT, and say every now and then how it goes."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    application = Application(dict.fromkeys(LOGIN_ROLES, password))
    traffic = Traffic(
        application.role_dsn(_dsn),
        rate_per_second=TRANSACTIONS_PER_SECOND,
        seed=secrets.randbits(32),  # no run repeats the keys of one before
    )
    traffic.start()
    while not stopped.wait(REPORT_INTERVAL_SECONDS):
        _report(traffic)
    traffic.stop()
    _report(traffic)


def _report(traffic: Traffic) -> None:
    errors = [*traffic.errors]
    traffic.errors.clear()
    last = f"; the last: {errors[-1].transaction}: {errors[-1].message}" if errors else ""
    _say(f"{traffic.committed.total()} commits; {len(errors)} new errors{last}")


def _dsn(dbname: str) -> str:
    """Lead to a database of the server that the environment names."""
    return make_conninfo(dbname=dbname)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
