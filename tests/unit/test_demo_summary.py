"""The demo's summary, its proof of an untouched source, and what it tells of the daemon's log."""

import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from pgmigrator.demo import traces
from pgmigrator.demo.daemon import Daemon
from pgmigrator.demo.installations import Installation
from pgmigrator.demo.keep import instructions, write_credentials
from pgmigrator.demo.screen import Screen
from pgmigrator.demo.servers import Server
from pgmigrator.demo.stage import Stage
from pgmigrator.demo.summary import Summary
from pgmigrator.settings import load

SUMMARY = Summary(
    rows=1_017_978,
    moved_bytes=321 * 1024**2,
    tables=18,
    sequences=10,
    green_seconds=32.94,
    pause_seconds=0.864,
    committed=10_387,
    rolled_back=473,
)


def stage(folder: Path) -> Stage:
    installation = Installation(folder / "bin", "18.4", client_tools=True)
    return Stage(
        Server(installation, folder / "source", 21001, "source's password"),
        Server(installation, folder / "destination", 21002, "destination's password"),
    )


def daemon(folder: Path) -> Daemon:
    return Daemon(folder, stage(folder), port=21003, token="t0ken-of-the-demo")


def test_summary_says_everything_that_was_promised() -> None:
    assert dict(SUMMARY.lines()) == {
        "moved": "1,017,978 rows, 321.0 MB",
        "time to green": "32.9 s",
        "write pause": "0.86 s",
        "differences": "none, in 18 tables and 10 sequences",
        "application": "10,387 commits, 473 rollbacks, no errors",
        "source": "no trace: dumps identical, no slot or publication",
    }


def test_summary_on_a_terminal_and_without_one() -> None:
    for terminal in (True, False):
        out = StringIO()
        console = Console(file=out, width=100, force_terminal=terminal, color_system=None)
        Screen(console).summarize("migrated", SUMMARY.lines())
        assert "0.86 s" in out.getvalue()
        assert ("╭" in out.getvalue()) is terminal


def test_dumps_that_are_identical_have_no_difference() -> None:
    assert traces.differences({"globals": b"x\n"}, {"globals": b"x\n"}) == []


def test_a_difference_of_dumps_names_the_lines() -> None:
    before, after = {"schema of shop": b"a\nb\n"}, {"schema of shop": b"a\nCREATE PUBLICATION p\n"}
    (found,) = traces.differences(before, after)
    assert "schema of shop" in found
    assert "+CREATE PUBLICATION p" in found


def test_a_missing_dump_is_a_difference() -> None:
    assert traces.differences({"globals": b"x"}, {})


def test_settings_of_the_daemon_are_valid_and_hold_no_secret(tmp_path: Path) -> None:
    ours = daemon(tmp_path)
    (tmp_path / "bin").mkdir()
    ours.write_secrets()
    loaded = load(ours.settings())
    assert loaded.mappings["demo"].source == "pg16"
    assert loaded.instances["pg18"].password is not None
    for secret in ("password", ours.token):
        assert secret not in " ".join(ours.settings().values())


def test_secret_files_are_private(tmp_path: Path) -> None:
    ours = daemon(tmp_path)
    ours.write_secrets()
    write_credentials(ours)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 5
    assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}


def test_instructions_hold_no_secret(tmp_path: Path) -> None:
    ours = daemon(tmp_path)
    text = instructions(ours, "Kunden & Archiv")
    assert f"cd {tmp_path}" in text
    assert "http://127.0.0.1:21003/cutover/demo/switch" in text
    assert "'Kunden & Archiv'" in text
    for secret in (ours.token, "source's password", "destination's password"):
        assert secret not in text


def test_end_of_the_log_is_its_complaints(tmp_path: Path) -> None:
    ours = daemon(tmp_path)
    assert ours.log_end() == []
    failed = {"level": "warning", "event": "action failed", "database": "shop", "action": "Copy"}
    entries = [
        {"level": "info", "event": "daemon started"},
        failed | {"reason": "no slot"},
        failed | {"reason": "no slot"},
        {"level": "error", "event": "tick failed", "exception": "Traceback\n  x\nKeyError: 'y'"},
    ]
    lines = [json.dumps(entry) for entry in entries]
    ours.log_path.write_text("\n".join([*lines, "Segmentation fault"]))
    assert ours.log_end() == [
        "daemon: shop: Copy: action failed: no slot",
        "daemon: tick failed: KeyError: 'y'",
        "Segmentation fault",
    ]
