"""`pgmigrator check` tells before the daemon does, and changes nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import PairFactory

#: notes on the servers and programs at hand, which may not be the newest
OF_RELEASES = ("minor_releases", "client_programs")


def found_in(said: str) -> dict[str, list[dict[str, Any]]]:
    return {
        database: [problem for problem in problems if problem["check"] not in OF_RELEASES]
        for database, problems in json.loads(said).items()
    }


def test_check_finds_what_is_wrong_and_changes_nothing(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    pair = fresh_pair(source=shop.SOURCE, destination={"track_commit_timestamp": "on"})
    shop.create(pair.source, rows=10)
    shop.create(pair.source, "Archiv & Co", rows=10)

    def both() -> tuple[str, str]:
        return (
            shop.dump_all(client_bin_dir, pair.source),
            shop.dump_all(client_bin_dir, pair.destination),
        )

    asked = daemon(orders(pair))
    before = both()
    clean = asked.command("check", "--json")
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert found_in(clean.stdout) == {"orders/Archiv & Co": [], "orders/shop": []}
    assert both() == before
    assert shop.value(pair.source, "SELECT count(*) FROM pg_replication_slots") == 0

    shop.execute(pair.destination, "CREATE DATABASE shop", database="postgres")
    shop.execute(pair.destination, "CREATE TABLE theirs (i int)")
    shop.execute(pair.source, "CREATE TABLE heap (i int)")
    before = both()
    found = asked.command("check", "--json")
    assert found.returncode == 1
    document = found_in(found.stdout)["orders/shop"]
    assert set(document[0]) == {"check", "side", "severity", "object", "reason", "fix"}
    severities = {p["object"]: p["severity"] for p in document}
    assert severities == {"shop": "blocks", 'table "public"."heap"': "degrades"}
    narrowed = asked.command("check", "--database", "Archiv & Co")
    assert narrowed.returncode == 0, narrowed.stdout
    assert asked.command("check", "--settings-only").returncode == 0
    assert both() == before

    if pair.source.version < 19:  # which has no such encoding
        shop.execute(
            pair.source,
            "CREATE DATABASE mule ENCODING 'MULE_INTERNAL' LOCALE 'C' TEMPLATE template0",
            database="postgres",
        )
        [unread] = json.loads(asked.command("check", "--json").stdout)["orders/mule"]
        assert unread["check"] == "reachable"
        assert "pg_dump -E" in unread["fix"]

    pair.source.stop()
    silent = asked.command("check")
    assert silent.returncode == 1
    assert "does not answer" in silent.stdout or "refused" in silent.stdout


def test_a_wrong_setting_is_told_by_its_own_exit_status(daemon: Callable[..., Daemon]) -> None:
    asked = daemon({"PGMIGRATOR_MAPPINGS__ORDERS__SOURCE": "nowhere"})
    refused = asked.command("check")
    assert refused.returncode == 78
    assert "PGMIGRATOR_MAPPINGS__ORDERS" in refused.stderr
