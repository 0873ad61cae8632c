"""Triggers that fire for replicated changes too are held back until the switch.

ENABLE ALWAYS and ENABLE REPLICA triggers would repeat on the destination what they did on the
source. They are created as ordinary ones, which the apply worker does not fire; their mode is kept
in `pgmigrator.triggers` of the destination database, since after the switch the source may be gone.
"""

from psycopg import sql
from psycopg.rows import DictRow

from pgmigrator.core.names import TableName
from pgmigrator.postgres.connect import Connection, fetch
from pgmigrator.postgres.queries import query

_MODES = {"A": "ALWAYS", "R": "REPLICA"}
_REMEMBER = """
INSERT INTO pgmigrator.triggers VALUES (%(schema)s, %(table)s, %(name)s, %(mode)s)
    ON CONFLICT (schema_name, table_name, trigger_name) DO UPDATE SET mode = excluded.mode
"""
_REMEMBERED = """
SELECT schema_name AS schema, table_name AS "table", trigger_name AS name FROM pgmigrator.triggers
"""


async def prepare(connection: Connection) -> None:
    """Make the table that remembers the modes."""
    async with connection.transaction():
        await connection.execute("CREATE SCHEMA IF NOT EXISTS pgmigrator")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS pgmigrator.triggers (schema_name name, table_name name,"
            ' trigger_name name, mode "char", PRIMARY KEY (schema_name, table_name, trigger_name))'
        )


async def hold_created(connection: Connection) -> None:
    """Make what fires for replicated changes an ordinary trigger, and remember its mode.

    For the transaction that created the trigger, so that it never fires; others are left alone.
    """
    for row in await fetch(connection, query("triggers")):
        if row["created_here"] and row["mode"] in _MODES:
            await connection.execute(_REMEMBER, row)
            await connection.execute(_enable("", *_name(row)))


async def read(source: Connection) -> list[DictRow]:
    """Read every trigger of the source, with its mode."""
    return await fetch(source, query("triggers"))


async def follow(connection: Connection, wanted: list[DictRow]) -> None:
    """Remember the modes that triggers have on the source now, and let none of them fire here.

    Those that only the destination has are left alone. In the caller's transaction.
    """
    await connection.execute("DELETE FROM pgmigrator.triggers")
    await _hold(connection, wanted)
    for row in wanted:
        if row["mode"] in _MODES:
            await connection.execute(_REMEMBER, row)


async def hold_again(connection: Connection) -> None:
    """Make ordinary ones of those that were held until the switch; in the caller's transaction."""
    if await _are_remembered(connection):
        await _hold(connection, await fetch(connection, _REMEMBERED))


async def _hold(connection: Connection, these: list[DictRow]) -> None:
    names = {_name(row) for row in these}
    for row in await fetch(connection, query("triggers")):
        if row["mode"] in _MODES and _name(row) in names:
            await connection.execute(_enable("", *_name(row)))


def _name(row: DictRow) -> tuple[str, str, str]:
    return row["schema"], row["table"], row["name"]


async def held(destination: Connection) -> dict[str, str]:
    """Return the modes that triggers are to get, by "schema"."table" and the trigger's name."""
    if not await _are_remembered(destination):
        return {}
    rows = await fetch(destination, query("triggers_held"))
    return {f"{TableName(row['schema'], row['table'])} {row['name']}": row["mode"] for row in rows}


async def _are_remembered(connection: Connection) -> bool:
    [there] = await fetch(
        connection, "SELECT to_regclass('pgmigrator.triggers') IS NOT NULL AS remembered"
    )
    return bool(there["remembered"])


async def enable_held_triggers(connection: Connection) -> int:
    """Give every held trigger the mode that it has on the source; return how many there were.

    For the switch, once nothing applies any more. All in one transaction; again is a no-op.
    """
    async with connection.transaction():
        if not await _are_remembered(connection):
            return 0
        rows = await fetch(connection, query("triggers_held"))
        for row in rows:
            mode = _MODES[row["mode"]]
            await connection.execute(_enable(mode, *_name(row)))
    return len(rows)


def _enable(mode: str, schema: str, table: str, name: str) -> sql.Composed:
    return sql.SQL("ALTER TABLE ONLY {} ENABLE {} TRIGGER {}").format(
        sql.Identifier(schema, table), sql.SQL(mode), sql.Identifier(name)
    )
