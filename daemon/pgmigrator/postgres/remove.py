"""The end: everything of ours goes, from the destination first, then from the source.

Each step finds out for itself what is still there, so that a crash anywhere heals by running it
again. On the source only what bears our name and our comment, or the oid of our subscription, is
dropped. The marker says `completed` last.
"""

from dataclasses import replace

from psycopg import sql

from pgmigrator.core.marker import Marker, Step
from pgmigrator.core.names import quote_identifier, sync_slots_pattern
from pgmigrator.errors import Refused, Unreachable
from pgmigrator.postgres import marker as marker_store
from pgmigrator.postgres.confirm import until_inactive
from pgmigrator.postgres.connect import Connection, SourceWriter, fetch, session, source_writer
from pgmigrator.postgres.finish import reset_own_settings
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.queries import query

ACTION = "RemoveReplication"

#: the tables of our schema on the destination
BOOKKEEPING = (
    *("tables", "triggers", "partitioned", "start", "insert_only", "at_switch", "conflicts"),
)
SLOT_TIMEOUT_S = 15.0

_COMMENTS = """
SELECT pubname::text AS name, coalesce(obj_description(oid, 'pg_publication'), '') AS comment
  FROM pg_publication WHERE pubname = ANY(%(names)s) ORDER BY pubname
"""


async def remove(pair: DatabasePair, *, source_known: bool = True) -> tuple[str, ...]:
    """Remove subscription, bookkeeping, slots and publication; then mark `completed`.

    Returns the SQL by which a person removes what is left: of a source that does not answer
    (`source_known=False`: it is not even asked), or of slots that are still in use.

    :raises Unreachable: the destination does not answer.
    :raises Refused: the marker does not ask for a removal.
    """
    async with session(pair.destination, pair.database, ACTION) as connection:
        marker = await _wanted(connection, pair)
        await _clean_destination(connection, pair)
    left = by_hand(pair)
    if source_known:
        try:
            left = await _clean_source(pair, marker)
        except Unreachable:
            left = by_hand(pair)
    await _mark_completed(pair, source_left=bool(left))
    return left


def by_hand(pair: DatabasePair) -> tuple[str, ...]:
    """Return the SQL that removes what we made on the source, as far as names tell."""
    return (
        f"SELECT pg_drop_replication_slot('{pair.names.subscription}');",
        "DROP PUBLICATION IF EXISTS"
        f" {', '.join(map(quote_identifier, pair.names.publications))};"
        f"  -- in database {quote_identifier(pair.database)}",
    )


async def _wanted(connection: Connection, pair: DatabasePair) -> Marker:
    """Return the marker, which asks for a removal."""
    binding = await marker_store.bind(connection, pair.destination.mapping, pair.database)
    marker = await marker_store.read(connection, pair.database, binding)
    ends = {Step.COMPLETING, Step.COMPLETED, Step.ABANDONED}
    if marker is None or not marker.steps & ends:
        raise Refused(f"database {pair.database} is not marked for removal; nothing was removed")
    return marker


async def _clean_destination(connection: Connection, pair: DatabasePair) -> None:
    """Drop subscription and bookkeeping in one transaction; DROP stops the workers."""
    name = sql.Identifier(pair.names.subscription)
    async with connection.transaction():
        rows = await fetch(
            connection, query("subscription"), {"subscription": pair.names.subscription}
        )
        if rows:
            # without its slot, which may be unreachable: then DROP needs no connection to it
            await connection.execute(sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(name))
            await connection.execute(
                sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(name)
            )
            await connection.execute(sql.SQL("DROP SUBSCRIPTION {}").format(name))
        await _drop_bookkeeping(connection)
        await reset_own_settings(connection, pair.destination.instance.user, pair.database)


async def _drop_bookkeeping(connection: Connection) -> None:
    """Drop our tables, and our schema if nobody put anything else into it."""
    for table in BOOKKEEPING:
        await connection.execute(
            sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier("pgmigrator", table))
        )
    rows = await fetch(
        connection,
        "SELECT FROM pg_namespace n WHERE nspname = 'pgmigrator' AND NOT EXISTS (SELECT"
        " FROM pg_depend d WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid)",
    )
    if rows:
        await connection.execute("DROP SCHEMA pgmigrator")


async def _clean_source(pair: DatabasePair, marker: Marker) -> tuple[str, ...]:
    """Drop slots and publications; slots first, since a publication's comment says whose they are.

    A table-sync slot is ours only if it is named by our subscription's oid: others of the same
    destination may have left some behind.
    """
    sync_slots = sync_slots_pattern(marker.subscription_oid, marker.destination.system_identifier)
    async with source_writer(pair.source, pair.database, ACTION) as writer:
        comments = {
            row["name"]: row["comment"]
            for row in await writer.read(_COMMENTS, {"names": list(pair.names.publications)})
        }
        ours = pair.names.publication_comment
        if comments.get(pair.names.publication, ours) != ours:
            return by_hand(pair)[:1]  # another daemon's: whose the slot is, a person must say
        slots = await writer.read(
            query("replication_left"),
            {"slot": pair.names.subscription, "sync_slots": sync_slots},
        )
        left = [await _drop_slot(writer, row["slot_name"]) for row in slots]
        for name, comment in comments.items():
            if comment == ours:
                await writer.execute(sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(name)))
    return tuple(statement for statement in left if statement)


async def _drop_slot(writer: SourceWriter, slot: str) -> str:
    """Drop a slot once nobody uses it; return the SQL to do it by hand if somebody goes on to.

    A walsender of a destination that is gone ends by wal_sender_timeout at the latest.
    """
    if not await until_inactive(writer, slot, SLOT_TIMEOUT_S):
        return f"SELECT pg_drop_replication_slot('{slot}');"
    await writer.execute(sql.SQL("SELECT pg_drop_replication_slot({})").format(sql.Literal(slot)))
    return ""


async def _mark_completed(pair: DatabasePair, *, source_left: bool) -> None:
    async with session(pair.destination, pair.database, ACTION) as connection:
        binding = await marker_store.bind(connection, pair.destination.mapping, pair.database)
        marker = await marker_store.read(connection, pair.database, binding)
        if marker is None:
            return
        done = replace(marker.having(Step.COMPLETED), source_left=source_left)
        if done != marker:
            await marker_store.write(connection, done, pair.database)
