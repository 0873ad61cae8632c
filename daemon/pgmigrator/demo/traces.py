"""Whether a source carries a trace of the migration: dumps before and after, slots, publications.

The dumps are those of `pg_dump --schema-only` for each database and `pg_dumpall --globals-only`,
with a fixed restrict key, since two dumps would differ in a random one.
"""

import difflib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg

from pgmigrator.demo.servers import HOST, SUPERUSER, Server

#: lines of a difference that are shown
LINES_SHOWN = 6

SLOTS = "SELECT 'slot ' || slot_name FROM pg_replication_slots"
PUBLICATIONS = (
    "SELECT 'publication ' || pubname || ' in ' || current_database() FROM pg_publication"
)


class DumpFailed(RuntimeError):
    """A dump of the source failed; the text says why."""


def dumps(source: Server, bin_dir: Path, databases: Sequence[str]) -> dict[str, bytes]:
    """Dump the definitions of everything on the source, by what was dumped.

    :raises DumpFailed: with what the program said.
    """
    found = {"globals": _dump(source, bin_dir / "pg_dumpall", "--globals-only", "-l", "postgres")}
    for name in databases:
        found[f"schema of {name}"] = _dump(
            source, bin_dir / "pg_dump", "--schema-only", "--dbname", name
        )
    return found


def _dump(source: Server, *command: object) -> bytes:
    program, *options = map(str, command)
    connection = ("--host", HOST, "--port", str(source.port), "--username", SUPERUSER)
    done = subprocess.run(  # noqa: S603 - a program of the installation, names as one argument each
        [program, *connection, "--restrict-key=x", *options],
        capture_output=True,
        check=False,
        # not in the arguments, which everybody can read
        env=os.environ | {"PGPASSWORD": source.password},
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise DumpFailed(f"{Path(program).name} of the source failed: {said}")
    return done.stdout


def differences(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    """Say which dumps are not byte-identical, with the first lines that differ."""
    found = []
    for name in before.keys() | after.keys():
        old, new = before.get(name, b""), after.get(name, b"")
        if old == new:
            continue
        lines = difflib.unified_diff(_lines(old), _lines(new), "before", "after", "", "", 0, "")
        found.append(f"the {name} changed: " + " | ".join([*lines][2 : 2 + LINES_SHOWN]))
    return sorted(found)


def _lines(text: bytes) -> list[str]:
    return text.decode(errors="replace").splitlines()


def leftovers(source: Server, databases: Sequence[str]) -> list[str]:
    """Name every slot and every publication on the source: the application has none of its own."""
    found = _column(source, "postgres", SLOTS)
    for name in databases:
        found += _column(source, name, PUBLICATIONS)
    return found


def _column(source: Server, database: str, query: str) -> list[str]:
    with psycopg.connect(source.dsn(database)) as connection:
        return [str(row[0]) for row in connection.execute(query.encode())]
