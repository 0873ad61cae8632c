"""A source gets a minor release under way whose servers keep books in the columns' options."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pgmigrator.demo.installations import Installation
from tests.e2e import following, shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import Pair, PairFactory, ReleaseFactory

BOOKKEEPING = """SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'public'::regnamespace AND a.attoptions::text LIKE '%pg_attver%'"""
CAME_LATER = """
CREATE TABLE later (id int PRIMARY KEY, texts text[] DEFAULT '{pg_attver=1}');
ALTER TABLE later ALTER COLUMN id SET (n_distinct = -1);
INSERT INTO later VALUES (1), (2);
CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
INSERT INTO events (at, what) VALUES ('2027-02-03', 'next year');
"""


def test_a_source_is_patched_under_way(
    fresh_pair: PairFactory,
    released_of_module: ReleaseFactory,
    newest_release: Callable[[int], Installation],
    daemon: Callable[..., Daemon],
    client_bin_dir: Path,
) -> None:
    unpatched = released_of_module("15.18", shop.SOURCE)
    source = replace(unpatched, installation=newest_release(15))
    pair = Pair(source, fresh_pair(alike=True).destination)
    shop.create(source)
    running = daemon(orders(pair))
    running.start()
    running.wait_phase("ready")
    assert shop.value(source, BOOKKEEPING) == 0

    unpatched.stop()
    source.start()
    running.wait_phase("catching_up", "unknown", "failed")
    running.wait_phase("ready")
    shop.execute(source, *filter(str.strip, CAME_LATER.split(";")))
    assert shop.value(source, BOOKKEEPING) > 0
    before = following.dump(client_bin_dir, pair)
    following.streams(running, "later", "events_2027")
    column = "SELECT attoptions FROM pg_attribute WHERE attrelid = 'later'::regclass AND attnum = 1"
    assert shop.value(pair.destination, column) == ["n_distinct=-1"]
    following.arrives(pair, running, client_bin_dir, before)
