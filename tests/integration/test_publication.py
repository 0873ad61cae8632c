"""Our publication on the source: what it takes to let a table go."""

import psycopg
import pytest

from pgmigrator.core.names import TableName
from pgmigrator.errors import Refused
from pgmigrator.postgres import publication
from tests.fixtures.providers import Postgres
from tests.integration.replicating import Replicated, replicate

ITEM, ODD = TableName("shop", "item"), TableName("shop", "odd Näme")


async def _let_go(replicated: Replicated) -> None:
    gone = tuple(table for table in replicated.tables if table[1] in (ITEM, ODD))
    pair = replicated.pair
    await publication.drop_tables(pair.source, pair.database, pair.names, gone)


def _published(replicated: Replicated) -> set[str]:
    rows = replicated.read_source("SELECT tablename FROM pg_publication_tables")
    return {name for (name,) in rows} & {ITEM.name, ODD.name}


async def test_a_table_that_is_locked_keeps_no_other_published(
    clean_source: Postgres, clean_destination: Postgres
) -> None:
    """It is named with the statement that ends the lock; then it goes too."""
    replicated: Replicated = replicate(clean_source, clean_destination)
    replicated.on_source(
        "ALTER TABLE shop.item DROP CONSTRAINT item_pkey",
        'ALTER TABLE shop."odd Näme" DROP CONSTRAINT "odd Näme_pkey"',
    )
    with psycopg.connect(replicated.source.dsn(replicated.pair.database)) as vacuum:
        # the lock of a manual VACUUM and of CREATE INDEX CONCURRENTLY
        vacuum.execute("LOCK TABLE shop.item IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(Refused) as refused:
            await _let_go(replicated)
        assert f"SELECT pg_terminate_backend({vacuum.info.backend_pid});" in str(refused.value)
        assert ODD.name not in str(refused.value)
        replicated.on_source('UPDATE shop."odd Näme" SET id = -id')
        assert _published(replicated) == {ITEM.name}
    replicated.on_source("UPDATE shop.event SET id = -id")
    gone = tuple(table for table in replicated.tables if table[1] == ITEM)
    pair = replicated.pair
    await publication.drop_tables(pair.source, pair.database, pair.names, gone)
    assert _published(replicated) == set()
