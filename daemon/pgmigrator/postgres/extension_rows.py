"""Rows that people put into the tables of extensions: compared by a hash, and copied.

pg_dump leaves a table to its extension, which CREATE EXTENSION makes anew, and so neither a dump
of the schema nor the publication has people's rows. They are told from the extension's own by the
condition that it gave (pg_extension_config_dump), put behind the table's bare name as pg_dump does:
it may name a column by its table, and any other name for that might be a column's.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Collection, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace

import psycopg
from psycopg import errors, sql

from pgmigrator.core.conditions import ExtensionRows
from pgmigrator.core.extension_rows import rows_of
from pgmigrator.errors import Refused, Unreachable
from pgmigrator.postgres.connect import (
    Connection,
    Endpoint,
    fetch,
    redact,
    session,
    translate,
)
from pgmigrator.postgres.failures import Failure, attempt
from pgmigrator.postgres.queries import query
from pgmigrator.postgres.rest import ACTION, OPTIONS, patiently

#: Comparing all tables of a database takes no longer, on each side; the smallest come first.
COMPARED_SECONDS = 5.0

#: what these say is about the data, or of an extension's making, and may hold values of rows
_TELLTALE = ("22", "38", "39", "P0")

_HELD = sql.SQL("""
SELECT count(*) AS rows, sum(hashtextextended(held.line COLLATE "C", 0))::text AS hash
  FROM (SELECT ROW({columns})::text AS line FROM ONLY {table} {condition}) held
""")
_LOCK = sql.SQL("LOCK TABLE ONLY {table} IN SHARE ROW EXCLUSIVE MODE")
_COUNT = sql.SQL("SELECT count(*) AS rows FROM (SELECT FROM ONLY {table} {condition}) held")
#: in the database's own encoding, which both have: nothing is converted, nor checked in SQL_ASCII
_OUT = sql.SQL(
    "COPY (SELECT {columns} FROM ONLY {table} {condition}) TO STDOUT (ENCODING {encoding})"
)
_IN = sql.SQL("COPY {table} ({columns}) FROM STDIN (ENCODING {encoding})")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table of an extension that may hold rows of people's own."""

    object: str
    schema: str
    name: str
    #: "WHERE ...", or "": all rows
    condition: str
    #: those that can be written, ordered by name
    columns: tuple[str, ...]

    def fill(self, statement: sql.SQL, **more: sql.Composable) -> sql.Composed:
        """Fill in a statement on the table's rows; its condition is the extension's text."""
        return statement.format(
            table=sql.Identifier(self.schema, self.name),
            columns=sql.SQL(", ").join(map(sql.Identifier, self.columns)),
            condition=sql.SQL(self.condition),
            **more,
        )


async def _count(connection: Connection, table: _Table) -> int:
    [held] = await (await connection.execute(table.fill(_COUNT))).fetchall()
    rows: int = held["rows"]
    return rows


async def _tables(connection: Connection) -> tuple[_Table, ...]:
    rows = await fetch(connection, query("extension_tables"))
    return tuple(_Table(**row | {"columns": tuple(row["columns"])}) for row in rows)


# --- comparing -----------------------------------------------------------------------------------


async def read(
    endpoint: Endpoint, connection: Connection, columns: Mapping[str, Collection[str]]
) -> tuple[ExtensionRows, ...]:
    """Read how many rows of people's own each table of an extension holds, and a hash of them.

    `columns` tells of a table which count: a newer version of the extension may have more. One
    that cannot be read, or not in time, has its error, and hides no other.

    :raises psycopg.Error: the catalogs could not be read, or the connection is lost.
    """
    until = time.monotonic() + COMPARED_SECONDS
    found = []
    for table in await _tables(connection):
        wanted = columns.get(table.object, table.columns)
        compared = tuple(name for name in table.columns if name in wanted)
        try:
            held, error = await _held(connection, table, compared, until), ""
        except psycopg.Error as refused:
            if connection.closed:
                raise
            held, error = (0, ""), _reason(refused, endpoint)
            if isinstance(refused, errors.QueryCanceled):
                error = f"reading it, and smaller ones before, takes over {COMPARED_SECONDS:g} s"
        rows, digest = held
        found.append(
            ExtensionRows(
                object=table.object,
                detail=digest,
                condition=table.condition,
                columns=compared,
                rows=rows,
                error=error,
            )
        )
    return tuple(sorted(found, key=lambda table: table.object))


async def _held(
    connection: Connection, table: _Table, columns: tuple[str, ...], until: float
) -> tuple[int, str]:
    left_ms = max(1, int((until - time.monotonic()) * 1000))
    async with connection.transaction():
        await connection.execute(
            "SELECT set_config('statement_timeout', %s, true)", (f"{left_ms}ms",)
        )
        cursor = await connection.execute(replace(table, columns=columns).fill(_HELD))
        [held] = await cursor.fetchall()
    return held["rows"], held["hash"] or ""


def _reason(error: psycopg.Error, endpoint: Endpoint) -> str:
    """Say what the server refused, with nothing that a row holds."""
    state = error.sqlstate or ""
    said = error.diag.message_primary or ""
    if not said or state.startswith(_TELLTALE):
        said = f"{type(error).__name__}, see the server's log"
    return redact(f"{endpoint.side} {endpoint.name}: {said} [{state}]", endpoint)


# --- copying -------------------------------------------------------------------------------------


async def copy_extension_rows(
    source: Endpoint, destination: Endpoint, database: str
) -> tuple[Failure, ...]:
    """Copy people's rows into each table of an extension that has none; return what failed.

    Each table in one transaction. One that holds rows of people's own already is left as it is,
    whatever they are. Tables that refer to each other come in any order: those that were refused
    are tried again for as long as another one arrives.

    :raises Unreachable: a server went away.
    """
    async with (
        session(source, database, ACTION, options={"statement_timeout": "0"}) as origin,
        session(destination, database, ACTION, options=OPTIONS) as connection,
    ):
        copy = _Copy(source, origin, destination, connection)
        failures = await copy.attempt("tables of extensions", copy.read())
        left, arrived = copy.tables, -1
        while left and copy.arrived > arrived:
            arrived, failed, failures = copy.arrived, [], ()
            for table in left:
                refused = await copy.attempt(rows_of(table[0].object), copy.fill(*table))
                if refused:
                    failed.append(table)
                    failures += refused
            left = tuple(failed)
        return failures


#: a portion of a copy
Buffer = bytes | bytearray | memoryview


class _Copy:
    """Copies one database's tables of extensions, over a session on each side."""

    def __init__(
        self, source: Endpoint, origin: Connection, destination: Endpoint, connection: Connection
    ) -> None:
        self._source = source
        self._origin = origin
        self._destination = destination
        self._connection = connection
        #: the tables that both sides have, each as the source and as the destination knows it
        self.tables: tuple[tuple[_Table, _Table], ...] = ()
        #: how many tables got rows
        self.arrived = 0

    async def attempt(self, what: str, work: Awaitable[None]) -> tuple[Failure, ...]:
        """Await some work; what either side refuses becomes a failure."""
        return await attempt(self._connection, self._destination, what, self._told(work))

    async def read(self) -> None:
        """Read which tables there are."""
        with self._source_told():
            theirs = await _tables(self._origin)
        ours = {table.object: table for table in await _tables(self._connection)}
        self.tables = tuple((t, ours[t.object]) for t in theirs if t.object in ours)

    async def fill(self, theirs: _Table, ours: _Table) -> None:
        """Copy the rows of one table, unless the destination's holds any."""
        encoding = self._origin.info.parameter_status("server_encoding") or "UTF8"
        out = theirs.fill(_OUT, encoding=sql.Literal(encoding))
        # each version of an extension has its own condition; the columns are the source's
        into = replace(ours, columns=theirs.columns).fill(_IN, encoding=sql.Literal(encoding))

        async def work(connection: Connection) -> None:
            await connection.execute(ours.fill(_LOCK))
            if await _count(connection, ours):
                return
            cursor = connection.cursor()
            async with cursor.copy(into) as copy, aclosing(self._rows(out)) as blocks:
                async for block in blocks:
                    await copy.write(block)
            # what passes for the extension's own would be copied again and again
            if await _count(connection, ours) < cursor.rowcount:
                raise Refused(
                    "the destination's version of the extension has another condition for rows of"
                    f" yours ({ours.condition}), which not all of them pass"
                )
            self.arrived += cursor.rowcount > 0

        await patiently(self._connection, work)

    async def _rows(self, statement: sql.Composed) -> AsyncGenerator[Buffer]:
        with self._source_told():
            async with self._origin.cursor() as cursor, cursor.copy(statement) as copy:
                async for block in copy:
                    yield block

    @contextmanager
    def _source_told(self) -> Iterator[None]:
        """Tell what the source refuses from its loss; its locks are waited for like others."""
        try:
            yield
        except errors.LockNotAvailable:
            raise
        except psycopg.Error as error:
            told = translate(error, self._source)
            if isinstance(told, Unreachable):
                raise told from None
            raise Refused(_reason(error, self._source)) from None

    async def _told(self, work: Awaitable[None]) -> None:
        try:
            await work
        except psycopg.Error as error:
            if self._connection.closed:
                raise
            raise Refused(_reason(error, self._destination)) from None
