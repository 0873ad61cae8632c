"""DDL that changes rows without replication carrying it: the light is off until rows are equal."""

import shlex
from collections.abc import Callable
from typing import Any

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders, problems_of
from tests.fixtures.servers import PairFactory

CUSTOMERS, STOCK = 'table "public"."customers"', 'table "public"."Großes Lager"'
#: each leaves every definition as it was
UNSEEN = (
    (CUSTOMERS, "ALTER TABLE customers ALTER name TYPE text USING upper(name)"),
    (
        STOCK,
        'ALTER TABLE "Großes Lager" DROP COLUMN "Menge",'
        ' ADD COLUMN "Menge" int NOT NULL DEFAULT 5; '
        'ALTER TABLE "Großes Lager" ALTER "Menge" DROP DEFAULT',
    ),
)
HARMLESS = ("TRUNCATE logged", "VACUUM (FULL) orders")


def rows_differ(document: Any) -> dict[str, dict[str, str]]:
    return problems_of(document, "rows_differ")


def gate(document: Any) -> str:
    [found] = [g["status"] for g in document["gates"] if g["name"] == "row_counts_match"]
    return str(found)


def test_the_light_is_off_until_rows_are_equal_again(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    running = daemon(orders(pair), PGMIGRATOR_REFRESH_INTERVAL_SECONDS="1")
    running.start()
    running.wait_phase("ready")
    with shop.Application(pair.source):
        for table, statement in UNSEEN:
            shop.execute(pair.source, *statement.split("; "))
            found = running.wait(
                lambda d: not d["ready"] and table in rows_differ(d),  # noqa: B023
                f"a light that is off for {table}",
                "/status/orders/shop",
            )
            assert gate(found) == "fail"
            assert not [p for p in found["problems"] if p["id"].startswith("schema_drift:")]
        # what a daemon knew is not lost with it
        running.kill()
        running.start()
        found = running.wait(
            lambda d: set(rows_differ(d)) == {CUSTOMERS, STOCK},
            "the same after a restart",
            "/status/orders/shop",
        )
        assert found["ready"] is False
        for problem in rows_differ(found).values():
            command = shlex.split(problem["fix"].partition("pgmigrator ")[2])
            assert running.command(*command).returncode == 0
        running.wait_phase("ready")
    running.wait(
        lambda _: not shop.differences(pair.source, pair.destination, "shop"), "equal data"
    )


def test_what_only_gives_a_table_a_new_file_is_compared_and_forgotten(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    shop.create(pair.source)
    running = daemon(orders(pair), PGMIGRATOR_REFRESH_INTERVAL_SECONDS="1")
    running.start()
    running.wait_phase("ready")
    noted = "SELECT md5(string_agg(source_storage, ',' ORDER BY table_oid)) FROM pgmigrator.tables"
    with shop.Application(pair.source):
        for statement in HARMLESS:
            before = shop.value(pair.destination, noted)
            shop.execute(pair.source, statement)
            running.wait(
                lambda _: shop.value(pair.destination, noted) != before,  # noqa: B023
                f"a comparison after {statement}",
                "/status/orders/shop",
            )
    document = running.wait_phase("ready")
    assert gate(running.database("shop")) == "pass", document
    assert rows_differ(running.database("shop")) == {}
