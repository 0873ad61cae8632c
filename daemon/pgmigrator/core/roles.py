"""Roles: what the destination lacks of the source's roles, what to create, what is in conflict.

Roles that PostgreSQL brings (`pg_...`) are never touched. The bootstrap superuser and the daemon's
own roles are left as they are where they exist. No existing role or membership is ever altered: one
that differs is a difference for a person to decide about; memberships among migrated roles are only
added where there are none. PUBLIC is a role that exists everywhere: what is granted to it reaches
other people's roles too, and so is for a person to grant.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pgmigrator.core.left_out import is_left_out
from pgmigrator.core.model import RoleDifference
from pgmigrator.core.names import quote_identifier, quote_literal
from pgmigrator.core.preloads import first_load

Conflicts = Literal["fail", "merge", "skip"]
Passwords = Literal["copy", "common", "none"]

#: how CREATE ROLE spells an attribute, by its column in pg_authid
ATTRIBUTES = {
    "rolsuper": "SUPERUSER",
    "rolinherit": "INHERIT",
    "rolcreaterole": "CREATEROLE",
    "rolcreatedb": "CREATEDB",
    "rolcanlogin": "LOGIN",
    "rolreplication": "REPLICATION",
    "rolbypassrls": "BYPASSRLS",
}


#: the name under which a server's roles hold PUBLIC; no role can have it
PUBLIC = "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One role of one server."""

    name: str
    #: initdb made it: its oid is 10
    bootstrap: bool = False
    #: the keywords of ATTRIBUTES that it has
    attributes: frozenset[str] = frozenset()
    #: -1: no limit
    connection_limit: int = -1
    #: as PostgreSQL prints it in UTC; None: for ever
    valid_until: str | None = None
    #: the hash as stored; None: it has none, or it was not read
    password: str | None = field(default=None, repr=False)
    #: "name=value", for all databases; may hold secrets
    settings: tuple[str, ...] = field(default=(), repr=False)
    #: "SET ON PARAMETER name", with " WITH GRANT OPTION"
    parameters: tuple[str, ...] = ()
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Membership:
    """`member` is a member of `role`."""

    role: str
    member: str
    admin: bool = False
    inherit: bool = True
    set: bool = True
    #: who granted it; "" where that means nothing (sources before 16) or is the bootstrap superuser
    grantor: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """All roles of one server, by name, and who is a member of what."""

    roles: Mapping[str, Role]
    memberships: frozenset[Membership] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePolicy:
    """What the settings say about roles, and which roles are the daemon's own."""

    conflicts: Conflicts = "fail"
    passwords: Passwords = "copy"
    #: for every role that may log in, if `passwords` is "common"
    common_password: str | None = field(default=None, repr=False)
    #: the roles that the daemon connects as
    own: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RolePlan:
    """What to create, in this order, and what a person must decide about."""

    create: tuple[Role, ...] = ()
    memberships: tuple[Membership, ...] = ()
    conflicts: tuple[RoleDifference, ...] = ()


def without_settings(roles: Roles, left_out: str) -> Roles:
    """Return the roles without those settings that `left_out` (see left_out.py) describes."""
    return replace(
        roles,
        roles={
            name: replace(
                role,
                settings=tuple(each for each in role.settings if not is_left_out(each, left_out)),
            )
            for name, role in roles.roles.items()
        },
    )


def plan(source: Roles, destination: Roles, policy: RolePolicy) -> RolePlan:
    """Return what brings the destination's roles as near to the source's as the policy allows."""
    migrated = _migrated(source)
    create = tuple(role for role in migrated if role.name not in destination.roles)
    conflicts = tuple(
        difference
        for role in migrated
        if (difference := _conflict(role, destination.roles.get(role.name), policy))
    )
    left = {each.role for each in conflicts} if policy.conflicts == "fail" else set()
    created = {role.name for role in create}
    return RolePlan(
        create=create,
        memberships=_memberships(source, destination, policy, created, left),
        conflicts=conflicts,
    )


def compare(source: Roles, destination: Roles, policy: RolePolicy) -> tuple[RoleDifference, ...]:
    """Return every role that is missing, has other properties or a comment, or lacks a membership.

    `exists` is False for what `plan` would create, missing memberships included.
    """
    planned = plan(source, destination, policy)
    missing = [
        RoleDifference(
            role=role.name,
            exists=False,
            common_password=gets_common_password(role, policy),
            reason="the destination has no such role",
            fix="it is created there by itself; if that fails, a problem says why",
        )
        for role in planned.create
    ]
    created = {role.name for role in planned.create}
    there = _options(destination.memberships)
    granted = _options(planned.memberships)
    lacking = [
        RoleDifference(
            role=membership.member,
            exists=_pair(membership) not in granted,
            reason=f"is {'' if _pair(membership) in there else 'not '}a member of"
            f" {quote_identifier(membership.role)}"
            + (", with other options than" if _pair(membership) in there else " as")
            + " on the source",
            fix=grant(membership) + ";",
        )
        for membership in _by_superuser(_lacking_memberships(source, destination, policy))
        if membership.member not in created
    ]
    return (*missing, *planned.conflicts, *lacking, *_comments(source, destination, policy))


def _comments(source: Roles, destination: Roles, policy: RolePolicy) -> Iterable[RoleDifference]:
    for role in _migrated(source):
        found = destination.roles.get(role.name)
        if found is None or _exempt(role, policy) or _exempt(found, policy):
            continue
        if role.comment != found.comment:
            text = "NULL" if role.comment is None else quote_literal(role.comment)
            yield RoleDifference(
                role=role.name,
                exists=True,
                comment=True,
                reason="it is another one on the destination, or none",
                fix=f"on the destination: COMMENT ON ROLE {quote_identifier(role.name)} IS {text};",
            )


def collisions(
    source: Roles, other: Roles, policy: RolePolicy, mapping: str
) -> tuple[RoleDifference, ...]:
    """Return the roles that another source, that of `mapping`, has otherwise.

    Both are brought to one destination: whichever comes second would find them in conflict.
    """
    here, there = _options(source.memberships), _options(other.memberships)
    fixes: dict[str, list[tuple[str, str]]] = {
        role.name: list(_differences(role, found, policy))
        for role in _migrated(source)
        if (found := other.roles.get(role.name))
        and role.name != PUBLIC  # nobody brings what is granted to it
        and not (_exempt(role, policy) or _exempt(found, policy))
    }
    for membership in _by_superuser(source.memberships):
        pair = _pair(membership)
        if membership.member in fixes and there.get(pair, here[pair]) != here[pair]:
            options = f"other options in {quote_identifier(membership.role)}"
            fixes[membership.member].append((options, f"{grant(membership)};"))
    return tuple(
        RoleDifference(
            role=name,
            exists=True,
            reason=f"mapping {mapping} brings a role of this name to the same destination, with"
            f" other properties: {', '.join(reason for reason, _ in differing)}",
            fix=f"on the source of mapping {mapping}: {' '.join(fix for _, fix in differing)} Or,"
            " to keep whichever is created first, set ROLE_CONFLICTS of both mappings to merge",
        )
        for name, differing in fixes.items()
        if differing
    )


def _migrated(source: Roles) -> tuple[Role, ...]:
    return tuple(role for name, role in sorted(source.roles.items()) if not name.startswith("pg_"))


def gets_common_password(role: Role, policy: RolePolicy) -> bool:
    """Tell whether a role is created with the password that others have too."""
    return policy.passwords == "common" and "LOGIN" in role.attributes


def login_roles(source: Roles, policy: RolePolicy) -> tuple[str, ...]:
    """Return the roles that applications may connect as."""
    return tuple(
        role.name
        for role in _migrated(source)
        if "LOGIN" in role.attributes and not _exempt(role, policy)
    )


def _exempt(role: Role, policy: RolePolicy) -> bool:
    return role.bootstrap or role.name in policy.own


def _conflict(role: Role, found: Role | None, policy: RolePolicy) -> RoleDifference | None:
    if found is None or _exempt(role, policy) or _exempt(found, policy):
        return None
    differing = tuple(_differences(role, found, policy))
    if not differing:
        return None
    reasons = ", ".join(reason for reason, _ in differing)
    fixes = " ".join(fix for _, fix in differing)
    return RoleDifference(
        role=role.name,
        exists=True,
        reason=f"exists on the destination with other properties: {reasons}",
        fix=f"on the destination: {fixes} Or, to keep it as it is, set ROLE_CONFLICTS to merge",
    )


def _differences(role: Role, found: Role, policy: RolePolicy) -> Iterable[tuple[str, str]]:
    """Name each property that differs, and the SQL that would make it equal; never a secret."""
    alter = f"ALTER ROLE {quote_identifier(role.name)}"
    for attribute in sorted(role.attributes ^ found.attributes):
        word = attribute if attribute in role.attributes else f"NO{attribute}"
        yield word, f"{alter} {word};"
    if role.connection_limit != found.connection_limit:
        limit = f"CONNECTION LIMIT {role.connection_limit}"
        yield limit, f"{alter} {limit};"
    if role.valid_until != found.valid_until:
        until = f"VALID UNTIL '{role.valid_until or 'infinity'}'"
        yield until, f"{alter} {until};"
    if policy.passwords == "copy" and role.password != found.password:
        yield "another password", f"{alter} PASSWORD (that of the source);"
    for privilege in sorted(set(role.parameters) - set(found.parameters)):
        yield privilege, parameter_grant(role, privilege) + ";"
    yield from _differing_settings(role, found, alter)


def _differing_settings(role: Role, found: Role, alter: str) -> Iterable[tuple[str, str]]:
    for setting in sorted(set(role.settings) ^ set(found.settings)):
        name = setting.partition("=")[0]
        if setting in role.settings:
            yield f"setting {name}", f"{first_load(name)}{alter} SET {name} = (as on the source);"
        elif not any(theirs.startswith(f"{name}=") for theirs in role.settings):
            yield f"setting {name}", f"{alter} RESET {name};"


def parameter_grant(role: Role, privilege: str) -> str:
    """Write the GRANT of a privilege on a configuration parameter.

    >>> parameter_grant(Role(name="bob"), "SET ON PARAMETER work_mem WITH GRANT OPTION")
    'GRANT SET ON PARAMETER work_mem TO "bob" WITH GRANT OPTION'
    """
    option = " WITH GRANT OPTION"
    suffix = option if privilege.endswith(option) else ""
    grantee = "PUBLIC" if role.name == PUBLIC else quote_identifier(role.name)
    return f"GRANT {privilege.removesuffix(option)} TO {grantee}{suffix}"


#: ADMIN, INHERIT and SET of a member, by role and member
_Options = dict[tuple[str, str], tuple[bool, bool, bool]]


def _pair(membership: Membership) -> tuple[str, str]:
    return membership.role, membership.member


def _options(memberships: Iterable[Membership]) -> _Options:
    """Return what each member may do: an option that any of its grantors gave counts."""
    found: _Options = {}
    for each in memberships:
        admin, inherit, may_set = found.get(_pair(each), (False, False, False))
        found[_pair(each)] = (admin or each.admin, inherit or each.inherit, may_set or each.set)
    return found


def _lacking_memberships(
    source: Roles, destination: Roles, policy: RolePolicy
) -> tuple[Membership, ...]:
    """Return those that the destination has not, or has with other options."""
    migrated = {role.name for role in _migrated(source)}
    here, there = _options(source.memberships), _options(destination.memberships)
    return tuple(
        membership
        for membership in sorted(source.memberships)
        if here[_pair(membership)] != there.get(_pair(membership))
        and membership.member in migrated
        and not _is_left_alone(membership.member, source, destination, policy)
        and (membership.role in migrated or membership.role in destination.roles)
    )


def _is_left_alone(name: str, source: Roles, destination: Roles, policy: RolePolicy) -> bool:
    found = destination.roles.get(name)
    return found is not None and (_exempt(source.roles[name], policy) or _exempt(found, policy))


def _memberships(
    source: Roles, destination: Roles, policy: RolePolicy, created: set[str], left: set[str]
) -> tuple[Membership, ...]:
    """Return the memberships to grant, each after the one that lets its grantor grant it.

    One that is there is never granted again: that would alter its options. `left` are roles that
    are left as they are, their memberships included.
    """
    there = _options(destination.memberships)
    wanted = [
        membership
        for membership in _lacking_memberships(source, destination, policy)
        if _pair(membership) not in there
        and membership.member not in left
        and (policy.conflicts != "skip" or membership.member in created)
    ]
    return _in_order(wanted, destination)


def _in_order(wanted: list[Membership], destination: Roles) -> tuple[Membership, ...]:
    admins = {(m.role, m.member) for m in destination.memberships if m.admin}
    ordered: list[Membership] = []
    waiting = wanted
    while waiting:
        now = [m for m in waiting if not m.grantor or (m.role, m.grantor) in admins]
        if not now:  # the grantor is gone or may not grant: the bootstrap superuser does
            return (*ordered, *_by_superuser(waiting))
        ordered += now
        admins |= {(m.role, m.member) for m in now if m.admin}
        waiting = [m for m in waiting if m not in now]
    return tuple(ordered)


def _by_superuser(memberships: Iterable[Membership]) -> tuple[Membership, ...]:
    """Make one grant of several grantors' for the same member: a second would undo the first."""
    return tuple(
        Membership(role=role, member=member, admin=admin, inherit=inherit, set=may_set)
        for (role, member), (admin, inherit, may_set) in _options(memberships).items()
    )


def grant(membership: Membership) -> str:
    """Write the GRANT of a membership (16 and newer).

    >>> grant(Membership(role="writers", member="bob", admin=True))
    'GRANT "writers" TO "bob" WITH ADMIN TRUE, INHERIT TRUE, SET TRUE'
    """
    options = (
        ("ADMIN", membership.admin),
        ("INHERIT", membership.inherit),
        ("SET", membership.set),
    )
    clauses = ", ".join(f"{word} {str(value).upper()}" for word, value in options)
    by = f" GRANTED BY {quote_identifier(membership.grantor)}" if membership.grantor else ""
    role, member = quote_identifier(membership.role), quote_identifier(membership.member)
    return f"GRANT {role} TO {member} WITH {clauses}{by}"
