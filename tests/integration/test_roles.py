"""Roles on real servers: created once, with everything they have, and nothing shown to anybody."""

from dataclasses import replace
from typing import Literal, LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr
from structlog.testing import capture_logs

from pgmigrator.core.model import RoleDifference
from pgmigrator.core.roles import RolePolicy, Roles, compare
from pgmigrator.demo.servers import Server
from pgmigrator.errors import Refused
from pgmigrator.postgres import roles
from pgmigrator.postgres.connect import Endpoint, session
from tests.fixtures.databases import execute
from tests.fixtures.providers import Postgres
from tests.fixtures.servers import PairFactory
from tests.integration.replicating import endpoint

SECRETS = ("pw'x-one", "pw-two", "s3cret-token", "SCRAM-SHA-256$", "md5a")
ROLES: tuple[LiteralString, ...] = (
    """CREATE ROLE "Ro""le ☃" LOGIN SUPERUSER PASSWORD 'pw''x-one' CONNECTION LIMIT 7
       VALID UNTIL '2030-01-01 00:00+02'""",
    "CREATE ROLE team NOINHERIT",
    "CREATE ROLE boss LOGIN CREATEROLE CREATEDB PASSWORD 'pw-two'",
    "SET password_encryption = 'md5'",
    "CREATE ROLE oldie LOGIN PASSWORD 'pw-two'",
    "GRANT team TO boss WITH ADMIN OPTION",
    "GRANT pg_read_all_data TO team",
    'GRANT boss TO "Ro""le ☃"',
    """ALTER ROLE boss SET search_path = "$user", public, "a, b" """,
    "ALTER ROLE boss SET app.token = 's3cret-token'",
    "ALTER ROLE boss SET session_preload_libraries = '$libdir/plpgsql', plpgsql",
    "GRANT SET, ALTER SYSTEM ON PARAMETER work_mem TO boss",
    """GRANT SET ON PARAMETER app.odd_one TO "Ro""le ☃" WITH GRANT OPTION""",
    "COMMENT ON ROLE boss IS 'the ''boss'''",
    "SET ROLE boss",
    "CREATE ROLE granted_by_boss",
    "GRANT team TO granted_by_boss",
)
EVERYTHING = """
SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolconnlimit,
       extract(epoch FROM rolvaliduntil), rolpassword, shobj_description(r.oid, 'pg_authid'),
       (SELECT array_agg(x ORDER BY x) FROM pg_db_role_setting s, unnest(s.setconfig) x
         WHERE s.setrole = r.oid AND s.setdatabase = 0),
       (SELECT array_agg(concat(p.parname, ' ', a.privilege_type, ' ', a.is_grantable) ORDER BY 1)
          FROM pg_parameter_acl p, aclexplode(p.paracl) a WHERE a.grantee = r.oid)
  FROM pg_authid r WHERE oid >= 16384 ORDER BY 1
"""
MEMBERSHIPS = """
SELECT roleid::regrole::text, member::regrole::text, admin_option, grantor::regrole::text
  FROM pg_auth_members WHERE roleid >= 16384 OR member >= 16384 ORDER BY 1, 2, 4
"""


@pytest.fixture
def pair(fresh_pair: PairFactory) -> tuple[Server, Server]:
    made = fresh_pair(destination={"log_statement": "all", "log_min_duration_statement": "0"})
    execute(made.source.dsn(), *ROLES)
    return made.source, made.destination


@pytest.fixture
def ends(pair: tuple[Server, Server]) -> tuple[Endpoint, Endpoint]:
    return endpoint("source", pair[0]), endpoint("destination", pair[1])


def read(server: Postgres, query: LiteralString) -> list[tuple[object, ...]]:
    with psycopg.connect(server.dsn()) as connection:
        return connection.execute(query).fetchall()


async def _read(end: Endpoint, policy: RolePolicy) -> Roles:
    async with session(end, "postgres", "test") as connection:
        return await roles.read(connection, policy.passwords)


async def compared(
    source: Endpoint, destination: Endpoint, policy: RolePolicy
) -> tuple[RoleDifference, ...]:
    """Compare the roles of both sides as the daemon does."""
    theirs, ours = [await _read(end, policy) for end in (source, destination)]
    own = frozenset({source.instance.user, destination.instance.user})
    return compare(theirs, ours, replace(policy, own=own))


async def test_roles_arrive_whole_and_no_secret_is_logged(
    pair: tuple[Server, Server], ends: tuple[Endpoint, Endpoint]
) -> None:
    source, destination = pair
    assert all(not d.exists for d in await compared(*ends, RolePolicy()))
    assert await roles.create(*ends, RolePolicy()) == ()
    assert read(destination, EVERYTHING) == read(source, EVERYTHING)
    expected = read(source, MEMBERSHIPS)
    if source.version < 16:  # its grantors mean nothing
        expected = [(*row[:3], "postgres") for row in expected]
    assert read(destination, MEMBERSHIPS) == expected
    assert await compared(*ends, RolePolicy()) == ()
    assert await roles.create(*ends, RolePolicy()) == ()
    with psycopg.connect(destination.dsn(user="boss", password="pw-two")) as connection:
        assert connection.info.status == psycopg.pq.ConnStatus.OK
    log = destination.log_path.read_text()
    assert "pg_authid" in log  # it logs statements, but not those
    assert not [secret for secret in SECRETS if secret in log]


async def test_a_conflict_keeps_no_other_role_away(
    pair: tuple[Server, Server], ends: tuple[Endpoint, Endpoint]
) -> None:
    """Nor is the one in conflict touched, its memberships included."""
    _, destination = pair
    execute(destination.dsn(), "CREATE ROLE boss", "CREATE ROLE team NOINHERIT")
    before = read(destination, EVERYTHING)
    differences = await compared(*ends, RolePolicy())
    [boss] = [d for d in differences if d.exists and "properties" in d.reason]
    assert (boss.role, "CREATEDB" in boss.reason, "another password" in boss.reason) == (
        "boss",
        True,
        True,
    )
    assert await roles.create(*ends, RolePolicy()) == ()
    after = read(destination, EVERYTHING)
    assert [row for row in after if row in before] == before
    assert len(after) == 5
    pairs = [row[:2] for row in read(destination, MEMBERSHIPS)]
    assert ("team", "boss") not in pairs
    assert ("team", "granted_by_boss") in pairs
    assert all(difference.exists for difference in await compared(*ends, RolePolicy()))


async def test_what_the_destination_refuses_keeps_no_other_role_away(
    pair: tuple[Server, Server], ends: tuple[Endpoint, Endpoint]
) -> None:
    source, destination = pair
    execute(source.dsn(), "CREATE ROLE one", "CREATE ROLE two", "GRANT one TO two")
    execute(destination.dsn(), "CREATE ROLE one", "CREATE ROLE two", "GRANT two TO one")
    execute(
        source.dsn(),
        "CREATE ROLE three LOGIN PASSWORD 'pw-two'",
        "ALTER ROLE three SET session_preload_libraries = no_such_library",
    )
    joined, preloaded = await roles.create(*ends, RolePolicy())
    assert (joined.role, preloaded.role) == ("two", "three")
    assert joined.object == 'membership of "two" in "one"'
    assert "is a member of role" in joined.reason
    # with it, the role could not log in
    assert preloaded.object == 'setting session_preload_libraries of role "three"'
    assert 'could not access file "no_such_library"' in preloaded.reason
    with psycopg.connect(destination.dsn(user="three", password="pw-two")) as connection:
        assert connection.info.status == psycopg.pq.ConnStatus.OK
    differences = {each.role: each for each in await compared(*ends, RolePolicy())}
    assert "three" in differences.keys() <= {"one", "two", "three"}
    assert "LOAD (each of its libraries); ALTER ROLE" in differences["three"].fix


async def test_options_of_a_membership_that_is_there_are_left_alone(
    pair: tuple[Server, Server], ends: tuple[Endpoint, Endpoint]
) -> None:
    _, destination = pair
    policy = RolePolicy(conflicts="merge")
    execute(destination.dsn(), "CREATE ROLE boss", "CREATE ROLE granted_by_boss")
    execute(destination.dsn(), "CREATE ROLE team", "GRANT team TO granted_by_boss WITH ADMIN TRUE")
    assert await roles.create(*ends, policy) == ()
    found = [row for row in read(destination, MEMBERSHIPS) if row[1] == "granted_by_boss"]
    assert [row[:3] for row in found] == [("team", "granted_by_boss", True)]
    assert all(difference.exists for difference in await compared(*ends, policy))


@pytest.mark.parametrize(("conflicts", "joined"), [("merge", True), ("skip", False)])
async def test_merge_and_skip_alter_no_role_that_exists(
    pair: tuple[Server, Server], ends: tuple[Endpoint, Endpoint], conflicts: str, joined: bool
) -> None:
    _, destination = pair
    execute(destination.dsn(), "CREATE ROLE boss", "CREATE ROLE team NOINHERIT")
    before = read(destination, EVERYTHING)
    policy = RolePolicy(conflicts="merge" if conflicts == "merge" else "skip")
    assert await roles.create(*ends, policy) == ()
    after = read(destination, EVERYTHING)
    assert [row for row in after if row in before] == before
    assert len(after) == 5
    memberships = [row[:2] for row in read(destination, MEMBERSHIPS)]
    assert (("team", "boss") in memberships) == joined
    assert ("team", "granted_by_boss") in memberships


@pytest.mark.parametrize("conflicts", ["merge", "skip"])
async def test_where_other_roles_are_accepted_each_of_ours_comes_whole(
    pair: tuple[Server, Server],
    ends: tuple[Endpoint, Endpoint],
    conflicts: Literal["merge", "skip"],
) -> None:
    """Else one that lacks a setting would pass for a role that existed otherwise."""
    source, _ = pair
    execute(
        source.dsn(),
        "CREATE ROLE three",
        "ALTER ROLE three SET work_mem = '7MB'",
        "ALTER ROLE three SET session_preload_libraries = no_such_library",
    )
    policy = RolePolicy(conflicts=conflicts)
    [refused] = await roles.create(*ends, policy)
    assert (refused.role, refused.object) == ("three", 'role "three"')
    assert "could not access file" in refused.reason
    [lacking] = await compared(*ends, policy)
    assert (lacking.role, lacking.exists) == ("three", False)
    execute(source.dsn(), "ALTER ROLE three RESET session_preload_libraries")
    assert await roles.create(*ends, policy) == ()
    assert await compared(*ends, policy) == ()


async def test_passwords_can_be_common_or_none(
    pair: tuple[Server, Server], ends: tuple[Endpoint, Endpoint]
) -> None:
    _, destination = pair
    policy = RolePolicy(passwords="common", common_password="for-everybody")
    with capture_logs() as lines:
        assert await roles.create(*ends, policy) == ()
    assert lines == [
        {
            "log_level": "warning",
            "event": "roles that get the common password: give each one of its own",
            "roles": ['Ro"le ☃', "boss", "oldie"],
        }
    ]
    with psycopg.connect(destination.dsn(user="oldie", password="for-everybody")) as connection:
        assert connection.info.status == psycopg.pq.ConnStatus.OK
    assert "for-everybody" not in destination.log_path.read_text()
    assert await compared(*ends, RolePolicy(passwords="none")) == ()


async def test_who_may_not_read_hashes_is_told_what_to_grant(
    pair: tuple[Server, Server], ends: tuple[Endpoint, Endpoint]
) -> None:
    source, _ = pair
    execute(source.dsn(), "CREATE ROLE migrator LOGIN REPLICATION PASSWORD 'pw-three'")
    limited = endpoint("source", source)
    changed = limited.instance.model_copy(
        update={"user": "migrator", "password": SecretStr("pw-three")}
    )
    limited = Endpoint("source", limited.mapping, limited.name, changed)
    with pytest.raises(Refused, match='GRANT pg_read_all_data TO "migrator"'):
        await compared(limited, ends[1], RolePolicy())
    assert await compared(limited, ends[1], RolePolicy(passwords="none"))


async def test_a_database_has_to_do_with_roles_that_have_rights_in_it(
    clean_source: Postgres, source_database: str
) -> None:
    roles_ = ("owns", "reads", "ruled", "set_here", "member", "member_of_member", "anyone", "above")
    execute(
        clean_source.dsn(source_database),
        *(SQL("CREATE ROLE {}").format(Identifier(f"tied_{role}")) for role in roles_),
        "CREATE ROLE tied_super SUPERUSER",
        "CREATE ROLE tied_creator CREATEROLE",
        "CREATE ROLE tied_reader IN ROLE pg_read_all_data",
        "CREATE TABLE t (id int PRIMARY KEY)",
        "ALTER TABLE t OWNER TO tied_owns",
        "GRANT SELECT (id) ON t TO tied_reads",
        "CREATE POLICY p ON t TO tied_ruled USING (true)",
        SQL("ALTER ROLE tied_set_here IN DATABASE {} SET work_mem = '7MB'").format(
            Identifier(source_database)
        ),
        "GRANT tied_reads TO tied_member",
        "GRANT tied_member TO tied_member_of_member",
        "GRANT tied_above TO tied_owns",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "REVOKE EXECUTE ON FUNCTION f FROM PUBLIC",
    )
    execute(clean_source.dsn(), "GRANT CREATE ON DATABASE postgres TO tied_anyone")
    expected = {*roles_, "super", "creator", "reader"} - {"anyone", "above"}
    assert await _tied(clean_source, source_database) == expected
    # where anybody may do something, every role counts
    for opened, closed in (
        ("GRANT SELECT ON t TO PUBLIC", "REVOKE SELECT ON t FROM PUBLIC"),
        ("GRANT SELECT (id) ON t TO PUBLIC", "REVOKE SELECT (id) ON t FROM PUBLIC"),
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
        ("GRANT EXECUTE ON FUNCTION f TO PUBLIC", "REVOKE EXECUTE ON FUNCTION f FROM PUBLIC"),
    ):
        execute(clean_source.dsn(source_database), opened)
        every = {*roles_, "super", "creator", "reader"}
        assert await _tied(clean_source, source_database) == every
        execute(clean_source.dsn(source_database), closed)
    assert await _tied(clean_source, source_database) == expected


@pytest.mark.parametrize(
    ("encoding", "role"), [("LATIN1", "bjørn"), ("WIN1252", "Íris"), ("EUC_JP", "bjørn")]
)
async def test_names_of_roles_are_known_in_databases_of_other_encodings(
    clean_source: Postgres, encoding: str, role: str
) -> None:
    """Names of roles are bytes, which each database reads in its own encoding."""
    create = "CREATE DATABASE other TEMPLATE template0 LOCALE 'C' ENCODING {}"
    execute(clean_source.dsn(), SQL(create).format(encoding))
    execute(clean_source.dsn(), SQL("CREATE ROLE {}").format(Identifier(f"tied_{role}")))
    with psycopg.connect(clean_source.dsn("other"), autocommit=True) as connection:
        connection.execute("SET client_encoding = 'SQL_ASCII'")
        connection.execute("CREATE TABLE t (id int PRIMARY KEY)")
        connection.execute(b'GRANT SELECT ON t TO "tied_' + role.encode() + b'"')
    assert await _tied(clean_source, "other") == {role}


async def _tied(server: Postgres, database: str) -> set[str]:
    source = endpoint("source", server)
    async with (
        session(source, database, "test") as connection,
        session(source, "postgres", "test") as home,
    ):
        names = await roles.read_tied(connection, home)
    assert {"postgres", "public"} <= names
    return {name.removeprefix("tied_") for name in names if name.startswith("tied_")}
