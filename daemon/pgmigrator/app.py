"""The application: what `pgmigrator run` and `pgmigrator check` do with valid settings."""

import asyncio
import json
import sys

import structlog
from rich.console import Console

from pgmigrator.core.model import Severity
from pgmigrator.postgres import private
from pgmigrator.runtime.check import check as check_databases
from pgmigrator.runtime.daemon import Daemon
from pgmigrator.settings import Settings, secrets
from pgmigrator.surface import findings, logs
from pgmigrator.surface.terminal import show

log = structlog.get_logger()


def run(settings: Settings) -> int:
    """Run the daemon until it is told to stop; return the exit status."""
    logs.configure(settings.log, secrets(settings), sys.stderr)
    if swept := private.sweep():
        log.info("removed private folders that a killed daemon left behind", folders=swept)
    try:
        asyncio.run(Daemon(settings).run())
    except OSError as error:
        log.error(
            "cannot serve", host=settings.http.host, port=settings.http.port, reason=str(error)
        )
        return 2
    return 0


def check(settings: Settings, databases: tuple[str, ...], as_json: bool) -> int:
    """Run preflight once and print the findings; return 1 if any of them blocks."""
    logs.configure(settings.log, secrets(settings), sys.stderr)
    found = asyncio.run(check_databases(settings, databases))
    if as_json:
        document = findings.document(found)
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    else:
        if any(found.values()):
            show(findings.listings(found), Console(highlight=False))
        sys.stdout.write(findings.summary(found) + "\n")
    blocks = any(p.severity is Severity.BLOCKS for each in found.values() for p in each)
    return 1 if blocks else 0
