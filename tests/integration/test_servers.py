"""The fixtures themselves: servers start, ask for passwords, replicate, fail and come back."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from pgmigrator.demo.installations import fill_cache
from pgmigrator.demo.servers import Server
from tests.fixtures.databases import cleaned, create_database, execute
from tests.fixtures.providers import Postgres, local_server
from tests.fixtures.proxy import Proxy
from tests.fixtures.servers import PairFactory


def scalar(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def test_both_servers_answer_with_their_versions(
    source: Postgres, destination: Postgres, source_version: int, destination_version: int
) -> None:
    query = "SELECT current_setting('server_version_num')::int / 10000"
    assert scalar(source.dsn(), query) == source.version == source_version
    assert scalar(destination.dsn(), query) == destination.version == destination_version


def test_a_wrong_password_is_refused(source: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(make_conninfo(source.dsn(), password="wrong"))


def test_a_subscription_replicates(
    clean_source: Postgres,
    clean_destination: Postgres,
    source_database: str,
    destination_database: str,
) -> None:
    table = "CREATE TABLE item (id int PRIMARY KEY)"
    execute(
        clean_source.dsn(source_database),
        table,
        "INSERT INTO item SELECT generate_series(1, 10)",
        "CREATE PUBLICATION items FOR TABLE item",
    )
    execute(
        clean_destination.dsn(destination_database),
        table,
        SQL("CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION items").format(
            Identifier(source_database), clean_source.peer_dsn(source_database)
        ),
    )
    execute(clean_source.dsn(source_database), "INSERT INTO item VALUES (11)")

    @retry(
        retry=retry_if_exception_type(AssertionError),
        stop=stop_after_delay(30),
        wait=wait_fixed(0.05),
        reraise=True,
    )
    def arrived() -> None:
        dsn = clean_destination.dsn(destination_database)
        assert scalar(dsn, "SELECT count(*) FROM item") == 11

    arrived()


def test_the_clean_up_leaves_nothing(clean_source: Postgres) -> None:
    everything = """SELECT array_agg(name ORDER BY name) FROM (
        SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles
        UNION SELECT slot_name FROM pg_replication_slots
        UNION SELECT gid FROM pg_prepared_xacts) t (name)"""
    before = scalar(clean_source.dsn(), everything)
    with cleaned(clean_source):
        name = create_database(clean_source)
        execute(
            clean_source.dsn(name),
            "CREATE ROLE test_owner",
            "CREATE ROLE test_member IN ROLE test_owner",
            "GRANT CONNECT ON DATABASE postgres TO test_member",
            "CREATE TABLE item (id int PRIMARY KEY)",
            "ALTER TABLE item OWNER TO test_owner",
            "SELECT pg_create_logical_replication_slot('test_slot', 'pgoutput')",
            "BEGIN; INSERT INTO item VALUES (1); PREPARE TRANSACTION 'test_gid'",
        )
        assert scalar(clean_source.dsn(), everything) != before
    assert scalar(clean_source.dsn(), everything) == before


def test_two_processes_fill_the_cache_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGM_SERVERS_DIR", str(tmp_path))
    both_fill = Barrier(2, timeout=10)

    def fill(folder: Path) -> None:
        (folder / "program").touch()
        both_fill.wait()

    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: fill_cache("server", fill), range(2)))
    assert folders == [tmp_path / "server"] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["server"]
    assert (tmp_path / "server" / "program").exists()


def test_a_killed_server_recovers(fresh_pair: PairFactory) -> None:
    server = fresh_pair().source
    execute(server.dsn(), "CREATE TABLE item AS SELECT 1 AS id")
    server.kill()
    assert not server.running
    server.start()
    assert scalar(server.dsn(), "SELECT count(*) FROM item") == 1


def test_a_cold_copy_takes_the_place_of_its_original(
    own_server: Callable[[Server], Server], destination_version: int
) -> None:
    original = own_server(local_server(destination_version, {}))
    original.stop()
    copy = own_server(original.copy(port=original.port))
    original.start()
    execute(original.dsn(), "CREATE TABLE made_after_the_copy ()")
    original.stop()
    copy.start()
    assert scalar(original.dsn(), "SELECT to_regclass('made_after_the_copy')") is None


def test_a_standby_is_promoted(
    fresh_pair: PairFactory, own_server: Callable[[Server], Server]
) -> None:
    primary = fresh_pair().source
    standby = own_server(primary.standby())
    standby.start()
    assert scalar(standby.dsn(), "SELECT pg_is_in_recovery()") is True
    standby.promote()
    assert scalar(standby.dsn(), "SELECT pg_is_in_recovery()") is False


def test_the_proxy_cuts_blocks_and_restores(
    source: Postgres, proxy: Callable[[Postgres], Proxy]
) -> None:
    line = proxy(source)
    patient = make_conninfo(line.dsn("postgres"), connect_timeout=2)
    with psycopg.connect(patient, autocommit=True) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        line.stop()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(patient)
    line.start()
    assert scalar(patient, "SELECT 1") == 1
    line.deafen()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        psycopg.connect(patient)
    line.start()
    assert scalar(patient, "SELECT 1") == 1
