"""What belongs to the database itself and comes last: privileges, comment, settings and the like.

An adopted database keeps what it has: only what it lacks is added. What ALTER ROLE ALL sets on the
source becomes a setting of the database: it would reach other people's databases too. Time-outs are
switched off for our own role there first, since a copied one would hit the apply worker, and so is
what would have it misread the text that it gets.
"""

from collections.abc import Iterable

from psycopg import sql
from psycopg.rows import DictRow

from pgmigrator.core.left_out import is_left_out
from pgmigrator.core.text import CARRIED_TEXT, OWN_ROLE
from pgmigrator.postgres import preload
from pgmigrator.postgres.connect import Connection, Endpoint, fetch, session
from pgmigrator.postgres.failures import Failure
from pgmigrator.postgres.left_out import left_out
from pgmigrator.postgres.parameters import set_clause
from pgmigrator.postgres.queries import query
from pgmigrator.postgres.statements import Statement, run_each

ACTION = "RestoreRest"

#: settings that would end, hinder or mislead the apply worker, and what our own role gets instead
OWN_SETTINGS = (
    "statement_timeout=0",
    "lock_timeout=0",
    "idle_in_transaction_session_timeout=0",
    "idle_session_timeout=0",
    "transaction_timeout=0",
    "default_transaction_read_only=off",
    *(f"{name}={value}" for name, value in (CARRIED_TEXT | OWN_ROLE).items()),
)
#: what the source gets for the cutover, and the destination must not have
NOT_CARRIED = frozenset({"default_transaction_read_only"})
CLOSED = 0


async def finish(
    source: Endpoint, destination: Endpoint, database: str, *, created: bool
) -> tuple[Failure, ...]:
    """Bring privileges, comment, connection limit and settings of the database; idempotent.

    `created` tells a database of ours from an adopted one. Settings that the destination's version
    does not take are left out. What the destination refuses (a setting
    that it does not know, a role that is missing) is returned and does not stop the rest.
    """
    async with (
        session(source, database, ACTION) as origin,
        session(destination, database, ACTION, secret=True) as connection,
    ):
        theirs = await _read(origin, database, everywhere=True)
        refused = await left_out(origin, connection)
        theirs["database_settings"] = [
            row for row in theirs["database_settings"] if not is_left_out(row["setting"], refused)
        ]
        role = destination.instance.user
        await override_own_settings(connection, role, database)
        ours = await _read(connection, database, everywhere=False)
        statements = [
            *_privileges(database, theirs, ours, created=created),
            *_properties(database, theirs, ours, created=created),
            *_settings(database, theirs, ours, own_role=role, created=created),
        ]
        async with connection.transaction():
            return await run_each(connection, destination, database, ACTION, statements)


async def override_own_settings(connection: Connection, role: str, database: str) -> None:
    """Keep from our own role, in one database, what is set for others."""
    for setting in OWN_SETTINGS:
        await connection.execute(_alter_setting(database, role, setting))


async def reset_own_settings(connection: Connection, role: str, database: str) -> None:
    """Take back what `override_own_settings` set: for when nothing of ours runs there any more."""
    for setting in OWN_SETTINGS:
        name = setting.partition("=")[0]
        await connection.execute(
            sql.SQL("ALTER ROLE {} IN DATABASE {} RESET {}").format(
                sql.Identifier(role), sql.Identifier(database), sql.Identifier(name)
            )
        )


Read = dict[str, list[DictRow]]


async def _read(connection: Connection, database: str, *, everywhere: bool) -> Read:
    parameters = {"database": database, "everywhere": everywhere}
    return {
        name: await fetch(connection, query(name), parameters)
        for name in ("database_finish", "database_privileges", "database_settings")
    }


def _privileges(database: str, theirs: Read, ours: Read, *, created: bool) -> Iterable[Statement]:
    if not theirs["database_finish"][0]["has_privileges"]:
        return
    wanted, found = theirs["database_privileges"], ours["database_privileges"]
    name = sql.Identifier(database)
    for row in found if created else []:
        if row not in wanted:
            yield Statement(
                _object("privileges of", database),
                sql.SQL("REVOKE {} ON DATABASE {} FROM {}").format(
                    sql.SQL(row["privilege"]), name, _grantee(row)
                ),
            )
    for row in wanted:
        if row not in found:
            yield Statement(
                _object("privileges of", database),
                sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
                    sql.SQL(row["privilege"]),
                    name,
                    _grantee(row),
                    sql.SQL(" WITH GRANT OPTION" if row["is_grantable"] else ""),
                ),
            )


def _grantee(row: DictRow) -> sql.Composable:
    return sql.Identifier(row["grantee"]) if row["grantee"] else sql.SQL("PUBLIC")


def _properties(database: str, theirs: Read, ours: Read, *, created: bool) -> Iterable[Statement]:
    [wanted], [found] = theirs["database_finish"], ours["database_finish"]
    if wanted["comment"] != found["comment"] and (created or found["comment"] is None):
        yield Statement(
            _object("comment of", database),
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                sql.Identifier(database), sql.Literal(wanted["comment"])
            ),
        )
    if wanted["connection_limit"] not in (found["connection_limit"], CLOSED) and created:
        yield Statement(
            _object("limit of", database),
            sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(
                sql.Identifier(database), sql.Literal(wanted["connection_limit"])
            ),
        )
    if wanted["is_template"] != found["is_template"] and created:
        yield Statement(
            _object("template", database),
            sql.SQL("ALTER DATABASE {} IS_TEMPLATE {}").format(
                sql.Identifier(database), sql.Literal(wanted["is_template"])
            ),
        )


def _settings(
    database: str, theirs: Read, ours: Read, *, own_role: str, created: bool
) -> Iterable[Statement]:
    found = {(row["role"], row["setting"].partition("=")[0]) for row in ours["database_settings"]}
    wanted = theirs["database_settings"]
    for row in wanted:
        name = row["setting"].partition("=")[0]
        if row in ours["database_settings"] or row["role"] == own_role or name in NOT_CARRIED:
            continue
        if not created and (row["role"], name) in found:
            continue
        yield Statement(
            _object(f"setting {name} of", database),
            _alter_setting(database, row["role"], row["setting"]),
            preload.to_try(
                row["setting"], [o["setting"] for o in wanted if o["role"] == row["role"]]
            ),
        )


def _alter_setting(database: str, role: str | None, setting: str) -> sql.Composed:
    target = sql.SQL("DATABASE {}").format(sql.Identifier(database))
    if role is not None:
        target = sql.SQL("ROLE {} IN {}").format(sql.Identifier(role), target)
    return sql.SQL("ALTER {} {}").format(target, set_clause(setting))


def _object(what: str, database: str) -> str:
    return f'{what} database "{database}"'
