"""Roles: read from both servers, created on the destination, one that is refused stopping no other.

Password hashes are copied verbatim, in a session that first silences the server's log. What to
create is decided in core/roles.py.
"""

from collections.abc import Iterator

import structlog
from psycopg import errors, sql

from pgmigrator.core.model import RoleRefusal
from pgmigrator.core.roles import (
    ATTRIBUTES,
    Membership,
    Passwords,
    Role,
    RolePlan,
    RolePolicy,
    Roles,
    gets_common_password,
    grant,
    parameter_grant,
    plan,
    without_settings,
)
from pgmigrator.errors import Refused
from pgmigrator.postgres import preload
from pgmigrator.postgres.connect import Connection, Endpoint, fetch, session
from pgmigrator.postgres.left_out import left_out
from pgmigrator.postgres.parameters import set_clause
from pgmigrator.postgres.queries import query
from pgmigrator.postgres.statements import Statement, run_each

ACTION = "CreateRoles"

log = structlog.get_logger()


async def read(connection: Connection, passwords: Passwords) -> Roles:
    """Read all roles of a server, with password hashes if they are to be copied.

    :raises Refused: hashes are wanted, and we may not see them.
    """
    relation, password = (
        ("pg_authid", "r.rolpassword") if passwords == "copy" else ("pg_roles", "NULL")
    )
    try:
        rows = await fetch(connection, query("roles").format(relation=relation, password=password))
    except errors.InsufficientPrivilege:
        role = sql.Identifier(connection.info.user).as_string()
        raise Refused(
            f"{connection.info.user} may not read password hashes: GRANT pg_read_all_data TO"
            f" {role}, or make it a superuser, or set ROLE_PASSWORDS to none or common"
        ) from None
    memberships = await fetch(connection, query("memberships"))
    return Roles(
        roles={
            row["name"]: Role(
                name=row["name"],
                bootstrap=row["bootstrap"],
                attributes=frozenset(word for column, word in ATTRIBUTES.items() if row[column]),
                connection_limit=row["connection_limit"],
                valid_until=row["valid_until"],
                password=row["password"],
                settings=tuple(row["settings"] or ()),
                parameters=tuple(row["parameters"] or ()),
                comment=row["comment"],
            )
            for row in rows
        },
        memberships=frozenset(Membership(**row) for row in memberships),
    )


_NAMES = "SELECT rolname::text AS role FROM pg_roles WHERE oid::bigint = ANY(%(oids)s)"


async def read_tied(database: Connection, home: Connection) -> frozenset[str]:
    """Read which roles of the source a database has to do with.

    `home` is a session where the roles are read: it says their names as they are compared.
    """
    oids = [row["oid"] for row in await fetch(database, query("tied_roles"))]
    named = await fetch(home, _NAMES, {"oids": oids})
    return frozenset(row["role"] for row in named) | {"public"}


async def create(
    source: Endpoint, destination: Endpoint, role_policy: RolePolicy
) -> tuple[RoleRefusal, ...]:
    """Create what the destination lacks, each role in a savepoint of its own; idempotent.

    A role that is in conflict is left as it is. Returns what the destination refused: roles,
    memberships, and settings and comments of roles that exist all the same.

    Settings that the destination's version does not take are left out. With `merge` and `skip` a
    role comes with all its settings or not at all: without one, it could
    not be told later from a role that existed otherwise, which is accepted.

    :raises Refused: a server refuses as a whole.
    """
    database = destination.instance.database
    async with (
        session(source, source.instance.database, ACTION) as origin,
        session(destination, database, ACTION, secret=True) as connection,
        connection.transaction(),
    ):
        theirs = await read(origin, role_policy.passwords)
        theirs = without_settings(theirs, await left_out(origin, connection))
        ours = await read(connection, role_policy.passwords)
        planned = plan(theirs, ours, role_policy)
        _warn_of_common_password(planned, role_policy)
        statements = _statements(planned, role_policy)
        whose = {statement.what: role for role, statement in statements}
        failures = await run_each(
            connection, destination, database, ACTION, [statement for _, statement in statements]
        )
    return tuple(
        RoleRefusal(role=whose[failed.object], object=failed.object, reason=failed.reason)
        for failed in failures
    )


def _warn_of_common_password(planned: RolePlan, role_policy: RolePolicy) -> None:
    names = [role.name for role in planned.create if gets_common_password(role, role_policy)]
    if names:
        log.warning("roles that get the common password: give each one of its own", roles=names)


def _statements(planned: RolePlan, role_policy: RolePolicy) -> list[tuple[str, Statement]]:
    """Return what is to be run, each with the role that it is for: what others need comes first."""
    roles: list[tuple[str, Statement]] = []
    extras: list[tuple[str, Statement]] = []
    for role in planned.create:
        create = Statement(
            f'role "{role.name}"', _create_statement(role, _password(role, role_policy))
        )
        properties = [*_properties(role)]
        if role_policy.conflicts == "fail":
            roles.append((role.name, create))
            extras += ((role.name, each) for each in properties)
        else:
            roles.append((role.name, _as_one(create, properties)))
        extras += ((role.name, each) for each in _comment(role))
    memberships = [
        (
            membership.member,
            Statement(
                f'membership of "{membership.member}" in "{membership.role}"',
                sql.SQL(grant(membership)),
            ),
        )
        for membership in planned.memberships
    ]
    return [*roles, *memberships, *extras]


def _as_one(first: Statement, more: list[Statement]) -> Statement:
    return Statement(
        first.what,
        sql.SQL("; ").join([first.sql, *(each.sql for each in more)]),
        tuple(setting for each in more for setting in each.login),
    )


def _password(role: Role, role_policy: RolePolicy) -> str | None:
    if role_policy.passwords == "copy":
        return role.password
    return role_policy.common_password if "LOGIN" in role.attributes else None


def _create_statement(role: Role, password: str | None) -> sql.Composed:
    words = [
        sql.SQL(word if word in role.attributes else f"NO{word}") for word in ATTRIBUTES.values()
    ]
    clauses = [*words, sql.SQL("CONNECTION LIMIT {}").format(sql.Literal(role.connection_limit))]
    if role.valid_until is not None:
        clauses.append(sql.SQL("VALID UNTIL {}").format(sql.Literal(role.valid_until)))
    if password is not None:
        clauses.append(sql.SQL("PASSWORD {}").format(sql.Literal(password)))
    return sql.SQL("CREATE ROLE {} WITH {}").format(
        sql.Identifier(role.name), sql.SQL(" ").join(clauses)
    )


def _properties(role: Role) -> Iterator[Statement]:
    name = sql.Identifier(role.name)
    for setting in role.settings:
        yield Statement(
            f'setting {setting.partition("=")[0]} of role "{role.name}"',
            sql.SQL("ALTER ROLE {} {}").format(name, set_clause(setting)),
            preload.to_try(setting, role.settings),
        )
    for privilege in role.parameters:
        statement = sql.SQL(parameter_grant(role, privilege))
        yield Statement(f'{privilege} of role "{role.name}"', statement)


def _comment(role: Role) -> Iterator[Statement]:
    if role.comment is not None:
        comment = sql.SQL("COMMENT ON ROLE {} IS {}").format(
            sql.Identifier(role.name), sql.Literal(role.comment)
        )
        yield Statement(f'comment of role "{role.name}"', comment)
