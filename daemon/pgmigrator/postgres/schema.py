"""The schema before the copy: everything that rows need, and the indexes that updates need.

Restored by pg_restore from the source's own archive. The primary keys and replica identities, and
one usable btree for each table that replicates by its full rows, come now; all other indexes and
constraints after the copy (see restore.py).
"""

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from pgmigrator.errors import Refused
from pgmigrator.postgres.archive import Entry, listed, placing
from pgmigrator.postgres.archive import entries as archive_entries
from pgmigrator.postgres.children import Ended, Tools, failure, run
from pgmigrator.postgres.connect import (
    DEFAULT_TABLESPACE,
    SECRECY_OPTIONS,
    WITHOUT_EVENT_TRIGGERS,
    Endpoint,
    fetch,
    session,
)
from pgmigrator.postgres.failures import Failure
from pgmigrator.postgres.queries import query

_FROM_ENTRY = re.compile(r"^pg_restore: from TOC entry (\d+); ")
_ERROR = re.compile(r"^pg_restore: error: could not [^:]*: ERROR: +(.*)$")


async def restore_pre_data(
    source: Endpoint,
    destination: Endpoint,
    database: str,
    archive: Path,
    tools: Tools,
    *,
    created: bool,
    tablespaces: bool,
) -> tuple[Failure, ...]:
    """Restore what comes before the rows into an empty database, and the identity indexes.

    In a database that we created, an object that fails is returned and the rest goes on. An adopted
    one is restored in a single transaction: all or nothing. `tablespaces`: each object comes into
    its own, else all into the default one.

    :raises Refused: it failed as a whole.
    """
    before = await listed(tools, archive, "pre-data")
    after = await archive_entries(tools, archive, "post-data")
    chosen = identity_entries(after, await identity_keys(source, database, "RestoreSchema"))
    if created:
        await _drop_public_like(source, destination, database)
    names = before | {entry.id: str(entry) for entry in chosen}
    file = archive.with_suffix(".chosen.list")
    file.write_text("".join(f"{entry_id};\n" for entry_id in names))
    ended = await run(
        tools,
        "pg_restore",
        (
            "--verbose",  # else it does not say which object failed
            f"--use-list={file}",
            *placing(tablespaces=tablespaces),
            *(() if created else ("--single-transaction",)),
            str(archive),
        ),
        endpoint=destination,
        database=database,
        action="RestoreSchema",
        options=_options(before.values()),
    )
    failures = _failures(ended, names)
    if ended.status and not failures:
        raise failure("pg_restore", destination, ended)
    if failures and not created:
        [first, *_] = failures
        raise Refused(
            f'the schema does not fit into the adopted database "{database}", nothing was restored:'
            f" {first.object}: {first.reason}"
        )
    return failures


async def identity_keys(source: Endpoint, database: str, action: str) -> set[tuple[int, int]]:
    """Return the keys of the entries that build the indexes that replication needs."""
    async with session(source, database, action) as connection:
        rows = await fetch(connection, query("identity_indexes"))
    return {(row["classid"], row["oid"]) for row in rows}


async def _drop_public_like(source: Endpoint, destination: Endpoint, database: str) -> None:
    """Drop the schema that every new database has if the source's has none: no archive says so.

    Only in a database that we created, and only while it is empty.
    """
    async with session(source, database, "RestoreSchema") as connection:
        [public] = await fetch(connection, "SELECT to_regnamespace('public') IS NULL AS dropped")
    if public["dropped"]:
        async with session(destination, database, "RestoreSchema") as connection:
            await connection.execute("DROP SCHEMA IF EXISTS public")


def identity_entries(
    entries: Iterable[Entry], identities: Collection[tuple[int, int]]
) -> tuple[Entry, ...]:
    """Choose the entries that build identity indexes, and those that join them to their parents."""
    everything = tuple(entries)
    chosen = {entry.id for entry in everything if entry.key in identities}
    left = {
        entry.id
        for entry in everything
        if entry.type in ("CONSTRAINT", "INDEX") and entry.id not in chosen
    }
    return tuple(
        entry
        for entry in everything
        if entry.id in chosen or (entry.type == "INDEX ATTACH" and not entry.dependencies & left)
    )


def _options(listing: Iterable[str]) -> dict[str, str]:
    """Silence the server's log where the schema itself carries passwords: in user mappings.

    An adopted database may have event triggers: they do not run on what is restored.
    """
    ours = WITHOUT_EVENT_TRIGGERS | DEFAULT_TABLESPACE
    secret = any(line.startswith(("USER MAPPING ", "SERVER ")) for line in listing)
    return SECRECY_OPTIONS | ours if secret else ours


def _failures(ended: Ended, names: dict[int, str]) -> tuple[Failure, ...]:
    """Read who failed, and why, from what pg_restore says; not the command, which may be secret."""
    found = []
    current = "the archive"
    for line in ended.stderr.splitlines():
        if entry := _FROM_ENTRY.match(line):
            current = names.get(int(entry[1]), current)
        elif error := _ERROR.match(line):
            found.append(Failure(current, error[1]))
    return tuple(found)
