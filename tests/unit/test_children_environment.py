"""Child processes get neither our settings, which hold secrets, nor libpq's variables.

What they are given is for what we read of them.
"""

from pathlib import Path

import pytest

from pgmigrator.errors import Refused
from pgmigrator.postgres.children import (
    Tools,
    find_tools,
    run,
    run_offline,
    version,
    versions,
)
from pgmigrator.postgres.connect import Endpoint
from pgmigrator.settings import Instance

SECRET = "control-token-of-the-tests"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose pg_dump writes down its environment."""
    monkeypatch.setenv("PGMIGRATOR_HTTP__CONTROL_TOKEN", SECRET)
    monkeypatch.setenv("PGPASSWORD", SECRET)
    script = tmp_path / "pg_dump"
    script.write_text(f"#!/bin/sh\nenv >{tmp_path}/seen\necho 'pg_dump (PostgreSQL) 18.4'\n")
    script.chmod(0o755)
    return tmp_path


async def test_offline_runs_see_no_secret(programs: Path) -> None:
    await run_offline(Tools(programs, 18), "pg_dump", [])
    assert SECRET not in (programs / "seen").read_text()


def test_asking_for_the_version_shows_no_secret(programs: Path) -> None:
    assert version(programs) == 180004
    assert SECRET not in (programs / "seen").read_text()


@pytest.mark.parametrize(
    ("said", "version_num"),
    [
        ("pg_dump (PostgreSQL) 19rc1 (Debian 19~rc1-1)", 190_000),
        ("pg_dump (PostgreSQL) 19beta2", 190_000),
        ("pg_dump (PostgreSQL) 18.10 (Debian 18.10-1.pgdg12+1)", 180_010),
        ("nothing", 0),
    ],
)
def test_every_version_is_read(tmp_path: Path, said: str, version_num: int) -> None:
    script = tmp_path / "pg_dump"
    script.write_text(f"#!/bin/sh\necho '{said}'\n")
    script.chmod(0o755)
    (tmp_path / "pg_restore").symlink_to(script)
    assert version(tmp_path) == version_num
    assert versions(tmp_path) == (version_num,)


@pytest.mark.parametrize("major", [17, 19])
def test_programs_of_another_major_version_are_refused(programs: Path, major: int) -> None:
    (programs / "pg_restore").symlink_to(programs / "pg_dump")
    assert find_tools(programs, 18).bin_dir == programs
    with pytest.raises(Refused, match=f"pg_restore {major} are needed, found version 18 in"):
        find_tools(programs, major)


async def test_both_sides_speak_the_language_that_is_read(programs: Path) -> None:
    """A server says "FEHLER" where its lc_messages are German, whatever the client's are."""
    endpoint = Endpoint("source", "orders", "pg15", Instance(host="pg15.example"))
    await run(
        Tools(programs, 18),
        "pg_dump",
        [],
        endpoint=endpoint,
        database="shop",
        action="Dump",
        options={"default_transaction_read_only": "on"},
    )
    seen = dict(line.split("=", 1) for line in (programs / "seen").read_text().splitlines())
    assert SECRET not in seen.values()
    assert seen["LC_ALL"] == "C"
    options = seen["PGOPTIONS"].split("-c ")
    assert {"lc_messages=C", "default_transaction_read_only=on"} <= {o.strip() for o in options}
