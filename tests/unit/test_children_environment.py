"""Child processes get neither our settings, which hold secrets, nor libpq's variables."""

from pathlib import Path

import pytest

from pgmigrator.postgres.children import Tools, run_offline, version

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
    assert version(programs) == 18
    assert SECRET not in (programs / "seen").read_text()
