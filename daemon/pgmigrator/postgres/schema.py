"""The schema before the copy: everything that rows need, and the indexes that updates need.

Restored from the source's own archive, entry by entry. The primary keys and replica identities, and
one usable btree for each table that replicates by its full rows, come now; all other indexes and
constraints after the copy (see restore.py).
"""

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from pgmigrator.errors import Refused
from pgmigrator.postgres.archive import Archive, Entry
from pgmigrator.postgres.archive import entries as archive_entries
from pgmigrator.postgres.children import Tools
from pgmigrator.postgres.connect import (
    DEFAULT_TABLESPACE,
    Connection,
    Endpoint,
    fetch,
    session,
)
from pgmigrator.postgres.failures import Failure, attempt
from pgmigrator.postgres.queries import query

ACTION = "RestoreSchema"
#: as pg_restore's own sessions have it: nothing is cut off, no body looks at what comes later
OPTIONS = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "check_function_bodies": "off",
    "client_min_messages": "warning",
    "search_path": "",
    "lc_messages": "C",  # what it says is read
    **DEFAULT_TABLESPACE,
}
_UNKNOWN_OPTION = re.compile(r'unrecognized parameter "(.*)"')


async def restore_pre_data(
    source: Endpoint,
    destination: Endpoint,
    database: str,
    archive: Archive,
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
    before = await archive_entries(tools, archive, "pre-data", tablespaces=tablespaces)
    after = await archive_entries(tools, archive, "post-data", tablespaces=tablespaces)
    chosen = identity_entries(after, await identity_keys(source, database, ACTION))
    if created:
        await _drop_public_like(source, destination, database)
    # user mappings and servers may carry passwords: the server's log must not have them
    secret = any(entry.type in ("USER MAPPING", "SERVER") for entry in before)
    async with session(destination, database, ACTION, options=OPTIONS, secret=secret) as connection:
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            # in UTF8 it would refuse what is no UTF-8
            await connection.execute("SET client_encoding = 'SQL_ASCII'")
        if created:
            return await _restore_each(connection, destination, (*before, *chosen))
        return await _restore_all(connection, destination, database, (*before, *chosen))


async def _restore_each(
    connection: Connection, destination: Endpoint, entries: Iterable[Entry]
) -> tuple[Failure, ...]:
    """Restore one after the other; return what failed or was left out."""
    restored = [await _restore(connection, destination, entry) for entry in entries]
    return tuple(failure for one in restored for failure in (*one.left_out, *one.failures))


async def _restore_all(
    connection: Connection, destination: Endpoint, database: str, entries: Iterable[Entry]
) -> tuple[Failure, ...]:
    """Restore all in a single transaction; return what was left out.

    :raises Refused: one failed, and nothing was restored.
    """
    left_out: list[Failure] = []
    async with connection.transaction():
        for entry in entries:
            restored = await _restore(connection, destination, entry)
            left_out += restored.left_out
            for failure in restored.failures:
                raise Refused(
                    f'the schema does not fit into the adopted database "{database}", nothing was'
                    f" restored: {failure.object}: {failure.reason}"
                )
    return tuple(left_out)


class _Restored(NamedTuple):
    """What one entry came without, and what of it failed."""

    left_out: tuple[Failure, ...]
    failures: tuple[Failure, ...]


async def _restore(connection: Connection, destination: Endpoint, entry: Entry) -> _Restored:
    """Restore an entry, then give it to its owner.

    A column option that the destination does not know is left out: it only guides the server that
    knows it, and no row depends on it.
    """
    left_out: list[Failure] = []
    failures: tuple[Failure, ...] = ()
    parts = list(entry.parts())
    while parts:
        work = _execute(connection, parts[0])
        failures = await attempt(connection, destination, str(entry), work)
        if not failures:
            del parts[0]
            continue
        option = _unknown_option(failures[0])
        shorter = entry.without(option) if option else entry
        if shorter == entry:
            break
        left_out.append(_left_out(entry, option))
        entry, parts = shorter, list(shorter.parts())
    return _Restored(tuple(left_out), failures)


def _unknown_option(failure: Failure) -> str:
    """Return the option that the server does not know; "" if it failed for another reason."""
    found = _UNKNOWN_OPTION.match(failure.reason)
    return found[1] if found else ""


def _left_out(entry: Entry, option: str) -> Failure:
    return Failure(
        f"column option {option} of {entry}",
        "the destination does not know it, and it was left out; if nothing needs it, on the source:"
        f" {entry.resets(option)}",
    )


async def _execute(connection: Connection, statement: bytes) -> None:
    async with connection.transaction():
        await connection.execute(statement, prepare=False)


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
