"""Databases on the destination: created, adopted, dropped while unfinished.

A database is created under a temporary name that is recognisably ours, then renamed and marked in
one transaction: either it bears its final name and our marker, or neither. Nothing that we did not
create is ever dropped.
"""

from collections.abc import Callable
from typing import Any

from psycopg import errors, sql

from pgmigrator.core.marker import Marker, Step
from pgmigrator.errors import InvariantBroken, Refused
from pgmigrator.postgres import marker as marker_store
from pgmigrator.postgres.connect import Connection, Endpoint, fetch, session
from pgmigrator.postgres.queries import query

TEMPORARY_PREFIX = "pgmigrator_tmp_"
#: where template0 is, and so a new database
USUAL_TABLESPACE = "pg_default"

#: makes the marker from the oid of the destination's database
MarkerFactory = Callable[[int], Marker]

Properties = dict[str, Any]

#: CREATE DATABASE copies the template and checkpoints
_OPTIONS = {"statement_timeout": "10min"}


async def create(
    source: Endpoint,
    destination: Endpoint,
    database: str,
    temporary: str,
    marker: MarkerFactory,
    *,
    tablespace: bool = True,
) -> None:
    """Create a database with the source's encoding, locale and owner, and mark it.

    `temporary` is its name until then (`Names.temporary_database`); a leftover of that name goes.
    `tablespace`: its default tablespace is to be of the same name too.

    :raises Refused: a database of the final name appeared meanwhile; it is left alone.
    """
    if not temporary.startswith(TEMPORARY_PREFIX):
        raise InvariantBroken(f'"{temporary}" is no name of a temporary database of ours')
    wanted = await _source_properties(source, database)
    async with session(
        destination, destination.instance.database, "CreateDatabase", options=_OPTIONS
    ) as connection:
        await _drop(connection, temporary)
        await connection.execute(_create_statement(temporary, wanted, tablespace=tablespace))
        try:
            async with connection.transaction():
                await connection.execute(
                    sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                        sql.Identifier(temporary), sql.Identifier(database)
                    )
                )
                binding = await marker_store.bind(connection, destination.mapping, database)
                await marker_store.write(connection, marker(binding.database_oid), database)
        except errors.DuplicateDatabase:
            await _drop(connection, temporary)
            raise Refused(
                f'the destination has got a database "{database}" that is not ours:'
                " rename it, or leave the database out of the mapping"
            ) from None


async def adopt(
    source: Endpoint, destination: Endpoint, database: str, marker: MarkerFactory
) -> None:
    """Mark an existing database, if it is empty and of the source's encoding and locale.

    :raises Refused: it is not.
    """
    wanted = await _source_properties(source, database)
    async with session(destination, database, "AdoptDatabase") as connection:
        found = await _properties(connection, database)
        if differing := [name for name in _ADOPTABLE if found[name] != wanted[name]]:
            details = ", ".join(f"{n} {found[n]} instead of {wanted[n]}" for n in differing)
            raise Refused(f'database "{database}" on the destination has {details}: drop it')
        async with connection.transaction():
            [row] = await fetch(connection, query("has_user_objects"), {"marked": False})
            if row["has_user_objects"]:
                raise Refused(
                    f'database "{database}" on the destination holds objects that are not ours:'
                    " rename it, or leave the database out of the mapping"
                )
            binding = await marker_store.bind(connection, destination.mapping, database)
            if other := await marker_store.read_other_mapping(connection, database, binding):
                raise Refused(
                    f'database "{database}" on the destination is being filled by mapping {other}:'
                    " leave it out of one of the two mappings"
                )
            await marker_store.write(connection, marker(found["oid"]), database)


async def drop_unfinished(destination: Endpoint, database: str) -> None:
    """Drop a database that we created and whose schema was not finished.

    :raises InvariantBroken: its marker does not say so.
    :raises Refused: somebody is connected to it.
    """
    async with session(
        destination, destination.instance.database, "DropUnfinishedDatabase", options=_OPTIONS
    ) as connection:
        binding = await marker_store.bind(connection, destination.mapping, database)
        marker = await marker_store.read(connection, database, binding)
        if marker is None or not marker.created or Step.SCHEMA_DONE in marker.steps:
            raise InvariantBroken(
                f'database "{database}" is not an unfinished one of ours; it was not dropped'
            )
        await _drop(connection, database)


_ADOPTABLE = ("encoding", "collate", "ctype", "locale_provider", "locale", "icu_rules")


async def _source_properties(source: Endpoint, database: str) -> Properties:
    async with session(source, source.instance.database, "CreateDatabase") as connection:
        return await _properties(connection, database)


async def _properties(connection: Connection, database: str) -> Properties:
    rows = await fetch(connection, query("database_properties"), {"database": database})
    if not rows:
        raise Refused(f'there is no database "{database}"')
    return rows[0]


async def _drop(connection: Connection, database: str) -> None:
    """Drop a database unless somebody is connected to it: never WITH (FORCE)."""
    await connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(database)))


def _create_statement(name: str, wanted: Properties, *, tablespace: bool) -> sql.Composed:
    provider = {"c": "libc", "i": "icu", "b": "builtin"}[wanted["locale_provider"]]
    clauses: list[tuple[sql.SQL, str]] = [
        (sql.SQL("TEMPLATE"), "template0"),
        (sql.SQL("ENCODING"), wanted["encoding"]),
        (sql.SQL("LOCALE_PROVIDER"), provider),
        (sql.SQL("LC_COLLATE"), wanted["collate"]),
        (sql.SQL("LC_CTYPE"), wanted["ctype"]),
    ]
    if provider == "icu":
        clauses.append((sql.SQL("ICU_LOCALE"), wanted["locale"]))
        if wanted["icu_rules"]:
            clauses.append((sql.SQL("ICU_RULES"), wanted["icu_rules"]))
    if provider == "builtin":
        clauses.append((sql.SQL("BUILTIN_LOCALE"), wanted["locale"]))
    parts = [sql.SQL("{} {}").format(word, sql.Literal(v)) for word, v in clauses]
    if tablespace and wanted["tablespace"] != USUAL_TABLESPACE:
        parts.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(wanted["tablespace"])))
    return sql.SQL("CREATE DATABASE {} OWNER {} {}").format(
        sql.Identifier(name), sql.Identifier(wanted["owner"]), sql.SQL(" ").join(parts)
    )
