"""Positions of sequences: read on every version, set forward only."""

import pytest

from pgmigrator.core.facts import Sequence
from pgmigrator.core.names import TableName
from pgmigrator.postgres import sequences
from pgmigrator.postgres.connect import session
from tests.fixtures.databases import create_database, execute
from tests.fixtures.providers import Postgres
from tests.integration.replicating import endpoint

MANY = sequences.CHUNK + 20


@pytest.fixture
def database(clean_source: Postgres, clean_destination: Postgres) -> str:
    name = create_database(clean_source)
    return create_database(clean_destination, name)


async def _synchronize(
    source: Postgres, destination: Postgres, database: str
) -> tuple[sequences.Synchronized, dict[str, Sequence]]:
    async with (
        session(endpoint("source", source), database, "test") as here,
        session(endpoint("destination", destination), database, "test") as there,
    ):
        done = await sequences.synchronize(there, await sequences.read_source(here))
        return done, {s.name.name: s for s in await sequences.read_destination(there)}


async def test_positions_go_forward_only(
    clean_source: Postgres, clean_destination: Postgres, database: str
) -> None:
    both = (
        "CREATE SEQUENCE up",
        "CREATE SEQUENCE down INCREMENT -1 MINVALUE -9223372036854775808 MAXVALUE 100 START 100",
        "CREATE SEQUENCE round MAXVALUE 5 CYCLE",
        "CREATE SEQUENCE uncalled",
        "CREATE SEQUENCE ahead",
        'CREATE SEQUENCE "odd "" Näme" CACHE 20',
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, s serial)",
    )
    execute(
        clean_source.dsn(database),
        *both,
        "SELECT setval('up', 10), setval('down', -9223372036854775808), setval('round', 2)",
        "SELECT setval('uncalled', 500, false), setval('ahead', 10)",
        'SELECT nextval(\'"odd "" Näme"\')',
        "INSERT INTO t DEFAULT VALUES",
    )
    execute(
        clean_destination.dsn(database),
        *both,
        "SELECT setval('round', 4), setval('ahead', 20), setval('down', 50)",
    )
    done, there = await _synchronize(clean_source, clean_destination, database)
    assert done.missing == ()
    assert done.out_of_bounds == ()
    assert done.set == 7
    positions = {name: (s.last_value, s.is_called) for name, s in there.items()}
    assert positions == {
        "up": (10, True),
        "down": (-(2**63), True),
        "round": (2, True),
        "uncalled": (500, False),
        "ahead": (20, True),
        'odd " Näme': (20, True),
        "t_id_seq": (1, True),
        "t_s_seq": (1, True),
    }
    again, _ = await _synchronize(clean_source, clean_destination, database)
    assert again.set == 0


async def test_what_cannot_be_set_is_reported_and_stops_nothing(
    clean_source: Postgres, clean_destination: Postgres, database: str
) -> None:
    execute(
        clean_source.dsn(database),
        "CREATE SEQUENCE missing",
        "CREATE SEQUENCE wide",
        "CREATE SEQUENCE fine",
        "SELECT setval('wide', 1000), setval('fine', 1000)",
    )
    execute(
        clean_destination.dsn(database),
        "CREATE SEQUENCE wide MAXVALUE 100",
        "CREATE SEQUENCE fine",
    )
    done, there = await _synchronize(clean_source, clean_destination, database)
    assert done.missing == (TableName("public", "missing"),)
    assert done.out_of_bounds == (TableName("public", "wide"),)
    assert done.set == 1
    assert there["fine"].last_value == 1000


async def test_more_than_one_chunk(
    clean_source: Postgres, clean_destination: Postgres, database: str
) -> None:
    create = (
        "DO $$ BEGIN FOR i IN 1..220 LOOP EXECUTE 'CREATE SEQUENCE s' || i;"
        " PERFORM setval('s' || i, i + {}); END LOOP; END $$"
    )
    assert MANY == 220
    execute(clean_source.dsn(database), create.format(1))
    execute(clean_destination.dsn(database), create.format(0))
    done, there = await _synchronize(clean_source, clean_destination, database)
    assert done.set == MANY
    assert there["s220"].last_value == 221
