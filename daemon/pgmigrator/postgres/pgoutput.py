"""Looking into logical slots without consuming anything, and snapshots that go with a slot."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import ObjectInUse
from psycopg.rows import DictRow, dict_row
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from pgmigrator.core.allowlist import permit
from pgmigrator.core.names import TableName, format_lsn, parse_lsn
from pgmigrator.core.pgoutput import NAMES_BYTES, PREFIX_BYTES, count_commits, names_of_next
from pgmigrator.core.text import ENCODING, SESSION_OPTIONS
from pgmigrator.errors import Refused
from pgmigrator.postgres.confirm import NUDGE
from pgmigrator.postgres.connect import (
    Connection,
    Endpoint,
    SourceWriter,
    source_writer,
    startup_options,
    translated,
)
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.pause import STOP_TIMEOUT_S, applied_lsn

#: Only commits (C), inserts (I), deletes (D) and truncates (T), and of the rows no content; what
#: updates (U) and describes (R) too, and all of it, for tables whose rows are asked for.
#: Everything is a literal: a replication connection knows no parameters.
_PEEK = sql.SQL("""
DECLARE waiting NO SCROLL CURSOR FOR
SELECT CASE WHEN get_byte(data, 0) = 84 OR wanted THEN data
            WHEN get_byte(data, 0) = 67 THEN substr(data, 1, {prefix})
            ELSE substr(data, 1, 5) END AS message
  FROM (SELECT data,
               get_byte(data, 0) IN (68, 73, 82, 85)
               AND ('x' || encode(substr(data, 2, 4), 'hex'))::bit(32)::bigint = ANY ({rows_of})
               AS wanted
          FROM pg_logical_slot_peek_binary_changes({slot}, {upto_lsn}, {upto_changes},
               'proto_version', '1', 'publication_names', {publications})) messages
 WHERE wanted OR get_byte(data, 0) IN (67, 68, 73, 84)
""")
_PORTION = "FETCH 5000 FROM waiting"

_OPTIONS = {
    **SESSION_OPTIONS,
    **ENCODING,
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_read_only": "on",
}


async def peek(
    connection: Connection,
    slot: str,
    publications: Sequence[str],
    *,
    upto_lsn: int | None = None,
    upto_changes: int | None = None,
    rows_of: Collection[int] = (),
) -> list[bytes]:
    """Return the messages that wait in a slot and change a table's number of rows.

    Of the tables in `rows_of`, by oid: every message that has their rows, with them. Whole
    transactions only: with `upto_changes` the one that reaches the limit still ends.
    """
    statement = _PEEK.format(
        prefix=sql.Literal(PREFIX_BYTES),
        slot=sql.Literal(slot),
        upto_lsn=sql.Literal(None if upto_lsn is None else format_lsn(upto_lsn)),
        upto_changes=sql.Literal(upto_changes),
        rows_of=sql.SQL("{}::bigint[]").format(sql.Literal(list(rows_of))),
        publications=sql.Literal(
            ", ".join(sql.Identifier(name).as_string(None) for name in publications)
        ),
    )
    async with connection.transaction():
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            # what is no UTF-8 would be refused, though nobody reads it as text
            await connection.execute("SET LOCAL client_encoding = 'SQL_ASCII'")
        await connection.execute(statement)
        #: most messages are alike, and kept once: a transaction may have millions of them
        known: dict[bytes, bytes] = {}
        messages: list[bytes] = []
        # not prepared: a replication connection knows the simple protocol only
        while rows := await (await connection.execute(_PORTION, prepare=False)).fetchall():
            messages += (known.setdefault(m, m) for m in (bytes(row["message"]) for row in rows))
        await connection.execute("CLOSE waiting")
        return messages


async def late_writes(
    connection: Connection, slot: str, publications: Sequence[str], limit: int
) -> int:
    """Count published transactions that wait in the slot, without consuming them.

    0 means none; any other number is at least so many, since counting ends after `limit` changes.
    """
    return count_commits(await peek(connection, slot, publications, upto_changes=limit))


#: begins (B), relations (R), deletes (D), inserts (I), truncates (T), updates (U)
_PEEK_NAMES = """
SELECT CASE get_byte(data, 0) WHEN 84 THEN data
                               WHEN 82 THEN substr(data, 1, %(bytes)s)
                               ELSE substr(data, 1, 9) END AS message
  FROM pg_logical_slot_peek_binary_changes(%(slot)s, NULL, %(upto_changes)s,
       'proto_version', '1', 'publication_names', %(publications)s)
 WHERE get_byte(data, 0) IN (66, 68, 73, 82, 84, 85)
"""
#: What was applied may wait in the slot still, since it is confirmed now and then: how many changes
#: to look through for the first transaction that was not.
_LOOK_THROUGH = (1, 1000, 1_000_000)
PEEK_TIMEOUT_S = 60


async def next_names(
    pair: DatabasePair, destination: Connection, action: str, publications: Sequence[str]
) -> dict[int, tuple[TableName, ...]]:
    """Return what the next transaction that apply comes to calls its tables, by their oid.

    Apply fails at it, again and again: in between nobody uses the slot.

    :raises Refused: it is in use all the time.
    """
    name = pair.names.subscription
    applied = await applied_lsn(destination, name)
    listed = ", ".join(sql.Identifier(each).as_string(None) for each in publications)
    async with source_writer(
        pair.source, pair.database, action, options={"statement_timeout": f"{PEEK_TIMEOUT_S}s"}
    ) as source:
        # peeking reads up to the flushed end of the WAL, and waits where that is amid a record
        await source.execute(NUDGE)
        for upto in _LOOK_THROUGH:
            parameters = {"slot": name, "upto_changes": upto, "publications": listed}
            rows = await _unless_active(source, parameters | {"bytes": NAMES_BYTES})
            messages = (bytes(row["message"]) for row in rows)
            if found := names_of_next(messages, applied, source.encoding):
                return found
    return {}


async def _unless_active(source: SourceWriter, parameters: dict[str, Any]) -> list[DictRow]:
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(ObjectInUse),
        wait=wait_fixed(0.02),
        stop=stop_after_delay(STOP_TIMEOUT_S),
        reraise=True,
    ):
        with attempt:
            return await source.read(_PEEK_NAMES, parameters)
    raise AssertionError


@dataclass(frozen=True, slots=True)
class ExportedSlot:
    """A temporary slot: it decodes every transaction that its snapshot does not see."""

    #: the only session that can use the slot
    connection: Connection
    name: str
    lsn: int
    #: importable until `connection` runs its next statement
    snapshot: str


@asynccontextmanager
async def exported_slot(
    source: Endpoint, database: str, action: str, timeout_seconds: float
) -> AsyncIterator[ExportedSlot]:
    """Create a temporary slot with an exported snapshot; it vanishes with the block.

    Its creation waits for every transaction that is writing anywhere on the source, which holds
    up nobody.

    :raises Refused: they did not end within `timeout_seconds`, or no slot or walsender is free.
    """
    name = f"pgmigrator_count_{secrets.token_hex(8)}"
    with translated(source):
        connection = await _replication_connection(source, database, action)
        async with connection:
            row = await _create(connection, source, name, timeout_seconds)
            lsn = parse_lsn(row["consistent_point"])
            yield ExportedSlot(connection, name, lsn, row["snapshot_name"])


async def _create(
    connection: Connection, source: Endpoint, name: str, timeout_seconds: float
) -> dict[str, str]:
    statement = sql.SQL(
        "CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')"
    ).format(sql.Identifier(name))
    permit(statement.as_string(connection))
    try:
        # statement_timeout does not reach replication commands
        async with asyncio.timeout(timeout_seconds):
            cursor = await connection.execute(statement)
            row = await cursor.fetchone()
    except TimeoutError:
        raise Refused(
            f"source {source.name}: transactions that write have been open for over"
            f" {timeout_seconds:g} s, so no snapshot could be opened; end them"
        ) from None
    assert row is not None
    return row


async def _replication_connection(source: Endpoint, database: str, action: str) -> Connection:
    return await psycopg.AsyncConnection.connect(
        make_conninfo("", **source.parameters(database, action), replication="database"),
        password=source.password,
        options=startup_options(_OPTIONS),
        autocommit=True,
        row_factory=dict_row,
    )
