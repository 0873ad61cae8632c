"""Rows that people put into the tables of an extension: copied by themselves, once."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pgmigrator.demo.servers import Server, new_home
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders, problems_of
from tests.fixtures.servers import PairFactory

CONTROL = "default_version = '1.0'\nrelocatable = false\nschema = keeps\n"
SCRIPT = """
CREATE TABLE "Parents" (id int PRIMARY KEY, note text, own bool NOT NULL DEFAULT false);
INSERT INTO "Parents" VALUES (1, 'of the extension', true);
-- refers to one that is copied later
CREATE TABLE "A child" (id int PRIMARY KEY, parent int NOT NULL REFERENCES "Parents");
CREATE TABLE named_r (r int, note text);
CREATE TABLE computed (id bigint GENERATED ALWAYS AS IDENTITY, i int,
  twice int GENERATED ALWAYS AS (i * 2) STORED);
CREATE TABLE nothing_but_computed (one int GENERATED ALWAYS AS (1) STORED);
CREATE TABLE refused (i int CONSTRAINT small CHECK (i < 10));
CREATE TABLE unreadable (i int);
CREATE SEQUENCE counter;
SELECT pg_catalog.pg_extension_config_dump('"A child"', '');
SELECT pg_catalog.pg_extension_config_dump('"Parents"', 'WHERE NOT "Parents".own');
SELECT pg_catalog.pg_extension_config_dump('named_r', 'WHERE r > 0');
SELECT pg_catalog.pg_extension_config_dump('computed', '');
SELECT pg_catalog.pg_extension_config_dump('nothing_but_computed', '');
SELECT pg_catalog.pg_extension_config_dump('refused', '');
SELECT pg_catalog.pg_extension_config_dump('unreadable', 'WHERE 1 / i > 0');
SELECT pg_catalog.pg_extension_config_dump('counter', '');
"""
CREATE = (
    "CREATE EXTENSION keeps",
    "INSERT INTO keeps.\"Parents\" SELECT i, E'☃ \\\\ \\t' || i FROM generate_series(2, 5000) i",
    'INSERT INTO keeps."A child" SELECT i, i FROM generate_series(2, 99) i',
    "INSERT INTO keeps.named_r VALUES (1, 'a'), (2, NULL), (-1, 'not of anybody''s own')",
    "INSERT INTO keeps.computed (i) SELECT generate_series(1, 50)",
    "INSERT INTO keeps.nothing_but_computed DEFAULT VALUES",
    "ALTER TABLE keeps.refused DROP CONSTRAINT small",
    "INSERT INTO keeps.refused VALUES (4711)",
    "INSERT INTO keeps.unreadable VALUES (0), (1)",
    "SELECT nextval('keeps.counter') FROM generate_series(1, 7)",
    # checked on the destination once it has what it refers to
    'CREATE TABLE app (id int PRIMARY KEY, parent int REFERENCES keeps."Parents")',
    "INSERT INTO app SELECT i, i FROM generate_series(2, 500) i",
)
ALIKE = ("Parents", "A child", "computed")


@pytest.fixture
def extension_folder() -> Iterator[Path]:
    """A folder that servers can read, with an extension."""
    folder = new_home()
    (folder / "extension").mkdir()
    (folder / "extension" / "keeps.control").write_text(CONTROL)
    (folder / "extension" / "keeps--1.0.sql").write_text(SCRIPT)
    yield folder
    shutil.rmtree(folder)


def held(server: Server, table: str) -> str:
    """Return all rows of a table."""
    rows = shop.value(
        server,
        f'SELECT string_agg(t::text, \' \' ORDER BY t::text COLLATE "C") FROM keeps."{table}" t',
    )
    return str(rows)


def test_rows_of_an_extension_arrive_by_themselves(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], extension_folder: Path
) -> None:
    """From 18, which takes extensions from a folder of ours."""
    path = {"extension_control_path": f"$system:{extension_folder}"}
    pair = fresh_pair(shop.SOURCE | path, path, alike=True)
    source, destination = pair.source, pair.destination
    shop.execute(source, "CREATE DATABASE shop", database="postgres")
    shop.execute(source, *CREATE)
    running = daemon(orders(pair))
    running.start("during:pgmigrator.postgres.restore.copy_extension_rows")
    running.wait_dead()
    running.start()
    found = running.wait(
        lambda d: d["phase"] == "catching_up" and len(problems_of(d, "extension_rows")) == 2,
        "named tables",
        "/status/orders/shop",
    )
    named = problems_of(found, "extension_rows")
    assert named.keys() == {"table keeps.refused", "table keeps.unreadable"}
    assert "division by zero" not in named["table keeps.unreadable"]["reason"]
    assert "pg_dump --data-only --table=keeps.refused" in named["table keeps.refused"]["fix"]
    failed = problems_of(found, "restore_failed")
    assert failed.keys() == {"rows of table keeps.refused", "rows of table keeps.unreadable"}
    assert 'violates check constraint "small"' in failed["rows of table keeps.refused"]["reason"]
    assert "4711" not in str(found["problems"])
    for table in ALIKE:
        assert held(source, table) == held(destination, table)
    assert held(destination, "named_r") == "(1,a) (2,)"

    running.kill()
    shop.execute(source, "DELETE FROM keeps.unreadable WHERE i = 0")
    shop.execute(
        destination,
        "ALTER TABLE keeps.refused DROP CONSTRAINT small",
        # as a newer version of the extension might
        "ALTER TABLE keeps.named_r ADD a_newer int DEFAULT 7",
    )
    running.start()
    running.wait_phase("ready")
    status, outcome = running.post("switch")
    assert status == 200, outcome
    assert "rows of yours in tables of extensions" in str(outcome)
    for table in (*ALIKE, "refused", "unreadable"):
        assert held(source, table) == held(destination, table)
    assert shop.value(destination, "SELECT nextval('keeps.counter')") == 8
