"""Everything that a schema can hold arrives, and the loss of anything would be seen."""

import asyncio
from pathlib import Path

import pytest
from psycopg import sql

from pgmigrator.core.drift import drifts
from pgmigrator.core.model import SchemaItem, SchemaKind
from pgmigrator.core.names import names
from pgmigrator.core.roles import RolePolicy
from pgmigrator.postgres import fingerprint, restore, roles
from pgmigrator.postgres.children import find_tools
from pgmigrator.postgres.connect import Connection, session
from pgmigrator.postgres.pair import DatabasePair
from tests.fixtures.databases import create_database, execute
from tests.fixtures.providers import Postgres
from tests.integration import torture
from tests.integration.replicating import endpoint
from tests.integration.torture.losses import LOSSES, NOT_SHOWN


@pytest.fixture
async def restored(
    clean_source: Postgres, clean_destination: Postgres, client_bin_dir: Path
) -> DatabasePair:
    """The torture database on the source, and its schema on the destination."""
    torture.create(clean_source)
    create_database(clean_destination, torture.DATABASE)
    pair = DatabasePair(
        endpoint("source", clean_source),
        endpoint("destination", clean_destination),
        torture.DATABASE,
        names("orders", 1, 1),
    )
    tools, lock = find_tools(client_bin_dir, 18), asyncio.Lock()
    assert await roles.create(pair.source, pair.destination, RolePolicy()) == ()
    owner = sql.SQL("ALTER DATABASE {} OWNER TO torture_owner")
    execute(clean_destination.dsn(), owner.format(sql.Identifier(torture.DATABASE)))
    assert await restore.restore_schema(pair, tools, created=True, dump_lock=lock) == ()
    assert await restore.restore_rest(pair, tools, created=True, dump_lock=lock) == ()
    return pair


async def test_everything_arrives_and_no_loss_is_overlooked(
    restored: DatabasePair,
    clean_source: Postgres,
    clean_destination: Postgres,
    client_bin_dir: Path,
) -> None:
    assert torture.differences(client_bin_dir, clean_source, clean_destination) == []
    async with (
        session(restored.source, restored.database, "test") as here,
        session(restored.destination, restored.database, "test") as there,
    ):
        assert await fingerprint.compare(here, there) == ()
        overlooked, unrepaired = [], []
        for kind, statement in LOSSES:
            async with there.transaction(force_rollback=True):
                await there.execute(statement.encode())
                found = await fingerprint.compare(here, there)
                left = await _repaired(here, there, found)
            if kind not in {item.kind for item in found}:
                overlooked.append((kind, statement, found))

            unrepaired += [(statement, item) for item in left]
        assert overlooked == []
        assert unrepaired == []
        assert await fingerprint.compare(here, there) == ()


async def _repaired(
    here: Connection, there: Connection, found: tuple[SchemaItem, ...]
) -> tuple[SchemaItem, ...]:
    """Run what is advised, if there is advice for all of it; return what is left then.

    Twice: an index that is made anew has lost its comment.
    """
    for _ in range(2):
        statements = [drift.statement for drift in drifts(found)]
        if None in statements:
            return ()
        # what belongs to an object comes after the object
        ordered = sorted(filter(None, statements), key=lambda text: not text.startswith("CREATE"))
        for statement in ordered:
            await there.execute(statement.encode())
        found = await fingerprint.compare(here, there)
    return found


def test_every_kind_is_lost_once() -> None:
    assert {kind for kind, _ in LOSSES} | NOT_SHOWN == set(SchemaKind)
