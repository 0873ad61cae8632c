"""The command line: the daemon, its checks, and a client of a running daemon.

Exit status: 0 done, green, clean; 1 refused, not green, a finding that blocks; 2 no answer;
64 usage; 78 settings.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import click
from rich.console import Console
from rich.live import Live

from pgmigrator import __version__
from pgmigrator.core.commands import Verb
from pgmigrator.settings import SettingsError, load
from pgmigrator.surface.client import (
    Answer,
    Client,
    NoAnswer,
    base_url,
    exit_status,
    http_settings,
)
from pgmigrator.surface.parameters import TIMEOUT_DEFAULT_SECONDS, TIMEOUT_MAX_SECONDS
from pgmigrator.surface.status_text import of_outcome
from pgmigrator.surface.status_view import UnknownDatabase, is_green, narrowed, parts
from pgmigrator.surface.terminal import show, watched

EXIT_REFUSED = 1
EXIT_NO_ANSWER = 2
EXIT_USAGE = 64
EXIT_SETTINGS = 78
EXIT_INTERRUPTED = 130

WATCH_INTERVAL_SECONDS = 2.0
TOKEN_VARIABLE = "PGMIGRATOR_HTTP__CONTROL_TOKEN"  # noqa: S105  (its name, not its value)

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        result = cli.main(args=arguments, prog_name="pgmigrator", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except UnknownDatabase as error:
        click.echo(str(error), err=True)
        return EXIT_USAGE
    except click.Abort:
        return EXIT_INTERRUPTED
    except SettingsError as error:
        click.echo(f"the settings are wrong:\n{error}", err=True)
        return EXIT_SETTINGS
    except NoAnswer as error:
        click.echo(str(error), err=True)
        return EXIT_NO_ANSWER
    return result if isinstance(result, int) else 0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pgmigrator")
def cli() -> None:
    """Migrate whole PostgreSQL instances to a new major version, live."""


# --- the daemon itself ---------------------------------------------------------------------------


@cli.command()
def run() -> int:
    """Run the daemon, with the settings of the environment."""
    settings = load(os.environ)
    # imported late, here and below: a client starts without the weight of the daemon
    from pgmigrator.app import run as run_daemon  # noqa: PLC0415

    return run_daemon(settings)


_database_option = click.option(
    "--database", "databases", multiple=True, metavar="NAME", help="Only this one; repeatable."
)


@cli.command()
@click.option("--settings-only", is_flag=True, help="Check the settings; talk to no server.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@_database_option
def check(settings_only: bool, as_json: bool, databases: tuple[str, ...]) -> int:
    """Check everything that a migration needs; changes nothing."""
    settings = load(os.environ)
    if settings_only:
        click.echo('{"settings": "valid"}' if as_json else "the settings are valid")
        return 0
    from pgmigrator.app import check as check_servers  # noqa: PLC0415

    return check_servers(settings, databases, as_json)


@cli.command()
@click.option("--keep", is_flag=True, help="Stop at the green light and keep everything running.")
@click.option(
    "--observe",
    "rules",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Like --keep, with Prometheus, Alertmanager and this folder's alert rules beside it.",
)
def demo(keep: bool, rules: Path | None) -> int:
    """Migrate a made-up application between two servers of its own."""
    try:
        runner = import_module("pgmigrator.demo.run")
    except ModuleNotFoundError as error:
        click.echo(
            f"the demo needs {error.name}: install the extra with"
            " `pip install 'postgres-migrator[demo]'`",
            err=True,
        )
        return EXIT_REFUSED
    return int(runner.main(keep or rules is not None, rules))


# --- a running daemon ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """Which daemon to talk to, and about which databases."""

    url: str | None
    token_file: Path | None
    databases: tuple[str, ...]

    def reader(self) -> Client:
        """Make a client that reads: no token is needed.

        :raises SettingsError: neither --url nor the settings say where the daemon is.
        """
        return Client(self.url or _with_hint("--url", lambda: base_url(http_settings(os.environ))))

    def commander(self) -> Client:
        """Make a client that commands.

        :raises SettingsError: there is no token.
        """
        return Client(self.reader().base_url, self._token())

    @property
    def token_origin(self) -> str:
        """Where the token comes from: for a refusal, which never shows the token itself."""
        return TOKEN_VARIABLE if self.token_file is None else f"the file {self.token_file}"

    def _token(self) -> str:
        if self.token_file is not None:
            return _read_token(self.token_file)
        token = _with_hint("--token-file", lambda: http_settings(os.environ)).control_token
        if token is None:
            raise SettingsError(
                f"{TOKEN_VARIABLE}: is not set; set it to that of the daemon, or give --token-file"
            )
        return token.get_secret_value()


def _with_hint(option: str, read: Callable[[], R]) -> R:
    try:
        return read()
    except SettingsError as error:
        raise SettingsError(f"{error}\n(or give {option})") from None


def _read_token(path: Path) -> str:
    try:
        token = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.FileError(str(path), f"cannot be read: {type(error).__name__}") from None
    if not token or not token.isprintable():
        raise click.FileError(str(path), "must hold the token, in one line")
    return token


def _checked_url(_context: click.Context, _option: click.Parameter, url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise click.BadParameter("must begin with http:// or https://")
    return url.rstrip("/") if url else None


def _client_options(function: F) -> F:
    """Add the options of client commands that may be narrowed to some databases."""
    return _url_options(_database_option(function))


def _url_options(function: F) -> F:
    """Add the options that every client command has."""
    for option in (
        click.option("--url", callback=_checked_url, help="Default: from the HTTP settings."),
        click.option(
            "--token-file",
            type=click.Path(path_type=Path),
            help=f"Holds the control token. Default: {TOKEN_VARIABLE}.",
        ),
    ):
        function = option(function)
    return function


@cli.command()
@click.argument("mapping", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the JSON of the daemon.")
@click.option("--watch", is_flag=True, help="Show it again and again, until interrupted.")
@_client_options
def status(mapping: str | None, as_json: bool, watch: bool, **target: Any) -> int:
    """Show where the migration stands; exit status 0 means that all of it is green."""
    if watch and (as_json or not _console().is_terminal):
        raise click.UsageError(
            "--watch needs a terminal, and no --json: repeat the command instead"
        )
    asked = Target(**target)
    client = asked.reader()
    if watch:
        return _watch(client, mapping, asked.databases)
    answer = client.get(_status_path(mapping))
    if answer.status != 200:
        return _refused(answer)
    document = narrowed(answer.document(), asked.databases)
    if as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        show(parts(document), _console())
    return 0 if is_green(document) else EXIT_REFUSED


@cli.command()
@click.argument("mapping")
@_client_options
def guide(mapping: str, **target: Any) -> int:
    """Print the cutover guide of a mapping, as Markdown."""
    asked = Target(**target)
    query = urlencode([("database", name) for name in asked.databases])
    path = f"/cutover/{quote(mapping, safe='')}/guide"
    answer = asked.reader().get(f"{path}?{query}" if query else path)
    if answer.status != 200:
        return _refused(answer)
    click.echo(answer.text, nl=False)
    return 0


_timeout_option = click.option(
    "--timeout",
    "timeout_seconds",
    type=click.FloatRange(0, TIMEOUT_MAX_SECONDS, min_open=True),
    default=TIMEOUT_DEFAULT_SECONDS,
    show_default=True,
    help="Seconds that the command may take.",
)
_idle_option = click.option(
    "--allow-idle",
    is_flag=True,
    help="Accept idle sessions on the source; the proof then holds up to its LSN only.",
)


@cli.command()
@click.argument("mapping")
@_timeout_option
@_idle_option
@_client_options
def drain(mapping: str, timeout_seconds: float, allow_idle: bool, **target: Any) -> int:
    """Prove that the destination has everything; decides nothing."""
    body = {"timeout_seconds": timeout_seconds, "allow_idle": allow_idle}
    return _command(Verb.DRAIN, mapping, Target(**target), body)


@cli.command()
@click.argument("mapping")
@_timeout_option
@_idle_option
@_client_options
def switch(mapping: str, timeout_seconds: float, allow_idle: bool, **target: Any) -> int:
    """Drain and, if that proves everything, end the replication to the destination."""
    body = {"timeout_seconds": timeout_seconds, "allow_idle": allow_idle}
    return _command(Verb.SWITCH, mapping, Target(**target), body)


@cli.command()
@click.argument("mapping")
@_timeout_option
@_client_options
def unswitch(mapping: str, timeout_seconds: float, **target: Any) -> int:
    """Take a switch back, while the destination has no write of its own."""
    body = {"timeout_seconds": timeout_seconds}
    return _command(Verb.UNSWITCH, mapping, Target(**target), body)


@cli.command()
@click.argument("mapping")
@_timeout_option
@click.option("--force", is_flag=True, help="Also without a switch, or with late writes.")
@click.option("--reason", default="", help="Why; needed with --force, and kept.")
@_client_options
def complete(mapping: str, timeout_seconds: float, force: bool, reason: str, **target: Any) -> int:
    """Remove everything of ours from both servers; there is no way back."""
    if force != bool(reason.strip()):
        raise click.UsageError("--force and --reason TEXT go together")
    body = {"timeout_seconds": timeout_seconds, "force": force, "reason": reason}
    return _command(Verb.COMPLETE, mapping, Target(**target), body)


@cli.command()
@click.argument("mapping")
@click.argument("database")
@click.argument("table")
@_url_options
def resync(mapping: str, database: str, table: str, **target: Any) -> int:
    """Copy a table anew, or a partitioned one's partitions: after what replication misses."""
    body = {"database": database, "table": table}
    return _command(Verb.RESYNC, mapping, Target(**target, databases=()), body)


# --- what they share -----------------------------------------------------------------------------


def _command(verb: Verb, mapping: str, target: Target, body: dict[str, Any]) -> int:
    if target.databases:
        body = body | {"databases": list(target.databases)}
    path = f"/cutover/{quote(mapping, safe='')}/{verb}"
    timeout_seconds = body.get("timeout_seconds", TIMEOUT_DEFAULT_SECONDS)
    answer = target.commander().post(path, body, timeout_seconds)
    document = answer.document()
    if "outcome" not in document:
        if answer.status == HTTPStatus.UNAUTHORIZED:
            click.echo(f"the token of this command is from {target.token_origin}", err=True)
        return _refused(answer)
    click.echo(document["message"], err=answer.status >= 400)
    if document["drains"] or document["blocking"]:
        show(of_outcome(document), _console())
    return exit_status(answer)


def _refused(answer: Answer) -> int:
    document = answer.document()
    click.echo(document.get("detail", f"status {answer.status}"), err=True)
    return exit_status(answer)


def _watch(client: Client, mapping: str | None, databases: tuple[str, ...]) -> int:
    console = _console()
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            try:
                answer = client.get(_status_path(mapping))
            except NoAnswer as error:
                live.update(str(error), refresh=True)
            else:
                if answer.status != 200:
                    return _refused(answer)
                live.update(watched(parts(narrowed(answer.document(), databases))), refresh=True)
            time.sleep(WATCH_INTERVAL_SECONDS)


def _status_path(mapping: str | None) -> str:
    return "/status" if mapping is None else f"/status/{quote(mapping, safe='')}"


def _console() -> Console:
    return Console(highlight=False)
