"""Every check fires on real servers as its case says, and its fix ends it."""

import asyncio
import json
import os
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pgmigrator.core.decide import decide
from pgmigrator.core.marker import SETTING, Marker, ServerIdentity, Step, dump
from pgmigrator.core.model import Observation, Phase, Problem, Severity
from pgmigrator.core.names import names
from pgmigrator.core.preflight import CHECKS, find_problems
from pgmigrator.demo.servers import Server
from pgmigrator.runtime.check import check, look
from pgmigrator.settings import Settings, load
from tests.fixtures.daemon import orders
from tests.fixtures.databases import cleaned, create_database, execute
from tests.fixtures.proxy import Proxy
from tests.fixtures.servers import Pair, PairFactory, ReleaseFactory
from tests.integration.preflight_cases import (
    CASES,
    DATABASE,
    UNDER_WAY,
    Case,
    label_of,
)
from tests.unit.builders import change

#: with these nothing is found
SOURCE_SETTINGS = {"max_slot_wal_keep_size": "1GB", "archive_mode": "off"}
DESTINATION_SETTINGS = {"track_commit_timestamp": "on"}
#: provokes nothing
NOTHING = Case(check="", severity=Severity.NOTE, object="")
#: checks that say what the servers and programs at hand lack
OF_RELEASES = ("minor_releases", "client_programs")
#: a check that needs time to show (an archiver that fails) is waited for
PATIENCE_SECONDS = 20

#: checks of a migration under way, and those that need servers of their own: the tests that make
#: them fire, as file::name
ELSEWHERE: dict[str, str] = {
    "schema_drift": "e2e/test_drift.py::test_a_role_that_came_later_arrives_by_itself",
    "tables_resynced": (
        "e2e/test_tables_follow.py::test_a_table_is_copied_anew_when_an_operator_asks"
    ),
    "tables_renamed": "e2e/test_tables_follow.py::test_a_renamed_table_of_somebody_else_is_named",
    "tables_gone": "e2e/test_tables_follow.py::test_a_table_of_somebody_else_is_never_dropped",
    "encoding_known": "e2e/test_encodings.py::test_text_without_an_encoding_is_carried_as_it_is",
    "different_servers": "integration/test_preflight.py::test_one_server_is_not_two",
    "not_a_standby": "integration/test_preflight.py::test_standbys_are_told",
    "role_collisions": (
        "e2e/test_mappings.py::test_colliding_roles_are_refused_before_anything_is_created"
    ),
    "standbys": "integration/test_preflight.py::test_standbys_are_told",
    "direct_connection": "integration/test_preflight.py::test_a_pooler_is_known",
    "inserts_only": (
        "e2e/test_insert_only.py::"
        "test_an_update_puts_the_light_out_and_a_restart_does_not_forget_it"
    ),
    "publication_is_whole": "e2e/test_preflight_under_way.py::test_what_goes_wrong_on_the_way",
    "tables_left_publication": "e2e/test_preflight_under_way.py::test_what_goes_wrong_on_the_way",
    "tables_not_followed": "e2e/test_preflight_under_way.py::test_what_goes_wrong_on_the_way",
    "sequences_missing": "e2e/test_preflight_under_way.py::test_what_goes_wrong_on_the_way",
    "blocks_source": "e2e/test_preflight_under_way.py::test_what_goes_wrong_on_the_way",
    "complete_too_early": "e2e/test_preflight_under_way.py::test_what_goes_wrong_on_the_way",
    "complete_waits": (
        "e2e/test_source_gone.py::"
        "test_a_switched_mapping_completes_without_its_source_and_tidies_up_when_it_is_back"
    ),
    "late_writes": "e2e/test_preflight_under_way.py::test_what_goes_wrong_after_the_switch",
    "slot_gone_after_switch": (
        "e2e/test_preflight_under_way.py::test_what_goes_wrong_after_the_switch"
    ),
    "leftovers": (
        "e2e/test_source_gone.py::"
        "test_a_switched_mapping_completes_without_its_source_and_tidies_up_when_it_is_back"
    ),
    "copy_fails": (
        "e2e/test_nobody_stops_another.py::"
        "test_neither_a_table_nor_a_role_that_fails_stops_another_database"
    ),
    "roles_refused": (
        "e2e/test_nobody_stops_another.py::"
        "test_neither_a_table_nor_a_role_that_fails_stops_another_database"
    ),
    "rows_differ": "e2e/test_rewritten.py::test_the_light_is_off_until_rows_are_equal_again",
    "tables_swapped": ("chaos/test_traps_publication.py::test_a_table_swapped_under_its_name"),
}


@pytest.fixture(scope="module")
def two(fresh_pair_of_module: PairFactory) -> Pair:
    """A source and a destination that only the cases of this module change."""
    return fresh_pair_of_module(source=SOURCE_SETTINGS, destination=DESTINATION_SETTINGS)


@pytest.fixture
def environment(two: Pair, client_bin_dir: Path) -> dict[str, str]:
    return daemon_environment(two, client_bin_dir)


@pytest.fixture
def pair_of(two: Pair, released_of_module: ReleaseFactory) -> Callable[[str, str], Pair]:
    """Makes a pair of two releases; "" is the server of all other cases."""

    def make(here: str, there: str) -> Pair:
        settings = SOURCE_SETTINGS | DESTINATION_SETTINGS
        return Pair(
            released_of_module(here, settings) if here else two.source,
            released_of_module(there, settings) if there else two.destination,
        )

    return make


def daemon_environment(pair: Pair, client_bin_dir: Path) -> dict[str, str]:
    return orders(pair, DATABASES=json.dumps([DATABASE])) | {
        "PGMIGRATOR_POSTGRES_BIN_DIR": str(client_bin_dir)
    }


def ids(case: Case) -> str:
    return f"{case.check}-{case.severity.value}"


async def observed(settings: Settings) -> Observation:
    (observation, *_) = (await look(settings))["orders"].observations
    assert observation.source is not None, observation.source_error
    assert observation.destination is not None, observation.destination_error
    return observation


def problems_of(problems: tuple[Problem, ...] | list[Problem], case: Case) -> list[Problem]:
    return [
        problem
        for problem in problems
        if problem.check == case.check and problem.severity is case.severity
    ]


@contextmanager
def configured(server: Server, settings: Mapping[str, str]) -> Iterator[None]:
    """Restart a server with other settings, and again without them."""
    if not settings:
        yield
        return
    for name, value in settings.items():
        execute(
            server.dsn(),
            sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)),
        )
    server.stop()
    server.start()
    try:
        yield
    finally:
        for name in settings:
            execute(server.dsn(), sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)))
        server.stop()
        server.start()


def run_all(dsn: str, statements: tuple[str, ...], **placeholders: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(filled(statement, **placeholders).encode())


def filled(text: str, **placeholders: str) -> str:
    for name, value in placeholders.items():
        text = text.replace(f"{{{name}}}", value)
    return text


@contextmanager
def provoked(two: Pair, case: Case) -> Iterator[dict[str, str]]:
    """Bring both servers into the case's state, yield its placeholders, and put all right again."""
    with ExitStack() as stack:
        stack.enter_context(configured(two.source, case.here_settings))
        stack.enter_context(configured(two.destination, case.there_settings))
        stack.enter_context(cleaned(two.source))
        stack.enter_context(cleaned(two.destination))
        create_database(two.source, DATABASE)
        placeholders = {"database": DATABASE, "slot": slot_name(two)}
        here, there = two.source.dsn(DATABASE), two.destination.dsn("postgres")
        stack.callback(run_all, here, case.undo_here)
        stack.callback(run_all, there, case.undo_there)
        run_all(here, case.here, **placeholders)
        if case.inside or case.marked is not None:
            create_database(two.destination, DATABASE)
            run_all(two.destination.dsn(DATABASE), case.inside)
        if case.marked is not None:
            mark(two, case.marked)
        run_all(there, case.there)
        if case.hold:
            held = stack.enter_context(psycopg.connect(here))
            held.execute(case.hold.encode())
        yield placeholders


def mark(two: Pair, steps: Iterable[Step]) -> None:
    """Mark the destination's database as one that we adopted, and that has passed these steps."""
    (source, source_oid), (destination, oid) = identified(two.source), identified(two.destination)
    marker = Marker(
        mapping="orders",
        database_oid=oid,
        source=source,
        destination=destination,
        source_database=DATABASE,
        source_database_oid=source_oid,
        created=False,
        steps=frozenset(steps),
    )
    statement = sql.SQL("ALTER DATABASE {} SET {} = {}").format(
        sql.Identifier(DATABASE), sql.Identifier(*SETTING.split(".")), sql.Literal(dump(marker))
    )
    execute(two.destination.dsn(), statement)


def identified(server: Server) -> tuple[ServerIdentity, int]:
    """Return who a server is, and the oid of the database there."""
    with psycopg.connect(server.dsn(DATABASE)) as connection:
        (row,) = connection.execute(
            "SELECT system_identifier, d.oid::bigint FROM pg_control_system(), pg_database d"
            " WHERE datname = current_database()"
        ).fetchall()
    return ServerIdentity(system_identifier=row[0], timeline=1), row[1]


def slot_name(two: Pair) -> str:
    _, oid = identified(two.source)
    with psycopg.connect(two.destination.dsn()) as there:
        (system,) = there.execute("SELECT system_identifier FROM pg_control_system()").fetchall()
    return names("orders", oid, system[0]).subscription


@pytest.mark.parametrize("case", CASES, ids=ids)
async def test_a_check_fires_and_its_fix_ends_it(
    case: Case,
    pair_of: Callable[[str, str], Pair],
    client_bin_dir: Path,
) -> None:
    pair = pair_of(case.here_release, case.there_release)
    settings = load({**daemon_environment(pair, client_bin_dir), **case.daemon})
    with provoked(pair, case) as placeholders:
        found = await wait_for(case, settings)
        wanted = filled(case.object, **placeholders)
        assert [p.object for p in found if p.object.startswith(wanted)], found
        assert all(problem.reason and problem.fix for problem in found)
        assert case.says in found[0].fix
        for mend, dsn in (
            (case.mend_here, pair.source.dsn(DATABASE)),
            (case.mend_there, pair.destination.dsn()),
        ):
            if mend:
                exact = filled(mend, **placeholders)
                assert exact in found[0].fix
                run_all(dsn, (exact,))
                after = change(await observed(settings), case.simulated)
                assert problems_of(find_problems(after), case) == []


async def wait_for(case: Case, settings: Settings) -> list[Problem]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        seen = change(await observed(settings), case.simulated)
        found = problems_of(find_problems(seen), case)
        if found or time.monotonic() > deadline:
            assert found, [(p.check, p.severity, p.object) for p in find_problems(seen)]
            return found
        await asyncio.sleep(0.2)


@pytest.mark.parametrize("here_release", ["", "18"], ids=["as_others", "18"])
@pytest.mark.parametrize("marked", [None, (), UNDER_WAY], ids=["fresh", "adopted", "under_way"])
async def test_a_clean_database_has_no_finding(
    pair_of: Callable[[str, str], Pair],
    client_bin_dir: Path,
    marked: tuple[Step, ...] | None,
    here_release: str,
) -> None:
    """Also one that has what cases have, each in the way that is right."""
    pair = pair_of(here_release, "")
    innocent = Case(
        check="",
        severity=Severity.NOTE,
        object="",
        here=(
            "CREATE TYPE mood AS ENUM ('sad', 'happy')",
            "CREATE TABLE by_list (m mood PRIMARY KEY) PARTITION BY LIST (m)",
            "CREATE TABLE by_list_1 PARTITION OF by_list DEFAULT",
            "CREATE TABLE by_text (t text PRIMARY KEY) PARTITION BY RANGE (t)",
            "CREATE TABLE by_text_1 PARTITION OF by_text DEFAULT",
            "CREATE TABLE by_hash (t text PRIMARY KEY) PARTITION BY HASH (t)",
            "CREATE TABLE by_hash_1 PARTITION OF by_hash FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
            "CREATE TABLE rates (code text PRIMARY KEY, g int GENERATED ALWAYS AS (1) STORED)",
            "CREATE FUNCTION is_known(text) RETURNS bool LANGUAGE sql IMMUTABLE AS"
            " 'SELECT EXISTS (SELECT FROM public.rates /* rates */ WHERE code = $1)'",
            "CREATE FUNCTION is_short(text) RETURNS bool LANGUAGE sql IMMUTABLE"
            " SET search_path = public, pg_temp AS 'SELECT EXISTS (SELECT FROM rates)'",
            "CREATE FUNCTION is_new(text) RETURNS bool LANGUAGE sql IMMUTABLE"
            " BEGIN ATOMIC SELECT EXISTS (SELECT FROM rates); END",
            "CREATE FUNCTION length_of(text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS"
            " 'DECLARE n int; BEGIN n := length($1); RETURN n; END'",
            "CREATE TABLE prices (code text PRIMARY KEY CHECK (is_known(code) AND is_short(code)"
            " AND is_new(code) AND length_of(code) > 0))",
            "CREATE TABLE secret (i int PRIMARY KEY)",
            "ALTER TABLE secret ENABLE ROW LEVEL SECURITY",
            'CREATE TABLE t (i int PRIMARY KEY, t text COLLATE "C")',
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER audit BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
            "CREATE EVENT TRIGGER tables ON ddl_command_end WHEN TAG IN ('CREATE TABLE')"
            " EXECUTE FUNCTION seen()",
            "ALTER ROLE postgres SET TimeZone = 'Europe/Berlin'",
            "ALTER ROLE postgres SET statement_timeout = '500ms'",
            "CREATE ROLE \"New\" LOGIN PASSWORD 'x'",
            """ALTER ROLE "New" SET session_preload_libraries = plpgsql, '$libdir/plpgsql'""",
            label_of("pg_authid", "'postgres'::regrole"),
            # what a faulty index build leaves behind: unknown, like that of a table never analysed
            "UPDATE pg_class SET reltuples = 'NaN' WHERE relname = 't'",
            "UPDATE pg_class SET reltuples = 'Infinity' WHERE relname = 'rates'",
            "UPDATE pg_class SET reltuples = 1e38 WHERE relname = 'prices'",
        ),
        undo_here=(
            "ALTER ROLE postgres RESET ALL",
            "SET allow_system_table_mods = on; DELETE FROM pg_shseclabel",
        ),
        marked=marked,
    )
    with provoked(pair, innocent):
        seen = await observed(load(daemon_environment(pair, client_bin_dir)))
        found = find_problems(seen)
    assert seen.source is not None
    assert {table.estimated_rows for table in seen.source.tables} == {0}
    # nothing runs that would bring over what the marker says is there
    elsewhere = {*(ELSEWHERE if marked else ()), *OF_RELEASES}
    assert [(p.check, p.object, p.reason) for p in found if p.check not in elsewhere] == []


# --- what needs servers of its own ---------------------------------------------------------------


async def test_one_server_is_not_two(two: Pair, client_bin_dir: Path) -> None:
    twice = daemon_environment(Pair(two.source, two.source), client_bin_dir)
    with provoked(two, NOTHING):
        # by another name: the settings already refuse the same address
        seen = await observed(load({**twice, "PGMIGRATOR_INSTANCES__NEW__HOST": "localhost"}))
        found = {p.check: p.object for p in find_problems(seen)}
    assert found["different_servers"] == "destination"
    assert ("versions" in found) == (two.source.version < 18)


async def test_a_source_too_old_is_blocked_and_not_unknown(
    pair_of: Callable[[str, str], Pair], client_bin_dir: Path
) -> None:
    """Most of it cannot be asked there: whatever is asked, it answers."""
    pair = pair_of("14", "")
    with provoked(pair, NOTHING):
        seen = await observed(load(daemon_environment(pair, client_bin_dir)))
    assert (seen.source_error, seen.destination_error) == ("", "")
    assert decide(seen, find_problems(seen)).phase is Phase.BLOCKED


async def test_standbys_are_told(
    two: Pair,
    environment: dict[str, str],
    client_bin_dir: Path,
    own_server: Callable[[Server], Server],
) -> None:
    with provoked(two, NOTHING):
        standby = own_server(two.source.standby())
        standby.start()
        other = own_server(two.destination.standby())
        other.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        objects: list[str] = []
        while len(objects) < 2 and time.monotonic() < deadline:
            seen = find_problems(await observed(load(environment)))
            objects = [p.object for p in seen if p.check == "standbys"]
        assert [each.split()[0] for each in objects] == ["source", "destination"]

        for pair, side in (
            (Pair(standby, two.destination), "source"),
            (Pair(two.source, other), "destination"),
        ):
            seen = find_problems(await observed(load(daemon_environment(pair, client_bin_dir))))
            assert ("not_a_standby", side) in {(p.check, p.object) for p in seen}


class Pooler(Proxy):
    """Like a pooler, it answers the start of a session with a key of its own making."""

    def _forwarded(self, data: bytes) -> bytes:
        at = data.find(b"K\x00\x00\x00\x0c")  # BackendKeyData: process id, secret
        return data if at < 0 else data[: at + 5] + b"\x00\x00\x30\x39" + data[at + 9 :]


@pytest.mark.parametrize("side", ["source", "destination"])
async def test_a_pooler_is_known(two: Pair, environment: dict[str, str], side: str) -> None:
    """Simulated: no pooler is at hand for everybody; a real pgbouncer answers likewise."""
    server = two.source if side == "source" else two.destination
    name = "OLD" if side == "source" else "NEW"
    with provoked(two, NOTHING), ExitStack() as stack:
        pooler = Pooler(server)
        stack.callback(pooler.stop)
        through = environment | {f"PGMIGRATOR_INSTANCES__{name}__PORT": str(pooler.port)}
        seen = find_problems(await observed(load(through)))
    assert [p.object for p in seen if p.check == "direct_connection"] == [side]


async def test_a_server_that_is_silent_is_a_finding(environment: dict[str, str]) -> None:
    nowhere = load(environment | {"PGMIGRATOR_INSTANCES__OLD__PORT": "1"})
    (found,) = (await check(nowhere, ()))[f"orders/{DATABASE}"]
    assert (found.check, found.object) == ("reachable", "source")
    assert "HOST, PORT" in found.fix


#: types whose parts decide whether they can be compared
NESTED = (
    "CREATE TYPE with_json AS (i int, j json[])",
    "CREATE DOMAIN shallow_json AS json",
    "CREATE DOMAIN deep_json AS shallow_json",
    "CREATE DOMAIN shallow_text AS text",
    "CREATE DOMAIN deep_text AS shallow_text",
    "CREATE TYPE comparable AS (j jsonb, t deep_text)",
)


async def test_full_is_proposed_exactly_where_it_helps(
    two: Pair, environment: dict[str, str]
) -> None:
    columns = {
        "plain": "i int",
        "compared": "i int, j jsonb, a int[], t text, r int4range",
        "j": "i int, j json",
        "p": "i int, p point",
        "x": "i int, x xml",
        "a": "i int, a json[]",
        "c": "i int, c with_json",
        "d": "i int, d deep_json",
        "w": "i int, w j[]",
        "m": "i int, m comparable, n deep_text[]",
        "g": "i int, g int GENERATED ALWAYS AS (i * 2) STORED",
        "late": "i int PRIMARY KEY DEFERRABLE, j json",
    }
    with provoked(two, NOTHING):
        here = two.source.dsn(DATABASE)
        run_all(here, NESTED)
        run_all(here, tuple(f"CREATE TABLE {name} ({text})" for name, text in columns.items()))
        proposed = await _identity_fixes(environment)
        assert proposed.keys() == set(columns)
        run_all(here, tuple(f"ALTER TABLE {name} REPLICA IDENTITY FULL" for name in columns))
        left = await _identity_fixes(environment)
    helps = {name for name, fix in proposed.items() if "REPLICA IDENTITY FULL;" in fix}
    assert set(columns) - left.keys() == helps
    assert {"plain", "compared", "m"} <= helps
    assert not {"c", "d", "w"} & helps
    assert all("ADD PRIMARY KEY" in proposed[name] for name in left)
    assert not any("REPLICA IDENTITY FULL;" in fix for fix in left.values())


async def _identity_fixes(environment: dict[str, str]) -> dict[str, str]:
    found = find_problems(await observed(load(environment)))
    return {
        problem.object.split('"')[3]: problem.fix
        for problem in found
        if problem.check == "replica_identity"
    }


async def test_rows_of_an_extension_are_copied_by_what_is_named(
    two: Pair, environment: dict[str, str], client_bin_dir: Path
) -> None:
    """As often as it is run: what was copied before is replaced, the extension's own rows stay."""
    [case] = [c for c in CASES if c.check == "extension_rows" and c.severity is Severity.DEGRADES]
    with provoked(two, case):
        there = two.destination.dsn(DATABASE)
        run_all(there, case.here)
        run_all(there, ('UPDATE "Odd rates" SET i = i - 1',))  # its own row is 0, ours 1
        run_all(there, ('UPDATE "Odd rates" SET i = 9 WHERE i = 1',))  # and outdated
        settings = load(environment)
        for _ in range(2):
            [found] = await wait_for(case, settings)
            command = found.fix[found.fix.index("(echo ") :]
            command = command.replace("SOURCE", shlex.quote(two.source.dsn(DATABASE)))
            command = command.replace("DESTINATION", shlex.quote(there))
            path = f"{client_bin_dir}:{os.environ['PATH']}"
            shell = await asyncio.create_subprocess_shell(command, env=os.environ | {"PATH": path})
            assert await shell.wait() == 0
            with psycopg.connect(there) as connection:
                rows = connection.execute('SELECT i FROM "Odd rates" ORDER BY i').fetchall()
            assert rows == [(0,), (2,)]
            # what the check compares
            seen = await observed(settings)
            assert problems_of(find_problems(seen), case) == []
            run_all(there, ('INSERT INTO "Odd rates" VALUES (7)',))


# --- nothing is left out -------------------------------------------------------------------------


def test_every_check_has_a_case() -> None:
    """A new check needs a case in preflight_cases.py, for each severity that it declares."""
    declared = {(each.id, severity) for each in CHECKS for severity in each.severities}
    cases = {(case.check, case.severity) for case in CASES}
    assert {pair for pair in declared if pair[0] not in ELSEWHERE} == cases
    assert {each.id for each in CHECKS} == {case.check for case in CASES} | set(ELSEWHERE)


def test_the_tests_elsewhere_are_there() -> None:
    tests = Path(__file__).parents[1]
    for check_id, place in ELSEWHERE.items():
        file, _, name = place.partition("::")
        text = (tests / file).read_text("utf-8")
        assert f"def {name}(" in text, place
        assert check_id in text, place


def test_every_check_is_provoked_from_every_version() -> None:
    """What runs from the other versions is a list in `.ci/run`: it names what provokes a check."""
    _, _, listed = (Path(__file__).parents[2] / ".ci" / "run").read_text("utf-8").rpartition("\n#")
    run = {word.strip('"').removeprefix("tests/") for word in listed.split()}
    places = {f"integration/{Path(__file__).name}", *ELSEWHERE.values()}
    assert sorted(p for p in places if not {p, p.partition("::")[0]} & run) == []


def test_every_check_is_provoked_for_real() -> None:
    """In each severity; what is simulated comes on top."""
    real = {(case.check, case.severity) for case in CASES if case.is_real}
    assert {(case.check, case.severity) for case in CASES} == real
