"""Comparing rows on both sides at one LSN, exactly, while the application goes on writing.

A temporary slot gives the source's snapshot at P and, later, the changes after P. The subscription
is paused only while X, up to which it has applied, is read and the destination's snapshot is
opened; long transactions on the source are waited for before that, with nothing paused. Then each
table must hold at X what it held at P plus what the transactions in (P, X] did to it. Where rows
themselves are compared, by a hash that does not depend on their order, those that these
transactions touched are left out on both sides.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import psycopg
from psycopg import errors, sql

from pgmigrator.core.model import RowCountDelta, RowCounts
from pgmigrator.core.names import TableName
from pgmigrator.core.pgoutput import RowChanges, Touched, net_changes, touched
from pgmigrator.errors import Refused
from pgmigrator.postgres.confirm import until_confirmed
from pgmigrator.postgres.connect import Connection, Endpoint, fetch, session, source_writer
from pgmigrator.postgres.destination import followed_publications
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.pause import applied_lsn, paused
from pgmigrator.postgres.pgoutput import exported_slot, peek
from pgmigrator.postgres.queries import query

ACTION = "VerifyRowCounts"

_STREAMING = """
SELECT n.nspname::text AS schema, c.relname::text AS name
  FROM pg_subscription_rel r
  JOIN pg_class c ON c.oid = r.srrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE r.srsubstate = 'r' AND r.srsubid = (
       SELECT oid FROM pg_subscription
        WHERE subname = %(name)s
          AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
_STARTED = "SELECT extract(epoch FROM pg_postmaster_start_time())::float8 AS at"

#: A snapshot does not survive what gives a table a new file (TRUNCATE, some ALTER TABLE), nor
#: another table under the same name. The catalog is read in the snapshot, the function is not.
_COUNT = sql.SQL("""
SELECT held.rows, held.hash, {storage} AS storage,
       (SELECT c.relfilenode = pg_relation_filenode(c.oid) AND c.oid = coalesce({oid}, c.oid)
          FROM pg_class c WHERE c.oid = {name}::regclass) AS intact
  FROM (SELECT count(*) AS rows, ({hash})::text AS hash FROM ONLY {table} AS r) held
""")
_NOTHING = sql.SQL("NULL")
_STORAGE = sql.SQL("(SELECT s.storage FROM ({storage}) s WHERE s.oid = {name}::regclass)")
_HASH = sql.SQL('sum(hashtextextended(ROW({columns})::text COLLATE "C", 0))')
#: Generated ones are computed on each side, by its own version (of a stemmer, for one).
_COLUMNS = """
SELECT attname AS name FROM pg_attribute
 WHERE attrelid = %(oid)s AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
#: as records: one type, and no difference between NULL and NULL
_UNTOUCHED = sql.SQL(
    " FILTER (WHERE ROW({key})::text NOT IN"
    " (SELECT ROW(touched.*)::text FROM unnest({values}) AS touched ({columns})))"
)
#: rows touched between the snapshots of which a table may have so many and still be compared
MAX_TOUCHED = 10_000
#: WAL between the snapshots from which rows are read at all
MAX_TOUCHED_WAL_BYTES = 64 * 1024**2
#: the table was dropped or renamed, or somebody holds it locked: it is left for the next time
_NOT_NOW = (
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.InvalidSchemaName,
    errors.LockNotAvailable,
)


@dataclass(frozen=True, slots=True)
class _Snapshots:
    """Both sides as they were, and what lies between."""

    source: Connection
    destination: Connection
    #: source LSN of the destination's snapshot
    lsn: int
    #: oid on the source -> what happened between the snapshots
    changes: Mapping[int, RowChanges]
    #: oid on the source -> which rows that was, of tables whose rows are compared; None: too much
    touched: Mapping[int, Touched | None] | None
    #: tables that streamed all the time
    streaming: frozenset[TableName]


@dataclass(frozen=True, slots=True)
class _Held:
    """What a table holds in a snapshot."""

    rows: int
    #: of all rows but those touched between the snapshots; None: not asked for, or there are none
    hash: str | None
    storage: str


async def count_rows(
    pair: DatabasePair,
    tables: Iterable[tuple[int, TableName]],
    *,
    pause: AbstractAsyncContextManager[object],
    rows_of: Collection[TableName] = (),
    timeout_seconds: float = 60,
) -> RowCounts:
    """Compare the exact number of rows of each table that streams, by oid and name on the source.

    Of the tables in `rows_of`, the rows themselves are compared too.

    `pause` is entered while the subscription is stopped, some tens of milliseconds. Tables that do
    not stream, are locked, or were truncated or rewritten while it counted are left out:
    `RowCounts.tables` says how many were compared. Small tables are counted first.

    :raises Refused: the source's open transactions, or a lag, outlasted `timeout_seconds` each.
    """
    tables = tuple(tables)
    hashed = [oid for oid, name in tables if name in rows_of]
    async with _snapshots(pair, pause, timeout_seconds, hashed) as snapshots:
        wanted = [table for table in tables if table[1] in snapshots.streaming]
        counted = set()
        deltas = []
        differing: dict[TableName, tuple[str, str]] = {}
        equal: dict[TableName, tuple[str, str]] = {}
        for oid, name in await _smallest_first(snapshots.source, wanted):
            hashing = await _hashing(snapshots, oid) if name in rows_of else None
            both = await _hold(snapshots, oid, name, hashing)
            if both is None:
                continue
            source, destination = both
            counted.add(name)
            expected = snapshots.changes.get(oid, RowChanges()).after(source.rows)
            if expected != destination.rows:
                deltas.append(
                    RowCountDelta(
                        table=name, source_rows=expected, destination_rows=destination.rows
                    )
                )
            elif hashing:
                alike = source.hash == destination.hash
                found = equal if alike else differing
                found[name] = (source.storage, destination.storage)
        return RowCounts(
            lsn=snapshots.lsn,
            tables=frozenset(counted),
            deltas=tuple(deltas),
            differing=differing,
            equal=equal,
            last_at=time.time(),
            source_started_at=await _started_at(snapshots.source),
            destination_started_at=await _started_at(snapshots.destination),
        )


@asynccontextmanager
async def _snapshots(
    pair: DatabasePair,
    pause: AbstractAsyncContextManager[object],
    timeout_seconds: float,
    rows_of: Collection[int],
) -> AsyncIterator[_Snapshots]:
    name = pair.names.subscription
    async with (
        _snapshot_session(pair.source, pair.database) as source,
        _snapshot_session(pair.destination, pair.database) as destination,
    ):
        async with (
            source_writer(pair.source, pair.database, ACTION) as writer,
            session(pair.destination, pair.database, ACTION) as control,
        ):
            followed = await followed_publications(control, pair.names)
            before = await _streaming(control, name)
            async with exported_slot(pair.source, pair.database, ACTION, timeout_seconds) as slot:
                await source.execute(
                    sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(slot.snapshot))
                )
                confirmed = await until_confirmed(writer, control, name, slot.lsn, timeout_seconds)
                if confirmed is None or confirmed < slot.lsn:
                    raise Refused("the destination lags too far behind to count rows")
                async with pause, paused(writer, control, name):
                    # its first statement opens the snapshot
                    applied = await applied_lsn(destination, name)
                streaming = before & await _streaming(destination, name)
                readable = applied - slot.lsn <= MAX_TOUCHED_WAL_BYTES
                # nothing lies between if no transaction was applied since the slot's snapshot
                messages = (
                    await peek(
                        slot.connection,
                        slot.name,
                        followed,
                        upto_lsn=applied,
                        rows_of=rows_of if readable else (),
                    )
                    if applied > slot.lsn
                    else []
                )
        yield _Snapshots(
            source,
            destination,
            max(applied, slot.lsn),
            net_changes(messages, applied),
            touched(messages, source.info.encoding, rows_of) if readable else None,
            streaming,
        )


@asynccontextmanager
async def _snapshot_session(endpoint: Endpoint, database: str) -> AsyncIterator[Connection]:
    """Open a session whose first statement opens its snapshot, to be used at leisure."""
    # row_security off: an error, not fewer rows
    options = {
        "statement_timeout": "0",
        "row_security": "off",
        "work_mem": "64MB",  # for the keys of touched rows
    }
    async with session(endpoint, database, ACTION, options=options) as connection:
        if connection.info.server_version >= 170000:
            await connection.execute("SET transaction_timeout = 0")
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        await connection.set_autocommit(False)
        yield connection


async def _streaming(connection: Connection, subscription: str) -> frozenset[TableName]:
    rows = await fetch(connection, _STREAMING, {"name": subscription})
    return frozenset(TableName(row["schema"], row["name"]) for row in rows)


async def _started_at(connection: Connection) -> float:
    started: float = (await fetch(connection, _STARTED))[0]["at"]
    return started


async def _smallest_first(
    source: Connection, tables: list[tuple[int, TableName]]
) -> list[tuple[int, TableName]]:
    """Order tables by size: one that is truncated again and again is counted while it is fresh."""
    rows = await fetch(
        source,
        "SELECT oid::bigint, relpages FROM pg_class WHERE oid = ANY(%(oids)s::oid[])",
        {"oids": [oid for oid, _ in tables]},
    )
    pages = {row["oid"]: row["relpages"] for row in rows}
    return sorted(tables, key=lambda table: (pages.get(table[0], 0), table[1]))


async def _hashing(snapshots: _Snapshots, oid: int) -> sql.Composed | None:
    """Return what hashes the rows that nothing touched; None: it cannot be told which these are."""
    if snapshots.touched is None:
        return None
    found = await fetch(snapshots.source, _COLUMNS, {"oid": oid})
    every = _HASH.format(
        columns=sql.SQL(", ").join(sql.Identifier("r", row["name"]) for row in found)
    )
    if oid not in snapshots.changes and oid not in snapshots.touched:
        return every
    rows = snapshots.touched.get(oid)
    if rows is None or len(rows.keys) > MAX_TOUCHED:
        return None
    columns = list(map(sql.Identifier, rows.columns))
    arrays = [
        sql.SQL("{}::text[]").format(sql.Literal(list(v))) for v in zip(*rows.keys, strict=True)
    ]
    return every + _UNTOUCHED.format(
        key=sql.SQL(", ").join(sql.Identifier("r", name) for name in rows.columns),
        values=sql.SQL(", ").join(arrays),
        columns=sql.SQL(", ").join(columns),
    )


async def _hold(
    snapshots: _Snapshots, oid: int, name: TableName, hashing: sql.Composed | None
) -> tuple[_Held, _Held] | None:
    source, destination = await asyncio.gather(
        _held(snapshots.source, name, oid, hashing),
        _held(snapshots.destination, name, None, hashing),
        return_exceptions=True,  # so that neither goes on alone
    )
    if isinstance(source, BaseException):
        raise source
    if isinstance(destination, BaseException):
        raise destination
    return None if source is None or destination is None else (source, destination)


async def _held(
    connection: Connection, name: TableName, oid: int | None, hashing: sql.Composed | None
) -> _Held | None:
    """Count in the snapshot; None if it cannot be counted now. Keeps no lock on the table."""
    literal = sql.Literal(str(name))
    storage = _STORAGE.format(storage=sql.SQL(query("storage")), name=literal)
    statement = _COUNT.format(
        storage=storage if hashing else _NOTHING,
        hash=hashing or _NOTHING,
        table=sql.Identifier(name.schema, name.name),
        oid=sql.Literal(oid),
        name=literal,
    )
    try:
        async with connection.transaction(force_rollback=True):
            row = await (await connection.execute(statement)).fetchone()
    except _NOT_NOW:
        return None
    assert row is not None
    return _Held(row["rows"], row["hash"], row["storage"]) if row["intact"] else None
