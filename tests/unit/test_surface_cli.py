"""The command line against a served application, its exit statuses, and its settings."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from pgmigrator import __version__
from pgmigrator.cli import main
from pgmigrator.core.commands import Command, Outcome, OutcomeStatus, Verb
from pgmigrator.settings import Http, Settings
from pgmigrator.surface.client import base_url
from pgmigrator.surface.http import create_application
from pgmigrator.surface.instruments import create_instruments
from tests.unit.surface_samples import FakeControl, database, mapping, report

TOKEN = "right-token"
MINIMAL = {
    "PGMIGRATOR_INSTANCES__A__HOST": "a",
    "PGMIGRATOR_INSTANCES__B__HOST": "b",
    "PGMIGRATOR_MAPPINGS__M__SOURCE": "a",
    "PGMIGRATOR_MAPPINGS__M__DESTINATION": "b",
}


@dataclass
class Daemon:
    url: str
    control: FakeControl
    token_file: Path

    async def run(self, *arguments: str) -> int:
        return await asyncio.to_thread(main, [*arguments, "--url", self.url])

    async def command(self, *arguments: str) -> int:
        return await self.run(*arguments, "--token-file", str(self.token_file))


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("PGMIGRATOR_")]:
        monkeypatch.delenv(name)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN + "\n")
    control = FakeControl(report(mapping(database("shop"), database("my books", ready=False))))
    application = create_application(control, create_instruments(), TOKEN)
    async with TestServer(application) as server:
        yield Daemon(str(server.make_url("/")), control, token_file)


# --- status and guide ----------------------------------------------------------------------------


async def test_status_exits_0_only_for_green(
    daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await daemon.run("status") == 1
    text = capsys.readouterr().out
    assert "my books" in text
    assert "mend no_conflicts" in text
    assert await daemon.run("status", "orders", "--database", "shop") == 0
    assert "my books" not in capsys.readouterr().out
    assert await daemon.run("status", "--database", "shop") == 0
    daemon.control.current = report(mapping())
    assert await daemon.run("status") == 1


async def test_status_prints_json(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert await daemon.run("status", "orders", "--json", "--database", "my books") == 1
    document = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in document["databases"]] == ["my books"]


async def test_the_guide_is_printed_as_it_is(
    daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await daemon.run("guide", "orders", "--database", "my books") == 0
    assert "--database 'my books'" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "ordres"),
        ("status", "orders", "--database", "shoop"),
        ("guide", "ordres"),
        ("guide", "a/b"),
        ("guide", "orders", "--database", "shoop"),
    ],
)
async def test_unknown_names_are_usage(
    daemon: Daemon, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert await daemon.run(*arguments) == 64
    assert re.search("orders|shop|nothing here", capsys.readouterr().err)


# --- verbs ---------------------------------------------------------------------------------------


async def test_commands_arrive(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert await daemon.command("drain", "orders", "--database", "shop", "--timeout", "5") == 0
    assert "0/16B3740" in capsys.readouterr().out
    assert await daemon.command("switch", "orders", "--allow-idle") == 0
    assert await daemon.command("unswitch", "orders") == 0
    assert await daemon.command("complete", "orders", "--force", "--reason", "it burnt") == 0
    assert await daemon.command("resync", "orders", "shop", "public.orders") == 0
    assert daemon.control.commands == [
        Command(verb=Verb.DRAIN, mapping="orders", databases=("shop",), timeout_seconds=5),
        Command(verb=Verb.SWITCH, mapping="orders", allow_idle=True),
        Command(verb=Verb.UNSWITCH, mapping="orders"),
        Command(verb=Verb.COMPLETE, mapping="orders", force=True, reason="it burnt"),
        Command(verb=Verb.RESYNC, mapping="orders", databases=("shop",), table="public.orders"),
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (OutcomeStatus.DONE, 0),
        (OutcomeStatus.ACCEPTED, 0),
        (OutcomeStatus.CONFLICT, 1),
        (OutcomeStatus.UNREACHABLE, 2),
    ],
)
async def test_outcomes_become_exit_statuses(
    daemon: Daemon, status: OutcomeStatus, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.control.outcome = Outcome(status=status, message="what happened")
    assert await daemon.command("drain", "orders") == expected
    captured = capsys.readouterr()
    assert "what happened" in (captured.err if expected else captured.out)


async def test_a_wrong_token_is_a_refusal(
    daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.token_file.write_text("guess")
    assert await daemon.command("drain", "orders") == 1
    error = capsys.readouterr().err
    assert f"the token of this command is from the file {daemon.token_file}" in error
    assert "it is not the daemon's" in error
    assert not any(token in error for token in ("guess", TOKEN))


async def test_the_token_comes_from_the_settings(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGMIGRATOR_HTTP__CONTROL_TOKEN", "freshly-made")
    assert await daemon.run("drain", "orders") == 1
    error = capsys.readouterr().err
    assert "the token of this command is from PGMIGRATOR_HTTP__CONTROL_TOKEN" in error
    assert "freshly-made" not in error
    monkeypatch.setenv("PGMIGRATOR_HTTP__CONTROL_TOKEN", TOKEN)
    assert await daemon.run("drain", "orders") == 0


async def test_address_and_token_need_no_valid_mappings(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "pgmigrator_http__control_token").write_text(TOKEN)
    monkeypatch.setenv("PGMIGRATOR_SECRETS_DIR", str(tmp_path / "secrets"))
    monkeypatch.setenv("PGMIGRATOR_HTTP__PORT", daemon.url.rstrip("/").rsplit(":", 1)[1])
    monkeypatch.setenv("PGMIGRATOR_MAPPINGS__M__SOURCE", "nonsense")
    assert await asyncio.to_thread(main, ["drain", "orders"]) == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_curl_lines_of_the_guide_work(daemon: Daemon) -> None:
    daemon.control.context = replace(
        daemon.control.context, base_url=daemon.url.rstrip("/"), token_file=str(daemon.token_file)
    )
    process = await asyncio.create_subprocess_exec(
        "curl", "-fsS", f"{daemon.url}cutover/orders/guide", stdout=subprocess.PIPE
    )
    text = (await process.communicate())[0].decode()
    lines = re.search(r"^control\(\) \{.*?^\}$", text, re.DOTALL | re.MULTILINE)
    token = re.search(r"^TOKEN_FILE=.*$", text, re.MULTILINE)
    drain = re.search(r"^control drain .*$", text, re.MULTILINE)
    assert lines
    assert token
    assert drain
    script = "\n".join((token[0], lines[0], drain[0]))
    process = await asyncio.create_subprocess_exec("bash", "-c", script, stdout=subprocess.PIPE)
    output = json.loads((await process.communicate())[0])
    assert (process.returncode, output["outcome"]) == (0, "done")
    assert daemon.control.commands[0].timeout_seconds == 60


# --- no daemon, no settings, no sense ------------------------------------------------------------


def test_no_answer_is_2(unused_tcp_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--url", f"http://127.0.0.1:{unused_tcp_port}"]) == 2
    assert "is it running?" in capsys.readouterr().err


def test_without_a_token_it_says_where_one_goes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drain", "orders", "--url", "http://127.0.0.1:1"]) == 78
    error = capsys.readouterr().err
    assert "PGMIGRATOR_HTTP__CONTROL_TOKEN" in error
    assert "--token-file" in error


def test_wrong_http_settings_are_named_without_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGMIGRATOR_HTTP__PORT", "hunter2")
    monkeypatch.setenv("PGMIGRATOR_HTTP__TOKEN", "hunter2")
    assert main(["status"]) == 78
    error = capsys.readouterr().err
    assert "PGMIGRATOR_HTTP__PORT" in error
    assert "PGMIGRATOR_HTTP__TOKEN" in error
    assert "--url" in error
    assert "hunter2" not in error


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("0.0.0.0", "http://127.0.0.1:8432"),
        ("::", "http://[::1]:8432"),
        ("db.example", "http://db.example:8432"),
    ],
)
def test_any_address_means_this_host(host: str, expected: str) -> None:
    assert base_url(Http(host=host)) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["status", "--nonsense"],
        ["drain"],
        ["drain", "orders", "--timeout", "0"],
        ["drain", "orders", "--token", "x"],
        ["drain", "orders", "--url", "http://127.0.0.1:1", "--token-file", "/nonexistent"],
        ["status", "--url", "ftp://x"],
        ["status", "--watch", "--json"],
        ["status", "--watch"],
        ["complete", "orders", "--force"],
        ["complete", "orders", "--reason", "x"],
    ],
)
def test_usage_is_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 64
    assert capsys.readouterr().err


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out
    assert main(["complete", "--help"]) == 0


def test_it_runs_as_a_program() -> None:
    program = "import sys; from pgmigrator.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "nonsense"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 64


# --- run, check, demo ----------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["run"], ["check"], ["check", "--settings-only"]])
def test_wrong_settings_are_78(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGMIGRATOR_NONSENSE", "hunter2")
    assert main(arguments) == 78
    error = capsys.readouterr().err
    assert "PGMIGRATOR_NONSENSE" in error
    assert "hunter2" not in error


def test_settings_can_be_checked_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in MINIMAL.items():
        monkeypatch.setenv(name, value)
    assert main(["check", "--settings-only"]) == 0
    assert capsys.readouterr().out == "the settings are valid\n"
    assert main(["check", "--settings-only", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"settings": "valid"}


def module(name: str, monkeypatch: pytest.MonkeyPatch, **functions: Callable[..., Any]) -> None:
    found = ModuleType(name)
    for key, function in functions.items():
        setattr(found, key, function)
    monkeypatch.setitem(sys.modules, name, found)


def test_run_and_check_start_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def run(settings: Settings) -> int:
        seen.append(sorted(settings.mappings))
        return 0

    def check(_settings: Settings, databases: tuple[str, ...], as_json: bool) -> int:
        seen.append((databases, as_json))
        return 1

    for name, value in MINIMAL.items():
        monkeypatch.setenv(name, value)
    module("pgmigrator.app", monkeypatch, run=run, check=check)
    assert main(["run"]) == 0
    assert main(["check", "--json", "--database", "shop", "--database", "x y"]) == 1
    assert seen == [["m"], (("shop", "x y"), True)]


def test_the_demo_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked: list[tuple[bool, Path | None]] = []

    def demo(keep: bool, rules: Path | None) -> int:
        asked.append((keep, rules))
        return 7

    module("pgmigrator.demo.run", monkeypatch, main=demo)
    for options in ([], ["--keep"], ["--observe", str(tmp_path)]):
        assert main(["demo", *options]) == 7
    assert asked == [(False, None), (True, None), (True, tmp_path)]
    monkeypatch.setitem(sys.modules, "pgmigrator.demo.run", None)
    assert main(["demo"]) == 1
    assert "postgres-migrator[demo]" in capsys.readouterr().err
