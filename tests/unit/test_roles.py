"""Which roles are created, which are in conflict, and what is never said aloud."""

from dataclasses import replace

import pytest

from pgmigrator.core.roles import (
    Conflicts,
    Membership,
    Role,
    RolePolicy,
    Roles,
    collisions,
    compare,
    plan,
)

BOOTSTRAP = Role(name="postgres", bootstrap=True, attributes=frozenset({"SUPERUSER", "LOGIN"}))
BUILT_IN = Role(name="pg_read_all_data")
APP = Role(
    name="app",
    attributes=frozenset({"LOGIN", "INHERIT"}),
    password="SCRAM-SHA-256$secret",
    settings=("app.token=hidden",),
)
READER = Role(name="reader", attributes=frozenset({"INHERIT"}))
IN_READER = Membership(role="reader", member="app")
FAIL, MERGE, SKIP = (RolePolicy(conflicts=word) for word in ("fail", "merge", "skip"))


def server(*roles: Role, memberships: tuple[Membership, ...] = ()) -> Roles:
    everyone = (BOOTSTRAP, BUILT_IN, *roles)
    return Roles(roles={r.name: r for r in everyone}, memberships=frozenset(memberships))


SOURCE = server(APP, READER, memberships=(IN_READER,))


def test_what_is_missing_is_created_with_its_memberships() -> None:
    planned = plan(SOURCE, server(), FAIL)
    assert [role.name for role in planned.create] == ["app", "reader"]
    assert planned.memberships == (IN_READER,)
    assert planned.conflicts == ()
    assert [(d.role, d.exists) for d in compare(SOURCE, server(), FAIL)] == [
        ("app", False),
        ("reader", False),
    ]


def test_equal_roles_are_no_difference() -> None:
    assert compare(SOURCE, SOURCE, FAIL) == ()


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (replace(APP, attributes=APP.attributes | {"SUPERUSER"}), "NOSUPERUSER"),
        (replace(APP, attributes=frozenset({"INHERIT"})), "LOGIN"),
        (replace(APP, password="SCRAM-SHA-256$another"), "another password"),
        (replace(APP, settings=("app.token=another",)), "setting app.token"),
        (replace(APP, settings=(*APP.settings, "work_mem=1MB")), "setting work_mem"),
        (replace(APP, connection_limit=3), "CONNECTION LIMIT -1"),
        (replace(APP, valid_until="2030-01-01"), "VALID UNTIL 'infinity'"),
    ],
)
def test_a_role_that_exists_otherwise_is_named_without_its_secrets(
    other: Role, reason: str
) -> None:
    (difference,) = compare(server(APP), server(other), FAIL)
    assert (difference.role, difference.exists) == ("app", True)
    assert reason in difference.reason
    assert "ALTER ROLE" in difference.fix
    everything = f"{difference} {APP} {other} {plan(server(APP), server(other), FAIL)}"
    assert not any(word in everything for word in ("SCRAM", "hidden", "=another"))


def test_every_role_that_gets_the_common_password_is_told() -> None:
    other = replace(APP, name="other")
    source, common = server(APP, other, READER), RolePolicy(passwords="common")
    found = compare(source, server(), common)
    assert [d.role for d in found if d.common_password] == ["app", "other"]
    # what the destination has keeps its own
    found = compare(source, server(other), common)
    assert [d.role for d in found if d.common_password] == ["app"]
    for passwords in ("copy", "none"):
        found = compare(source, server(), replace(common, passwords=passwords))
        assert not any(d.common_password for d in found)


def test_another_comment_is_named_and_is_no_conflict() -> None:
    """Nothing depends on it, so that no migration waits for it."""
    theirs = replace(APP, comment="it's ours")
    for there in (APP, replace(APP, comment="theirs")):
        (difference,) = compare(server(theirs), server(there), FAIL)
        assert (difference.role, difference.exists, difference.comment) == ("app", True, True)
        assert "COMMENT ON ROLE \"app\" IS 'it''s ours';" in difference.fix
        assert plan(server(theirs), server(there), FAIL).conflicts == ()
    (difference,) = compare(server(APP), server(theirs), FAIL)
    assert 'COMMENT ON ROLE "app" IS NULL;' in difference.fix
    assert compare(server(theirs), server(theirs), FAIL) == ()
    # created with it, or not ours
    (difference,) = compare(server(theirs), server(), FAIL)
    assert not difference.exists
    own = RolePolicy(own=frozenset({"app"}))
    assert compare(server(theirs), server(APP), own) == ()
    assert collisions(server(theirs), server(APP), FAIL, "billing") == ()


def test_what_is_granted_to_public_is_for_a_person_to_grant() -> None:
    public = Role(name="public")
    granted = replace(public, parameters=("SET ON PARAMETER log_statement",))
    for policy in (FAIL, MERGE, SKIP):
        (difference,) = compare(server(granted), server(public), policy)
        assert (difference.role, difference.exists) == ("public", True)
        assert "GRANT SET ON PARAMETER log_statement TO PUBLIC;" in difference.fix
    assert compare(server(public), server(granted), FAIL) == ()
    # neither source brings it
    assert collisions(server(granted), server(public), FAIL, "billing") == ()


def test_passwords_are_compared_only_if_they_are_copied() -> None:
    other = server(replace(APP, password=None))
    assert compare(server(APP), other, RolePolicy(passwords="none")) == ()
    assert compare(server(APP), other, RolePolicy(passwords="common")) == ()


@pytest.mark.parametrize(
    ("conflicts", "expected"), [("fail", (IN_READER,)), ("merge", (IN_READER,)), ("skip", ())]
)
def test_memberships_of_existing_roles(
    conflicts: Conflicts, expected: tuple[Membership, ...]
) -> None:
    policy = RolePolicy(conflicts=conflicts)
    planned = plan(SOURCE, server(APP, READER), policy)
    assert (planned.create, planned.memberships) == ((), expected)
    (difference,) = compare(SOURCE, server(APP, READER), policy)
    assert difference.exists == (not expected)


def test_the_bootstrap_superuser_and_our_own_roles_are_left_alone() -> None:
    ours = Role(name="migrator", attributes=frozenset({"REPLICATION"}))
    policy = RolePolicy(own=frozenset({"migrator"}))
    joined = Membership(role="reader", member="migrator")
    source = server(ours, READER, memberships=(joined,))
    there = server(replace(ours, attributes=frozenset({"SUPERUSER"})), READER)
    there = replace(
        there, roles=dict(there.roles) | {"postgres": replace(BOOTSTRAP, connection_limit=1)}
    )
    assert compare(source, there, policy) == ()
    assert plan(source, there, policy).memberships == ()


def test_roles_of_postgresql_are_never_created_but_can_be_granted() -> None:
    reads = Membership(role="pg_read_all_data", member="app")
    source = server(APP, Role(name="pg_brand_new"), memberships=(reads,))
    planned = plan(source, server(), FAIL)
    assert [role.name for role in planned.create] == ["app"]
    assert planned.memberships == (reads,)


def test_a_grant_follows_the_one_that_allows_it() -> None:
    by_app = Membership(role="reader", member="bob", grantor="app")
    admin = Membership(role="reader", member="app", admin=True)
    source = server(APP, READER, Role(name="bob"), memberships=(by_app, admin))
    assert plan(source, server(), FAIL).memberships == (admin, by_app)


def test_a_grant_by_nobody_is_made_by_the_superuser() -> None:
    orphan = Membership(role="reader", member="app", grantor="gone")
    (granted,) = plan(server(APP, READER, memberships=(orphan,)), server(), FAIL).memberships
    assert granted.grantor == ""


def test_a_membership_that_is_there_is_never_granted_again() -> None:
    """A GRANT would take from it what somebody gave it here."""
    admin = replace(IN_READER, admin=True)
    there = server(APP, READER, memberships=(admin,))
    for policy in (FAIL, MERGE, SKIP):
        assert plan(SOURCE, there, policy).memberships == ()
        (difference,) = compare(SOURCE, there, policy)
        assert difference.exists
        assert "other options" in difference.reason
        assert 'GRANT "reader" TO "app" WITH ADMIN FALSE' in difference.fix


def test_what_several_grantors_gave_is_one_membership() -> None:
    given = (
        replace(IN_READER, admin=True, set=False, grantor="one"),
        replace(IN_READER, inherit=False, grantor="two"),
    )
    source = server(APP, READER, memberships=given)
    (granted,) = plan(source, server(APP, READER), FAIL).memberships
    assert (granted.admin, granted.inherit, granted.set) == (True, True, True)
    (difference,) = compare(source, server(APP, READER), FAIL)
    assert not difference.exists
    assert compare(source, server(APP, READER, memberships=(granted,)), FAIL) == ()


def test_a_role_in_conflict_is_left_as_it_is_its_memberships_included() -> None:
    other = replace(APP, connection_limit=3)
    assert plan(SOURCE, server(other, READER), FAIL).memberships == ()
    assert all(difference.exists for difference in compare(SOURCE, server(other, READER), FAIL))
    assert plan(SOURCE, server(other, READER), MERGE).memberships == (IN_READER,)


def test_a_role_that_another_source_has_otherwise_collides() -> None:
    other = server(replace(APP, connection_limit=3), READER)
    (found,) = collisions(server(APP, READER), other, FAIL, "billing")
    assert (found.role, found.exists) == ("app", True)
    assert "mapping billing brings" in found.reason
    assert "CONNECTION LIMIT -1" in found.reason
    assert 'on the source of mapping billing: ALTER ROLE "app" CONNECTION LIMIT -1;' in found.fix
    # what only one of them has comes to the other's
    assert collisions(SOURCE, server(APP), FAIL, "billing") == ()
    assert collisions(SOURCE, server(APP, READER), FAIL, "billing") == ()
    other = server(APP, READER, memberships=(replace(IN_READER, admin=True),))
    (found,) = collisions(SOURCE, other, FAIL, "billing")
    assert 'GRANT "reader" TO "app" WITH ADMIN FALSE' in found.fix
    # nobody brings these
    own = RolePolicy(own=frozenset({"app"}))
    assert collisions(server(APP), server(replace(APP, connection_limit=3)), own, "billing") == ()
