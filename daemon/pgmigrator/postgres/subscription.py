"""Our subscription on the destination, made together with the marker and the bookkeeping.

The slot exists already, so CREATE SUBSCRIPTION runs inside a transaction: either the subscription,
the marker's `subscribed` and the bookkeeping are there, or none of them is.
"""

from collections.abc import Iterable, Mapping
from typing import LiteralString

import psycopg
from psycopg import sql

from pgmigrator.core.facts import Baseline, Publication
from pgmigrator.core.marker import Marker, ServerIdentity, Step
from pgmigrator.core.names import Names, TableName
from pgmigrator.errors import Refused
from pgmigrator.postgres import bookkeeping
from pgmigrator.postgres import marker as marker_store
from pgmigrator.postgres.connect import Connection, Endpoint, fetch, session, translate
from pgmigrator.postgres.destination import remember_starts, tables_with_rows
from pgmigrator.postgres.finish import override_own_settings

#: the first destination on which a parallel worker that fails loses no transaction
PARALLEL_SINCE = 180002

_OID = (
    "SELECT s.oid::bigint FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid"
    " WHERE subname = %(name)s AND datname = current_database()"
)


def streaming(version_num: int) -> LiteralString:
    """Return how large transactions are streamed to a destination of this version.

    Before 18.2 the progress of replication could pass a transaction whose parallel worker failed:
    it never came again. `on` keeps such transactions in a file until their commit.
    """
    return "parallel" if version_num >= PARALLEL_SINCE else "on"


async def create(
    source: Endpoint,
    destination: Endpoint,
    database: str,
    names: Names,
    marker: Marker,
    publications: Mapping[str, Publication],
    baselines: Mapping[int, Baseline],
    storage: Mapping[int, str],
    identities: tuple[ServerIdentity, ServerIdentity],
    starts: tuple[float, float],
) -> None:
    """Subscribe to the publications with an initial copy, and mark `subscribed` with it.

    `baselines` are what the source counted, before their copy, of tables that are replicated by
    their inserts alone, by source oid; `storage` is that of all tables, read before that too.
    `identities` are source and destination as they are now: a later change of either means that the
    copy can no longer be trusted, and `starts` are their starts, in epoch seconds.

    :raises Refused: a table that would be copied into holds a row.
    """
    async with session(
        destination, database, "subscribe", autocommit=False, secret=True
    ) as connection:
        tables = await _existing(connection, publications.values())
        if filled := await tables_with_rows(connection, [name for _, name in tables]):
            names_text = ", ".join(sorted(map(str, filled)))
            raise Refused(f"not copying into tables that hold rows: {names_text}")
        # what we created is noted so since the schema was restored
        await bookkeeping.remember(connection, tables, created=False, storage=storage)
        await bookkeeping.remember_baselines(connection, tables, baselines)
        await remember_starts(connection, starts)
        # a time-out that the server has for our role would end the apply worker again and again
        await override_own_settings(connection, destination.instance.user, database)
        await connection.execute(
            sql.SQL(
                "CREATE SUBSCRIPTION {name} CONNECTION {conninfo} PUBLICATION {publications}"
                " WITH (create_slot = false, slot_name = {slot}, copy_data = true, enabled = true,"
                " streaming = {streaming}, two_phase = false, disable_on_error = false)"
            ).format(
                streaming=sql.SQL(streaming(connection.info.server_version)),
                name=sql.Identifier(names.subscription),
                conninfo=sql.Literal(source.subscription_conninfo(database)),
                publications=sql.SQL(", ").join(map(sql.Identifier, publications)),
                slot=sql.Literal(names.subscription),
            )
        )
        await bookkeeping.note_filled(connection, names.subscription)
        [made] = await fetch(connection, _OID, {"name": names.subscription})
        subscribed = Marker(
            mapping=marker.mapping,
            database_oid=marker.database_oid,
            source=identities[0],
            destination=identities[1],
            source_database=marker.source_database,
            source_database_oid=marker.source_database_oid,
            created=marker.created,
            steps=marker.steps | {Step.SUBSCRIBED},
            subscription_oid=made["oid"],
        )
        await marker_store.write(connection, subscribed, database)
        await connection.commit()


async def _existing(
    connection: Connection, publications: Iterable[Publication]
) -> list[tuple[int, TableName]]:
    """Leave out what the destination lacks: subscribing to it would fail as a whole."""
    rows = await fetch(
        connection,
        "SELECT n.nspname::text AS schema, c.relname::text AS name FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'",
    )
    there = {TableName(row["schema"], row["name"]) for row in rows}
    return [
        (oid, name)
        for publication in publications
        for oid, name in publication.tables.items()
        if name in there
    ]


async def forget_counts(destination: Endpoint, database: str) -> None:
    """Forget every baseline: the source does not count any more, so that they prove nothing."""
    async with session(destination, database, "subscription") as connection:
        await bookkeeping.forget_baselines(connection)


async def refresh(
    destination: Endpoint,
    database: str,
    names: Names,
    tables: list[tuple[int, TableName]],
    baselines: Mapping[int, Baseline],
    storage: Mapping[int, str],
) -> None:
    """Subscribe to the tables that the publications have gained; each is known to be empty."""
    async with session(destination, database, "refresh") as connection:
        if filled := await tables_with_rows(connection, [name for _, name in tables]):
            names_text = ", ".join(sorted(map(str, filled)))
            raise Refused(f"not copying into tables that hold rows: {names_text}")
        async with connection.transaction():
            # what we created is noted so already
            await bookkeeping.remember(connection, tables, created=False, storage=storage)
            await bookkeeping.remember_baselines(connection, tables, baselines)
            await bookkeeping.note_filled(connection, names.subscription)
        # refuses to run inside a transaction
        await connection.execute(
            sql.SQL("ALTER SUBSCRIPTION {} REFRESH PUBLICATION").format(
                sql.Identifier(names.subscription)
            )
        )
        await bookkeeping.note_filled(connection, names.subscription)


async def enable(destination: Endpoint, database: str, names: Names, *, enabled: bool) -> None:
    """Switch the subscription on or off."""
    async with session(destination, database, "subscription") as connection:
        await connection.execute(
            sql.SQL("ALTER SUBSCRIPTION {} {}").format(
                sql.Identifier(names.subscription), sql.SQL("ENABLE" if enabled else "DISABLE")
            )
        )


async def probe_route(source: Endpoint, destination: Endpoint) -> str:
    """Have the destination server connect to the source; return "" or why it could not.

    The subscription that proves it has no slot and is rolled back: nothing is left on either side.
    """
    name = f"pgmigrator_probe_{source.mapping}"
    async with session(
        destination, destination.instance.database, "route", autocommit=False, secret=True
    ) as connection:
        try:
            await connection.execute(
                sql.SQL(
                    "CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION pgmigrator_probe WITH"
                    " (enabled = false, create_slot = false, slot_name = NONE, copy_data = false)"
                ).format(
                    sql.Identifier(name),
                    sql.Literal(source.subscription_conninfo(source.instance.database)),
                )
            )
        except psycopg.Error as error:
            return str(translate(error, source))
        finally:
            await connection.rollback()
    return ""
