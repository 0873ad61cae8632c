"""The demo's application as compose.yaml runs it: created once, written into, moved over."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pgmigrator.demo import live
from pgmigrator.demo.application import SHOP
from tests.fixtures.providers import Postgres
from tests.integration.replicating import until

TIMEOUT_SECONDS = 120


def environment(server: Postgres) -> dict[str, str]:
    to = conninfo_to_dict(server.dsn("postgres"))
    return os.environ | {
        "PGHOST": str(to["host"]),
        "PGPORT": str(to["port"]),
        "PGUSER": str(to["user"]),
        "PGPASSWORD": str(to["password"]),
        "DEMO_PASSWORD": "of its roles",
    }


def command(verb: str) -> list[str]:
    return [sys.executable, "-m", "pgmigrator.demo.live", verb]


def create(server: Postgres) -> str:
    done = subprocess.run(
        command("create"),
        env=environment(server),
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    return done.stdout


def orders(server: Postgres) -> int:
    with psycopg.connect(server.dsn(SHOP)) as connection:
        row = connection.execute("SELECT count(*) FROM sales.orders").fetchone()
    assert row is not None
    return int(row[0])


def test_it_is_created_once_and_written_into_until_it_is_told_to_stop(
    clean_source: Postgres, tmp_path: Path
) -> None:
    assert "creating the application" in create(clean_source)
    assert create(clean_source) == "the application is there already\n"
    for _ in range(2):  # a container that starts again repeats no key
        before = orders(clean_source)
        with (tmp_path / "output").open("w") as output:
            writer = subprocess.Popen(
                command("write"), env=environment(clean_source), stdout=output, stderr=output
            )
        until(lambda known=before: orders(clean_source) > known)
        writer.send_signal(signal.SIGTERM)
        assert writer.wait(TIMEOUT_SECONDS) == 0
        said = (tmp_path / "output").read_text().splitlines()
        assert said
        assert [line for line in said if not line.endswith(" commits; 0 new errors")] == []


def test_a_wrong_call_says_how() -> None:
    assert live.main(["drop"]) == 64
