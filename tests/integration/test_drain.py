"""The drain: what it proves, and everything that keeps it from proving."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import LiteralString

import psycopg
import pytest

from pgmigrator.core.marker import ServerIdentity, Step
from pgmigrator.core.names import TableName
from pgmigrator.core.report import DrainProof
from pgmigrator.postgres.drain import drain
from tests.fixtures.providers import Postgres
from tests.integration.replicating import Replicated, replicate, until


@pytest.fixture
def replicated(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination)
    return found


@contextmanager
def client(replicated: Replicated, *statements: LiteralString) -> Iterator[None]:
    """A session of the application that ran the statements and stays."""
    dsn = replicated.source.dsn(replicated.pair.database)
    with psycopg.connect(dsn, autocommit=True, application_name="shop-api") as connection:
        for statement in statements:
            connection.execute(statement)
        yield


def _only_missing(proof: DrainProof, *words: str) -> None:
    assert not proof.proved
    assert len(proof.missing) == 1, proof.missing
    for word in words:
        assert word in proof.missing[0]


async def test_a_quiet_source_is_proved_and_sequences_are_set(replicated: Replicated) -> None:
    replicated.on_source(
        "SELECT nextval('shop.up'), nextval('shop.down'), setval('shop.round', 2)",
        "SELECT setval('shop.\"Fresh\"', 500, false)",
        "INSERT INTO shop.item VALUES (-1)",
    )
    proof = await drain(replicated.pair, replicated.marker)
    assert proof.missing == ()
    assert proof.proved
    assert proof.lsn is not None
    assert proof.sequences == 4
    assert replicated.read_destination("SELECT 1 FROM shop.item WHERE id = -1")
    assert replicated.read_destination("SELECT nextval('shop.\"Fresh\"')") == [(500,)]


async def test_it_may_be_repeated_and_is_quick(replicated: Replicated) -> None:
    for _ in range(5):
        replicated.on_source("UPDATE shop.item SET note = 'again'")
        proof = await drain(replicated.pair, replicated.marker)
        assert proof.proved, proof.missing
        assert proof.duration_seconds < 3


async def test_a_short_lived_writer_is_in_the_proof_or_prevents_it(
    replicated: Replicated,
) -> None:
    done = threading.Event()
    keys = iter(range(-1, -100_000, -1))
    acknowledged: list[int] = []

    def write() -> None:
        while not done.is_set():
            key = next(keys)
            with psycopg.connect(
                replicated.source.dsn(replicated.pair.database), autocommit=True
            ) as connection:
                connection.execute("INSERT INTO shop.item VALUES (%s)", [key])
            acknowledged.append(key)
            time.sleep(0.03)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(10):
            before = len(acknowledged)
            proof = await drain(replicated.pair, replicated.marker)
            if proof.proved:
                there = {row[0] for row in replicated.read_destination("SELECT id FROM shop.item")}
                assert set(acknowledged[:before]) <= there
            else:
                assert all("can still write" in reason for reason in proof.missing)
    finally:
        done.set()
        thread.join()


async def test_an_idle_session_is_named_with_its_fix(replicated: Replicated) -> None:
    with client(replicated):
        proof = await drain(replicated.pair, replicated.marker)
    _only_missing(proof, "role postgres", "shop-api", "127.0.0.1", "pg_terminate_backend(")


async def test_an_idle_session_can_be_accepted(replicated: Replicated) -> None:
    with client(replicated):
        proof = await drain(replicated.pair, replicated.marker, allow_idle=True)
    assert proof.proved, proof.missing
    assert any("up to its LSN only" in line for line in proof.not_covered)


async def test_an_open_transaction_without_xid_is_never_accepted(replicated: Replicated) -> None:
    with client(replicated, "BEGIN", "SELECT 1"):
        proof = await drain(replicated.pair, replicated.marker, allow_idle=True)
    _only_missing(proof, "idle in transaction", "shop-api")


async def test_a_prepared_transaction_prevents_a_proof(replicated: Replicated) -> None:
    replicated.on_source(
        "BEGIN", "INSERT INTO shop.item VALUES (-1)", "PREPARE TRANSACTION 'it''s'"
    )
    try:
        proof = await drain(replicated.pair, replicated.marker)
    finally:
        replicated.on_source("ROLLBACK PREPARED 'it''s'")
    _only_missing(proof, "ROLLBACK PREPARED 'it''s';")


async def test_a_session_in_another_database_does_not_matter(replicated: Replicated) -> None:
    with psycopg.connect(replicated.source.dsn()) as connection:
        connection.execute("SELECT 1")
        proof = await drain(replicated.pair, replicated.marker)
    assert proof.proved, proof.missing


async def test_our_name_alone_does_not_hide_a_session(replicated: Replicated) -> None:
    replicated.on_source(
        "CREATE ROLE pretender LOGIN SUPERUSER PASSWORD 'pretender'",
    )
    with psycopg.connect(
        replicated.source.dsn(replicated.pair.database),
        user="pretender",
        password="pretender",
        application_name="pgmigrator/orders/drain",
    ):
        proof = await drain(replicated.pair, replicated.marker)
    _only_missing(proof, "role pretender")


async def test_a_disabled_subscription_is_told_at_once(replicated: Replicated) -> None:
    name = replicated.names.subscription
    replicated.on_destination(f'ALTER SUBSCRIPTION "{name}" DISABLE')
    until(lambda: replicated.subscription() == (False, False))
    proof = await drain(replicated.pair, replicated.marker)
    assert not proof.proved
    assert any("subscription is disabled" in reason for reason in proof.missing)
    assert proof.duration_seconds < 3


async def test_a_lag_beyond_the_timeout_is_told(replicated: Replicated) -> None:
    with psycopg.connect(replicated.destination.dsn(replicated.pair.database)) as holder:
        holder.execute("LOCK TABLE shop.item IN ACCESS EXCLUSIVE MODE")
        replicated.on_source("INSERT INTO shop.item VALUES (-1)")
        proof = await drain(replicated.pair, replicated.marker, timeout_seconds=1)
    _only_missing(proof, "not applied in time", "timeout_seconds")
    assert proof.lsn is None


@pytest.mark.parametrize(
    ("on_source", "words"),
    [
        ("CREATE TABLE shop.late (id int PRIMARY KEY)", ("not published", '"late"')),
        ("ALTER TABLE shop.item ADD COLUMN more int", ("the schema differs", "more")),
        ("CREATE INDEX extra ON shop.item (note)", ("the schema differs", "extra")),
        ("ALTER TABLE shop.item REPLICA IDENTITY NOTHING", ("usable identity", '"item"')),
    ],
)
async def test_drift_prevents_a_proof(
    replicated: Replicated, on_source: LiteralString, words: tuple[str, ...]
) -> None:
    replicated.on_source(on_source)
    proof = await drain(replicated.pair, replicated.marker)
    assert not proof.proved
    for word in words:
        assert any(word in reason for reason in proof.missing), proof.missing


async def test_an_excluded_table_is_not_covered(replicated: Replicated) -> None:
    table: LiteralString = "CREATE TABLE shop.raw (note text)"
    replicated.on_source(table)
    replicated.on_destination(table)
    excluded = frozenset({TableName("shop", "raw")})
    assert not (await drain(replicated.pair, replicated.marker)).proved
    proof = await drain(replicated.pair, replicated.marker, excluded=excluded)
    assert proof.proved, proof.missing
    assert any('"raw"' in line for line in proof.not_covered)


async def test_what_is_never_replicated_is_not_covered(replicated: Replicated) -> None:
    statements: tuple[LiteralString, ...] = (
        "CREATE UNLOGGED TABLE shop.scratch (id int)",
        "CREATE MATERIALIZED VIEW shop.total AS SELECT count(*) FROM shop.item",
    )
    replicated.on_source(*statements, "SELECT lo_create(0)")
    replicated.on_destination(*statements)
    proof = await drain(replicated.pair, replicated.marker)
    assert proof.proved, proof.missing
    for word in ("shop.scratch", "shop.total", "1 large object"):
        assert any(word in line for line in proof.not_covered)


async def test_a_table_swapped_under_its_name_prevents_a_proof(replicated: Replicated) -> None:
    replicated.on_source(
        "BEGIN",
        "ALTER TABLE shop.item RENAME TO old_item",
        "CREATE TABLE shop.item (LIKE shop.old_item INCLUDING ALL)",
        "DROP TABLE shop.old_item",
        f'ALTER PUBLICATION "{replicated.names.publication}" ADD TABLE ONLY shop.item',
        "COMMIT",
    )
    proof = await drain(replicated.pair, replicated.marker)
    assert any("another table than the one that was copied" in r for r in proof.missing)


@pytest.mark.parametrize("side", ["source", "destination"])
async def test_another_timeline_prevents_a_proof(replicated: Replicated, side: str) -> None:
    now: ServerIdentity = getattr(replicated.marker, side)
    then = replace(now, timeline=now.timeline + 1)
    marker = replace(replicated.marker, **{side: then})  # type: ignore[arg-type]
    _only_missing(await drain(replicated.pair, marker), side, "timeline")


async def test_a_missing_sequence_prevents_a_proof(replicated: Replicated) -> None:
    replicated.on_source("CREATE SEQUENCE shop.later")
    proof = await drain(replicated.pair, replicated.marker)
    assert not proof.proved
    schema, position = proof.missing
    assert 'the schema differs: "shop"."later"' in schema
    assert '"later" is missing on the destination; create it' in position


async def test_after_the_switch_no_sequence_is_touched(replicated: Replicated) -> None:
    replicated.on_source("SELECT setval('shop.up', 777)")
    proof = await drain(replicated.pair, replicated.marker.having(Step.SWITCHED))
    _only_missing(proof, "switched")
    assert replicated.read_destination("SELECT last_value FROM shop.up") == [(1,)]
