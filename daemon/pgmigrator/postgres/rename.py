"""Tables that the source has renamed, or moved to another schema: renamed here too, rows and all.

A change bears the name that its table had when it was made. What was made under the old name must
be applied before: apply has passed it, or it fails already, and the next transaction that it would
apply speaks of the table by the new name only. A table that never had the new name here cannot have
missed a change under it: apply fails at the first one.

If another table has taken the old name, changes may have gone into the wrong one: both are copied
anew, under their new names.

No change bears the name of a partitioned table, since its partitions are published one by one:
nothing has to be waited for.
"""

from collections.abc import Collection, Mapping, Sequence

from psycopg import sql

from pgmigrator.core.actions import Renaming
from pgmigrator.core.names import TableName, renaming
from pgmigrator.errors import Refused
from pgmigrator.postgres import bookkeeping
from pgmigrator.postgres.confirm import until_passed_or_failing
from pgmigrator.postgres.connect import Connection, fetch, session
from pgmigrator.postgres.destination import followed_publications
from pgmigrator.postgres.failures import Failure, attempt
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.pgoutput import next_names
from pgmigrator.postgres.rest import OPTIONS, patiently

ACTION = "RenameTables"
ON_THEIR_WAY = "changes under the old names of tables may still be on their way"
_NOT_OURS = "it is not one that we created for that table; it was left alone"

_NAMES = """
SELECT c.oid::bigint, n.nspname::text AS schema, c.relname::text AS name,
       pg_get_userbyid(n.nspowner)::text AS schema_owner
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY(%(oids)s)
"""
#: whatever has the name; NULL: nothing
_NAMESAKE = "SELECT to_regclass(%(table)s)::oid::bigint AS oid"


async def rename_tables(pair: DatabasePair, renamings: Collection[Renaming]) -> tuple[Failure, ...]:
    """Rename tables of ours as the source has renamed them; return what failed.

    :raises Refused: changes under the old names may still be on their way.
    :raises Unreachable: a server went away.
    """
    failures: list[Failure] = []
    async with (
        session(pair.source, pair.database, ACTION) as source,
        session(pair.destination, pair.database, ACTION, options=OPTIONS) as destination,
    ):
        called, owners = await _names(source, renamings)
        names: dict[int, tuple[TableName, ...]] = {oid: (name,) for oid, name in called.items()}
        if not await until_passed_or_failing(pair, destination, ACTION, ON_THEIR_WAY):
            # what is copied anew misses nothing
            known = {
                item.oid: names[item.oid] for item in renamings if item.anew and item.oid in names
            }
            if len(known) < len(renamings):
                followed = await followed_publications(destination, pair.names)
                names = await next_names(pair, destination, ACTION, followed) | known
            if not any(item.oid in names for item in renamings):
                raise Refused(
                    f"{ON_THEIR_WAY}: apply fails at something else before it comes to them;"
                    " mend that first"
                )
        for item in renamings:
            if seen := names.get(item.oid):
                what = f"table {item.old}"
                work = _Renaming(pair, source, destination, owners).run(item, seen)
                failures += await attempt(destination, pair.destination, what, work)
    return tuple(failures)


async def rename_partitioned(
    pair: DatabasePair, renamings: Collection[Renaming]
) -> tuple[Failure, ...]:
    """Rename partitioned tables of ours as the source has renamed them; return what failed.

    :raises Unreachable: a server went away.
    """
    failures: list[Failure] = []
    action = "RenamePartitioned"
    async with (
        session(pair.source, pair.database, action) as source,
        session(pair.destination, pair.database, action, options=OPTIONS) as destination,
    ):
        names, owners = await _names(source, renamings)
        for item in renamings:
            if (new := names.get(item.oid, item.old)) != item.old:
                work = _Renaming(pair, source, destination, owners).run_partitioned(item, new)
                failures += await attempt(destination, pair.destination, f"table {item.old}", work)
    return tuple(failures)


async def _names(
    source: Connection, renamings: Collection[Renaming]
) -> tuple[dict[int, TableName], dict[str, str]]:
    """Return what the source calls them, by oid, and who owns the schemas."""
    rows = await fetch(source, _NAMES, {"oids": [item.oid for item in renamings]})
    names = {row["oid"]: TableName(row["schema"], row["name"]) for row in rows}
    return names, {row["schema"]: row["schema_owner"] for row in rows}


class _Renaming:
    def __init__(
        self,
        pair: DatabasePair,
        source: Connection,
        destination: Connection,
        owners: Mapping[str, str],
    ) -> None:
        self._subscription = pair.names.subscription
        self._source = source
        self._destination = destination
        #: owners of the schemas on the source
        self._owners = owners

    async def run(self, item: Renaming, seen: Sequence[TableName]) -> None:
        """Rename a table to what the changes that come next call it."""
        if item.old in seen and len(seen) == 1:
            raise Refused(
                "changes under its old name are still on their way: apply fails at something else"
                " before it comes to the new one; mend that first"
            )
        if len(seen) > 1:
            raise Refused(
                "one transaction wrote to it under several names, which no name here can take: on"
                f" the destination, CREATE TABLE {item.new} (LIKE {item.old} INCLUDING ALL);"
                " it is then copied anew"
            )
        (new,) = seen

        async def work(connection: Connection) -> None:
            await _lock(connection, item.old)
            note = (await bookkeeping.read(connection)).get(item.old)
            if note is None or not note.created or note.source_oid != item.oid:
                raise Refused(_NOT_OURS)
            await self._rename(connection, item, new)
            await bookkeeping.rename(connection, item.old, new, anew=item.anew)

        await patiently(self._destination, work)

    async def run_partitioned(self, item: Renaming, new: TableName) -> None:
        """Rename a partitioned table."""

        async def work(connection: Connection) -> None:
            await _lock(connection, item.old)
            [row] = await fetch(connection, _NAMESAKE, {"table": str(item.old)})
            if (await bookkeeping.read_partitioned(connection)).get(row["oid"]) != item.oid:
                raise Refused(_NOT_OURS)
            await self._rename(connection, item, new)

        await patiently(self._destination, work)

    async def _rename(self, connection: Connection, item: Renaming, new: TableName) -> None:
        # under the lock: if it is gone now, no change has come that means another table
        (namesake,) = await fetch(self._source, _NAMESAKE, {"table": str(item.old)})
        if item.anew:
            await bookkeeping.note_filled(connection, self._subscription)
            await bookkeeping.distrust(connection, namesake["oid"])
        elif namesake["oid"] is not None:
            raise Refused("the source has something else under its old name: it stays here")
        if new.schema != item.old.schema:
            await connection.execute(
                sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(
                    sql.Identifier(new.schema),
                    sql.Identifier(self._owners.get(new.schema, connection.info.user)),
                )
            )
        for statement in renaming(item.old, new):
            await connection.execute(statement)


async def _lock(connection: Connection, table: TableName) -> None:
    name = sql.Identifier(table.schema, table.name)
    await connection.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS EXCLUSIVE MODE").format(name))
