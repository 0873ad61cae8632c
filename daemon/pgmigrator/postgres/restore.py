"""Brings the schema over: before the copy, and after it. Each time from a fresh dump.

The archive lives in a private folder and goes with it, since a schema can contain passwords.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pgmigrator.core.names import TableName
from pgmigrator.postgres.archive import Archive, dump, entries
from pgmigrator.postgres.children import Tools
from pgmigrator.postgres.connect import session
from pgmigrator.postgres.extension_rows import copy_extension_rows
from pgmigrator.postgres.failures import Failure
from pgmigrator.postgres.left_out import left_out
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.private import private_folder
from pgmigrator.postgres.rest import restore_post_data
from pgmigrator.postgres.schema import identity_keys, restore_pre_data
from pgmigrator.postgres.tables import Contents, create_tables


async def restore_schema(
    pair: DatabasePair, tools: Tools, *, created: bool, dump_lock: asyncio.Lock
) -> tuple[Failure, ...]:
    """Restore into an empty database what the copy needs; return the objects that failed.

    `created` tells a database of ours from an adopted one, which is restored all or nothing.
    `dump_lock` is the source's: one dump at a time, since their locks add up.

    :raises Refused: it failed as a whole.
    :raises Unreachable: a server went away.
    """
    async with _archive(pair, tools, dump_lock) as archive:
        return await restore_pre_data(
            pair.source,
            pair.destination,
            pair.database,
            archive,
            tools,
            created=created,
            tablespaces=pair.tablespaces,
        )


async def restore_rest(
    pair: DatabasePair, tools: Tools, *, created: bool, dump_lock: asyncio.Lock
) -> tuple[Failure, ...]:
    """Build what the destination still lacks, while changes stream in; return what failed.

    The rows in extensions' tables come first: foreign keys may refer to them. Interrupted at any
    point, it goes on when called again.

    :raises Refused: the source could not be dumped.
    :raises Unreachable: a server went away.
    """
    async with dump_lock:  # it gives way, as a dump does, to whoever waits behind it
        unfilled = await copy_extension_rows(pair.source, pair.destination, pair.database)
    async with _archive(pair, tools, dump_lock) as archive:
        unbuilt = await restore_post_data(
            pair.source,
            pair.destination,
            pair.database,
            archive,
            tools,
            created=created,
            tablespaces=pair.tablespaces,
        )
    return (*unfilled, *unbuilt)


async def restore_tables(
    pair: DatabasePair,
    tools: Tools,
    tables: Sequence[tuple[int, TableName]],
    *,
    dump_lock: asyncio.Lock,
) -> tuple[Failure, ...]:
    """Create tables that came later on the source, each with what it needs; return what failed.

    :raises Refused: the source could not be dumped.
    :raises Unreachable: a server went away.
    """
    async with _archive(pair, tools, dump_lock) as archive:
        where = pair.tablespaces
        pre_data = await entries(tools, archive, "pre-data", tablespaces=where)
        post_data = await entries(tools, archive, "post-data", tablespaces=where)
    identities = await identity_keys(pair.source, pair.database, "RestoreTables")
    return await create_tables(pair, Contents(pre_data, post_data, identities), tables)


@asynccontextmanager
async def _archive(
    pair: DatabasePair, tools: Tools, dump_lock: asyncio.Lock
) -> AsyncIterator[Archive]:
    with private_folder() as folder:
        async with dump_lock:
            file = await dump(pair.source, pair.database, folder, tools)
        async with (
            session(pair.source, pair.database, "Dump") as source,
            session(pair.destination, pair.database, "Dump") as destination,
        ):
            archive = Archive(file, await left_out(source, destination))
        yield archive
