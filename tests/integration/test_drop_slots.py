"""The slots that keep too much WAL all go: the main one and those of the table synchronisation."""

import re

from pgmigrator.postgres import publication
from tests.fixtures.providers import Postgres
from tests.integration.replicating import Replicated, replicate

SLOTS = "SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()"


async def test_table_sync_slots_go_with_the_main_slot(
    clean_source: Postgres, clean_destination: Postgres
) -> None:
    replicated: Replicated = replicate(clean_source, clean_destination)
    pair = replicated.pair
    identifier = re.findall(r"\d+$", pair.names.publication_comment)[0]
    replicated.on_destination(
        f'ALTER SUBSCRIPTION "{pair.names.subscription}" DISABLE',
    )
    replicated.on_source(
        f"SELECT pg_create_logical_replication_slot('pg_77_sync_1_{identifier}', 'pgoutput')",
        f"SELECT pg_create_logical_replication_slot('pg_78_sync_1_{identifier}', 'pgoutput')",
    )

    pattern = rf"pg\_77\_sync\_%\_{identifier}"
    await publication.drop_slots(pair.source, pair.database, pair.names, pattern, subscribed=True)

    assert replicated.read_source(SLOTS) == [(f"pg_78_sync_1_{identifier}",)]
