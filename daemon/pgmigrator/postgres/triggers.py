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


async def prepare(connection: Connection) -> None:
    """Make the table that remembers the modes."""
    async with connection.transaction():
        await connection.execute("CREATE SCHEMA IF NOT EXISTS pgmigrator")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS pgmigrator.triggers (schema_name name, table_name name,"
            ' trigger_name name, mode "char", PRIMARY KEY (schema_name, table_name, trigger_name))'
        )


async def hold(connection: Connection) -> None:
    """Make every trigger that fires for replicated changes an ordinary one, and remember its mode.

    Runs in the transaction that created the trigger, so that it never fires.
    """
    for row in await fetch(connection, query("triggers_to_hold")):
        await connection.execute(_REMEMBER, row)
        await connection.execute(_enable("", row["schema"], row["table"], row["name"]))


async def modes(source: Connection) -> list[DictRow]:
    """Read which triggers of the source fire for replicated changes too."""
    return await fetch(source, query("triggers_to_hold"))


async def follow(connection: Connection, modes: list[DictRow]) -> None:
    """Remember the modes that triggers have on the source now, and let none fire here.

    In the caller's transaction.
    """
    await hold(connection)
    await connection.execute("DELETE FROM pgmigrator.triggers")
    for row in modes:
        await connection.execute(_REMEMBER, row)


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
            await connection.execute(_enable(mode, row["schema"], row["table"], row["name"]))
    return len(rows)


def _enable(mode: str, schema: str, table: str, name: str) -> sql.Composed:
    return sql.SQL("ALTER TABLE ONLY {} ENABLE {} TRIGGER {}").format(
        sql.Identifier(schema, table), sql.SQL(mode), sql.Identifier(name)
    )
