"""Tables that come later: created with what they need, each on its own, and noted as ours."""

import asyncio
from pathlib import Path
from typing import Any, LiteralString

import pytest

from pgmigrator.core.model import SchemaItem
from pgmigrator.core.names import TableName
from pgmigrator.postgres import (
    bookkeeping,
    fingerprint,
    publication,
    renew,
    restore,
    retire,
    subscription,
)
from pgmigrator.postgres.children import Tools, find_tools, version
from pgmigrator.postgres.connect import session
from pgmigrator.postgres.failures import Failure
from pgmigrator.postgres.schema import identity_keys
from tests.fixtures.providers import Postgres
from tests.integration.replicating import Replicated, replicate

#: on both sides already
BEFORE: tuple[LiteralString, ...] = (
    "CREATE TYPE shop.status AS ENUM ('new', 'paid')",
    "CREATE TABLE shop.log (id int, day int, note text, PRIMARY KEY (id, day))"
    " PARTITION BY RANGE (day)",
    "CREATE INDEX some_name ON shop.log (note)",
    "CREATE TABLE shop.log_rest PARTITION OF shop.log DEFAULT",
)
#: what comes later on the source
LATER: tuple[LiteralString, ...] = (
    'CREATE SCHEMA "Größe"',
    'CREATE DOMAIN "Größe".positive AS int CHECK (VALUE > 0)',
    "CREATE TYPE \"Größe\".color AS ENUM ('red')",
    "CREATE FUNCTION \"Größe\".fits(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 < 100'",
    'CREATE TABLE "Größe"."all\nof it" (id serial PRIMARY KEY, k int GENERATED ALWAYS AS IDENTITY,'
    ' n "Größe".positive CHECK ("Größe".fits(n)), c "Größe".color, s shop.status,'
    " twice int GENERATED ALWAYS AS (id * 2) STORED, u text UNIQUE)",
    'COMMENT ON COLUMN "Größe"."all\nof it".n IS \'how many\'',
    'GRANT SELECT ON "Größe"."all\nof it" TO PUBLIC',
    'CREATE INDEX ON "Größe"."all\nof it" (c)',
    # a partition of what is there, made as applications do: its indexes get names of their own
    "CREATE TABLE shop.later (note text, day int NOT NULL, id int NOT NULL)",
    "ALTER TABLE shop.later ADD CONSTRAINT odd PRIMARY KEY (id, day)",
    "CREATE INDEX odder ON shop.later (note)",
    "CREATE INDEX oddest ON shop.later (day)",
    "ALTER TABLE shop.log ATTACH PARTITION shop.later FOR VALUES FROM (10) TO (20)",
    "CREATE TABLE shop.log_2 PARTITION OF shop.log FOR VALUES FROM (20) TO (30)",
    # a whole family
    "CREATE TABLE shop.tree (id int PRIMARY KEY, note text) PARTITION BY RANGE (id)",
    "CREATE INDEX ON shop.tree (note)",
    "CREATE TABLE shop.branch PARTITION OF shop.tree FOR VALUES FROM (0) TO (9)"
    " PARTITION BY RANGE (id)",
    "CREATE TABLE shop.leaf PARTITION OF shop.branch FOR VALUES FROM (0) TO (5)",
    "CREATE TABLE shop.full_rows (note text)",
    "ALTER TABLE shop.full_rows REPLICA IDENTITY FULL",
    # without a leaf, on its own and below what is there
    'CREATE TABLE "Größe".bare (c "Größe".color, id int PRIMARY KEY) PARTITION BY RANGE (id)',
    'CREATE INDEX ON "Größe".bare (c)',
    "CREATE TABLE shop.log_3 PARTITION OF shop.log FOR VALUES FROM (30) TO (40)"
    " PARTITION BY LIST (day)",
)
#: in this order, the families are there before what comes with them is asked for
BARE = (TableName("Größe", "bare"), TableName("shop", "log_3"))
NAMES = (
    TableName("Größe", "all\nof it"),
    TableName("shop", "later"),
    TableName("shop", "log_2"),
    TableName("shop", "leaf"),
    TableName("shop", "full_rows"),
)
UP_TO_DATE: LiteralString = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE NOT i.indisvalid AND c.relnamespace = 'shop'::regnamespace
"""


@pytest.fixture
def replicated(clean_source: Postgres, clean_destination: Postgres) -> Replicated:
    found: Replicated = replicate(clean_source, clean_destination, BEFORE)
    return found


@pytest.fixture
def tools(client_bin_dir: Path) -> Tools:
    return find_tools(client_bin_dir, version(client_bin_dir) // 10000)


async def create(replicated: Replicated, tools: Tools, *names: TableName) -> tuple[Failure, ...]:
    query: LiteralString = "SELECT to_regclass(%s)::oid::bigint"
    oids = [(replicated.read_source(query, str(name))[0][0], name) for name in names]
    return await restore.restore_tables(replicated.pair, tools, oids, dump_lock=asyncio.Lock())


async def differences(replicated: Replicated) -> tuple[SchemaItem, ...]:
    pair = replicated.pair
    async with (
        session(pair.source, pair.database, "test") as source,
        session(pair.destination, pair.database, "test") as destination,
    ):
        return await fingerprint.compare(source, destination)


async def notes(replicated: Replicated) -> dict[TableName, bookkeeping.Note]:
    pair = replicated.pair
    async with session(pair.destination, pair.database, "test") as destination:
        return await bookkeeping.read(destination)


async def test_tables_come_with_everything_they_need(replicated: Replicated, tools: Tools) -> None:
    replicated.on_source(*LATER)
    assert await create(replicated, tools, *BARE, *NAMES) == ()
    left = await differences(replicated)
    assert all(item.missing for item in left), left
    # indexes of plain tables wait for the copy; partitions have theirs, under the source's names
    assert {(item.object, item.kind) for item in left} == {
        (str(NAMES[0]), "index"),
        (str(NAMES[0]), "constraint"),
        (str(BARE[0]), "index"),
    }
    assert replicated.read_destination(UP_TO_DATE) == []
    # and once more: nothing is left to do
    assert await create(replicated, tools, *NAMES, *BARE) == ()
    tools_ = await restore.restore_rest(
        replicated.pair, tools, created=True, dump_lock=asyncio.Lock()
    )
    assert tools_ == ()
    assert await differences(replicated) == ()
    for query in (
        "SELECT has_table_privilege('public', '\"Größe\".\"all\nof it\"', 'SELECT'),"
        ' col_description(\'"Größe"."all\nof it"\'::regclass, 3)',
        "SELECT pg_get_serial_sequence('\"Größe\".\"all\nof it\"', 'id')",
    ):
        assert replicated.read_source(query) == replicated.read_destination(query)


async def test_what_is_created_is_noted_as_ours(replicated: Replicated, tools: Tools) -> None:
    replicated.on_source(*LATER)
    replicated.on_destination("CREATE TABLE shop.full_rows (note text)")  # somebody was faster
    assert await create(replicated, tools, *NAMES) == ()
    found = await notes(replicated)
    for name in NAMES[:4]:
        [(oid,)] = replicated.read_source("SELECT %s::regclass::oid::bigint", str(name))
        assert found[name] == bookkeeping.Note(oid, created=True, filled=False)
    assert NAMES[4] not in found
    pair = replicated.pair
    query: LiteralString = "SELECT oid::bigint FROM pg_class WHERE relname IN ('tree', 'branch')"
    async with session(pair.destination, pair.database, "test") as destination:
        partitioned = await bookkeeping.read_partitioned(destination)
    assert sorted(partitioned.items()) == sorted(
        zip(
            (oid for (oid,) in replicated.read_destination(f"{query} ORDER BY relname")),
            (oid for (oid,) in replicated.read_source(f"{query} ORDER BY relname")),
            strict=True,
        )
    )
    # another table that takes the name is not ours
    replicated.on_destination("DROP TABLE shop.log_2", "CREATE TABLE shop.log_2 (id int)")
    assert NAMES[2] not in await notes(replicated)


async def test_a_table_that_fails_stops_no_other(replicated: Replicated, tools: Tools) -> None:
    replicated.on_source(*LATER)
    replicated.on_destination(
        "CREATE TABLE shop.clash (a int, b int, c int)",
        "CREATE INDEX odder ON shop.clash (a)",  # the name that an index of "later" has
    )
    [failure] = await create(replicated, tools, *NAMES, *BARE)
    assert failure.object == f"table {NAMES[1]}"
    assert 'relation "odder" already exists' in failure.reason
    missing = {item.object for item in await differences(replicated) if item.kind == "table"}
    assert missing == {str(NAMES[1])} | {str(TableName("shop", "clash"))}
    assert NAMES[1] not in await notes(replicated)  # all of it, or nothing


async def test_a_name_that_means_something_else_stops_no_other(
    replicated: Replicated, tools: Tools
) -> None:
    replicated.on_source(*LATER)
    replicated.on_destination("CREATE VIEW shop.later AS SELECT 1 AS id")
    [failure] = await create(replicated, tools, NAMES[1], *NAMES[2:])
    assert failure.object == f"table {NAMES[1]}"
    assert "something else under" in failure.reason
    missing = {item.object for item in await differences(replicated) if item.kind == "table"}
    assert not missing & {str(name) for name in NAMES[2:]}


async def test_a_table_dropped_meanwhile_stops_no_other(
    replicated: Replicated, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    replicated.on_source(*LATER)

    async def dropped_meanwhile(*arguments: Any) -> Any:
        replicated.on_source("DROP TABLE shop.later")  # it is in the dump
        return await identity_keys(*arguments)

    monkeypatch.setattr("pgmigrator.postgres.restore.identity_keys", dropped_meanwhile)
    [failure] = await create(replicated, tools, NAMES[1], NAMES[4])
    assert failure.object == f"table {NAMES[1]}"
    assert "dropped on the source" in failure.reason
    assert NAMES[4] in await notes(replicated)


async def test_a_table_that_is_gone_again_is_left_out(replicated: Replicated, tools: Tools) -> None:
    replicated.on_source(*LATER)
    gone = [(1, TableName("shop", "gone"))]
    lock = asyncio.Lock()
    assert await restore.restore_tables(replicated.pair, tools, gone, dump_lock=lock) == ()


async def test_what_has_the_name_already_is_told(replicated: Replicated, tools: Tools) -> None:
    """Else the table would be wanted, and the source dumped for it, again and again."""
    replicated.on_source(*LATER)
    replicated.on_destination(
        "CREATE UNLOGGED TABLE shop.full_rows (note text)", "CREATE TABLE shop.log_3 (id int)"
    )
    found = await create(replicated, tools, *NAMES, *BARE)
    assert {failure.object for failure in found} == {f"table {NAMES[4]}", f"table {BARE[1]}"}
    assert all("something else under this name" in failure.reason for failure in found)


# --- rows that did not come from our copy ------------------------------------------------------


async def test_what_a_person_loaded_by_hand_is_never_emptied_nor_dropped(
    replicated: Replicated, tools: Tools
) -> None:
    replicated.on_source(*LATER)
    assert await create(replicated, tools, NAMES[4], NAMES[2]) == ()
    replicated.on_destination("INSERT INTO shop.full_rows VALUES ('by hand')")
    # another one takes its place, with other columns; then none
    replicated.on_source("DROP TABLE shop.full_rows", "CREATE TABLE shop.full_rows (id int)")
    [failure] = await renew.empty_tables(replicated.pair, [NAMES[4]])
    assert failure.object == f"table {NAMES[4]}"
    assert "did not come from" in failure.reason
    replicated.on_source("DROP TABLE shop.full_rows")
    [failure] = await retire.drop_tables(replicated.pair, [NAMES[4]])
    assert "did not come from" in failure.reason
    rows: LiteralString = "SELECT note FROM shop.full_rows"
    assert replicated.read_destination(rows) == [("by hand",)]
    # what nobody loaded goes
    replicated.on_destination("TRUNCATE shop.full_rows")
    assert await retire.drop_tables(replicated.pair, [NAMES[4]]) == ()
    assert NAMES[4] not in await notes(replicated)


async def test_what_was_never_filled_and_is_empty_is_made_anew(
    replicated: Replicated, tools: Tools
) -> None:
    replicated.on_source(*LATER)
    assert await create(replicated, tools, NAMES[4]) == ()
    replicated.on_source("DROP TABLE shop.full_rows", "CREATE TABLE shop.full_rows (id int)")
    assert await renew.empty_tables(replicated.pair, [NAMES[4]]) == ()
    assert NAMES[4] not in await notes(replicated)
    assert await create(replicated, tools, NAMES[4]) == ()
    assert [item for item in await differences(replicated) if item.object == str(NAMES[4])] == []


async def test_what_a_copy_has_filled_is_noted_so(replicated: Replicated, tools: Tools) -> None:
    replicated.on_source(*LATER)
    replicated.on_destination("CREATE TABLE shop.full_rows (note text)")  # somebody was faster
    assert await create(replicated, tools, NAMES[2]) == ()
    pair = replicated.pair
    oid: LiteralString = "SELECT %s::regclass::oid::bigint"
    wanted = [(replicated.read_source(oid, str(name))[0][0], name) for name in (NAMES[2], NAMES[4])]
    await publication.add_tables(pair.source, pair.database, pair.names, tuple(wanted))
    await subscription.refresh(pair.destination, pair.database, pair.names, wanted, {}, {})
    found = await notes(replicated)
    assert found[NAMES[2]] == bookkeeping.Note(wanted[0][0], created=True, filled=True)
    assert found[NAMES[4]] == bookkeeping.Note(wanted[1][0], created=False, filled=True)
