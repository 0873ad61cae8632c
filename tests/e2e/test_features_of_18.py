"""What 18 brought arrives whole: of a source that has it, or else of one like its destination."""

from collections.abc import Callable
from pathlib import Path

from tests.e2e import shop
from tests.e2e.following import drift, dump, streams
from tests.fixtures.daemon import Daemon, orders, problems_of
from tests.fixtures.servers import PairFactory

FEATURES = (
    # rows break it, which no other row may
    "CREATE TABLE late (id int PRIMARY KEY, x int, y int)",
    "INSERT INTO late SELECT i, NULLIF(i % 3, 0), -i FROM generate_series(1, 30) i",
    "ALTER TABLE late ADD CONSTRAINT late_x NOT NULL x NOT VALID",
    "ALTER TABLE late ADD CONSTRAINT late_y CHECK (y > 0) NOT VALID",
    "CREATE TABLE late_parent (id int PRIMARY KEY, x int)",
    "CREATE TABLE late_child (PRIMARY KEY (id)) INHERITS (late_parent)",
    "INSERT INTO late_parent VALUES (1, NULL)",
    "INSERT INTO late_child VALUES (2, NULL)",
    "ALTER TABLE late_parent ADD CONSTRAINT late_parent_x NOT NULL x NOT VALID",
    "CREATE TABLE late_parts (id int PRIMARY KEY, x int) PARTITION BY RANGE (id)",
    "CREATE TABLE late_parts_1 PARTITION OF late_parts FOR VALUES FROM (1) TO (100)",
    "INSERT INTO late_parts VALUES (1, NULL)",
    "ALTER TABLE late_parts ADD CONSTRAINT late_parts_x NOT NULL x NOT VALID",
    # keys in time, as primary key and as replica identity (of ranges alone: others need btree_gist)
    "CREATE TABLE room (id int4range, during daterange, note text,"
    " CONSTRAINT room_key PRIMARY KEY (id, during WITHOUT OVERLAPS))",
    "CREATE TABLE booking (id int4range, during daterange, room int4range, note text,"
    " CONSTRAINT booking_key PRIMARY KEY (id, during WITHOUT OVERLAPS),"
    " CONSTRAINT booking_room FOREIGN KEY (room, PERIOD during)"
    " REFERENCES room (id, PERIOD during))",
    "CREATE TABLE slot (id int4range NOT NULL, during daterange NOT NULL, note text,"
    " CONSTRAINT slot_key UNIQUE (id, during WITHOUT OVERLAPS))",
    "ALTER TABLE slot REPLICA IDENTITY USING INDEX slot_key",
    "INSERT INTO room SELECT int4range(i, i, '[]'), '[2026-01-01,2027-01-01)' FROM"
    " generate_series(1, 50) i",
    "INSERT INTO room VALUES ('[1,1]', '[2027-01-01,2028-01-01)')",
    "INSERT INTO booking VALUES ('[1,1]', '[2026-02-01,2027-03-01)', '[1,1]', 'over new year')",
    "INSERT INTO slot SELECT int4range(i, i, '[]'), '[2026-01-01,2027-01-01)' FROM"
    " generate_series(1, 50) i",
    # columns that are computed when they are read
    "CREATE TABLE computed (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2)"
    " VIRTUAL, thrice int GENERATED ALWAYS AS (a * 3) STORED)",
    "INSERT INTO computed (id, a) SELECT i, i FROM generate_series(1, 50) i",
    # constraints that nobody enforces
    "CREATE TABLE loose (id int PRIMARY KEY, a int CONSTRAINT loose_a CHECK (a > 0) NOT ENFORCED,"
    " p int CONSTRAINT loose_p REFERENCES computed NOT ENFORCED)",
    "INSERT INTO loose VALUES (1, -1, 4711)",
    # the application's own: it publishes what is computed, ours does not
    "CREATE PUBLICATION theirs FOR ALL TABLES WITH (publish_generated_columns = stored)",
)
ALSO_19 = ("CREATE PUBLICATION most FOR ALL TABLES EXCEPT (TABLE room), ALL SEQUENCES",)
MOST = "for all tables but public.room, and for all sequences; it is not moved"
WRITES = (
    "UPDATE room SET note = 'w' || clock_timestamp() WHERE id = '[1,1]'",
    "UPDATE slot SET note = 'w' || clock_timestamp() WHERE lower(id) < 20",
    "UPDATE computed SET a = a + 1 WHERE id = 1 AND a < 400",
    "UPDATE loose SET a = a - 1, p = p + 1",
    "INSERT INTO late SELECT max(id) + 1, 1, 1 FROM late",
)
NOT_VALID = """
SELECT count(*) FROM pg_constraint
 WHERE conrelid = 'public.late'::regclass AND NOT convalidated AND conenforced
"""
#: at last: keys themselves are changed, and rows deleted
LAST = (
    "UPDATE room SET during = '[2027-01-01,2029-01-01)' WHERE during = '[2027-01-01,2028-01-01)'",
    "UPDATE slot SET during = '[2026-01-01,2026-06-01)' WHERE lower(id) = 30",
    "DELETE FROM room WHERE lower(id) BETWEEN 10 AND 20",
    "DELETE FROM slot WHERE lower(id) > 40",
)
#: what is done to the source, and what then differs; the fix is tried
CHANGES = (
    (
        "ALTER TABLE loose DROP CONSTRAINT loose_a, ADD CONSTRAINT loose_a CHECK (a < 9)",
        "NOT ENFORCED",
    ),
    (
        "ALTER TABLE slot REPLICA IDENTITY FULL, DROP CONSTRAINT slot_key,"
        " ADD CONSTRAINT slot_key UNIQUE (id, during)",
        "WITHOUT OVERLAPS",
    ),
    (
        "ALTER TABLE computed DROP thrice, ADD thrice int GENERATED ALWAYS AS (a * 3) VIRTUAL",
        "STORED",
    ),
    ("UPDATE late SET x = 1, y = 1; ALTER TABLE late VALIDATE CONSTRAINT late_x", "NOT NULL"),
)


def test_what_18_brought_arrives_whole(
    fresh_pair: PairFactory,
    daemon: Callable[..., Daemon],
    client_bin_dir: Path,
    source_version: int,
    destination_version: int,
) -> None:
    """Of 19 also what that brought: WAL that becomes logical with our slot, and publications."""
    alike = source_version < 18
    of_19 = (destination_version if alike else source_version) >= 19
    pair = fresh_pair(shop.SOURCE | ({"wal_level": "replica"} if of_19 else {}), alike=alike)
    source, destination = pair.source, pair.destination
    shop.execute(source, "CREATE DATABASE shop", database="postgres")
    shop.execute(source, *FEATURES, *(ALSO_19 if of_19 else ()))
    before = dump(client_bin_dir, pair)
    running = daemon(orders(pair))
    running.start()
    with shop.Application(source, WRITES) as application:
        running.wait_phase("ready")
        # a table that has such constraints is copied anew
        assert running.post("resync", database="shop", table="public.late")[0] == 202
        running.wait(
            lambda _: not shop.value(destination, NOT_VALID), "resync", "/status/orders/shop"
        )
        streams(running, "late")
        running.kill()  # a new one compares the schemas at once
        running.start()
        running.wait(
            lambda _: shop.value(destination, NOT_VALID) == 2, "what comes last", "/status/orders"
        )
    assert application.errors == []
    shop.execute(source, *LAST)
    assert dump(client_bin_dir, pair) == before
    running.wait(lambda _: not shop.differences(source, destination), "equal rows")
    assert drift(pair) == ()
    if of_19:
        assert shop.value(source, "SHOW effective_wal_level") == "logical"
        told = problems_of(running.database("shop"), "publications")
        assert told["publication most"]["reason"].startswith(MOST)
    status = running.database("shop")
    assert status["replication"]["apply_errors"] == status["replication"]["sync_errors"] == 0

    running.kill()
    for change, said in CHANGES:
        shop.execute(source, change)
        found = drift(pair)
        assert found, change
        assert any(said in f"{each.source} {each.destination}" for each in found), found
        for each in found:
            if each.statement is not None:
                shop.execute(destination, each.statement)
        left = drift(pair)
        assert not [each for each in left if each.statement], (change, left)
