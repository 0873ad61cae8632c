"""Several mappings side by side: two into one destination, one source into two."""

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, instance, mapping
from tests.fixtures.servers import PairFactory

OTHER = "Archiv & Co"
USER_DATABASES = """SELECT array_agg(datname ORDER BY datname) FROM pg_database
    WHERE datname !~ '^(template|postgres)'"""
OURS = """SELECT (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_publication)
     + (SELECT count(*) FROM pg_subscription)"""


def test_two_into_one_destination_and_one_source_into_two(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    first, second = fresh_pair(source=shop.SOURCE), fresh_pair(source=shop.SOURCE)
    shop.create(first.source)
    shop.create(second.source, OTHER)
    routes = {
        "one": (first.source, first.destination, "shop"),
        "two": (second.source, first.destination, OTHER),
        "three": (first.source, second.destination, "shop"),
    }
    running = daemon(
        *(instance(f"old{i}", pair.source) for i, pair in enumerate((first, second))),
        *(instance(f"new{i}", pair.destination) for i, pair in enumerate((first, second))),
        mapping("one", "old0", "new0"),
        mapping("two", "old1", "new0"),
        mapping("three", "old0", "new1"),
    )
    running.start()
    with shop.Application(first.source) as here, shop.Application(second.source, database=OTHER):
        for name in routes:
            running.wait_phase("ready", mapping_name=name, seconds=150)
    assert here.errors == []

    for name, (source, destination, database) in routes.items():
        status, outcome = running.post("switch", name)
        assert status == 200, outcome
        assert shop.differences(source, destination, database) == []
    assert running.post("complete", "one")[0] == 200
    # what the other mapping has on the same source is untouched
    assert shop.value(first.source, "SELECT array_agg(pubname) FROM pg_publication") == [
        "pgmigrator_three"
    ]
    assert running.database("shop", "three")["phase"] == "switched"
    for name in ("two", "three"):
        assert running.post("complete", name)[0] == 200
    for pair in (first, second):
        database = "shop" if pair is first else OTHER
        assert shop.value(pair.source, OURS, database) == 0


def test_colliding_names_are_refused_before_anything_is_created(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    first, second = fresh_pair(source=shop.SOURCE), fresh_pair(source=shop.SOURCE)
    for source in (first.source, second.source):
        shop.create(source, rows=10)
    shop.create(second.source, OTHER, rows=10)
    settings = (
        instance("old0", first.source)
        | instance("old1", second.source)
        | instance("new", first.destination)
        | mapping("one", "old0", "new")
        | mapping("two", "old1", "new")
    )
    running = daemon(settings)
    running.start()
    for name, other in (("one", "two"), ("two", "one")):
        refused = partial(_names, other=other)
        running.wait(refused, f"collision with {other}", f"/status/{name}/shop")
    # the database that collides with nothing goes on
    running.wait(
        lambda document: document["phase"] == "ready", "the other", f"/status/two/{OTHER_PATH}"
    )
    assert running.database("shop", "one")["phase"] == "blocked"
    assert running.get("/status/two")["phase"] == "blocked"
    assert shop.value(first.destination, USER_DATABASES, "postgres") == [OTHER]
    for source in (first.source, second.source):
        assert shop.value(source, "SELECT count(*) FROM pg_publication") == 0
    assert running.stop() == 0

    # the fix that is shown: leave it out of one of them
    mended = daemon(settings, PGMIGRATOR_MAPPINGS__TWO__EXCLUDE_DATABASES='["shop"]')
    mended.start()
    for name in ("one", "two"):
        mended.wait_phase("ready", mapping_name=name)


def test_colliding_roles_are_refused_before_anything_is_created(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    """The destination has none of them yet: only the two sources show it."""
    first, second = fresh_pair(source=shop.SOURCE), fresh_pair(source=shop.SOURCE)
    shop.create(first.source, rows=10)
    shop.create(second.source, OTHER, rows=10)
    for source in (first.source, second.source):
        shop.execute(source, "CREATE ROLE app LOGIN PASSWORD 'salted apart'", database="postgres")
    settings = (
        instance("old0", first.source)
        | instance("old1", second.source)
        | instance("new", first.destination)
        | mapping("one", "old0", "new")
        | mapping("two", "old1", "new")
    )
    running = daemon(settings)
    checked = running.command("check")
    assert checked.returncode != 0
    assert checked.stdout.count("role_collisions") == 2, checked.stdout
    running.start()
    for name, other in (("one", "two"), ("two", "one")):
        running.wait(partial(_collides, other=other), f"collision with {other}", f"/status/{name}")
    assert running.stop() == 0
    roles = "SELECT count(*) FROM pg_roles WHERE rolname = 'app'"
    assert shop.value(first.destination, roles, "postgres") == 0
    assert shop.value(first.destination, USER_DATABASES, "postgres") is None

    mended = daemon(
        settings,
        PGMIGRATOR_MAPPINGS__ONE__ROLE_CONFLICTS="merge",
        PGMIGRATOR_MAPPINGS__TWO__ROLE_CONFLICTS="merge",
    )
    mended.start()
    for name in ("one", "two"):
        mended.wait_phase("ready", mapping_name=name)


def _collides(document: Any, other: str) -> bool:
    found = [p for d in document["databases"] for p in d["problems"]]
    return any(
        p["object"] == "role app" and f"mapping {other} brings" in p["reason"] for p in found
    )


def test_an_empty_database_of_another_mapping_is_not_adopted(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon]
) -> None:
    """Two daemons that know nothing of each other meet in one destination."""
    first, second = fresh_pair(source=shop.SOURCE), fresh_pair(source=shop.SOURCE)
    for source in (first.source, second.source):
        shop.create(source, rows=10)
    shop.execute(first.destination, "CREATE DATABASE shop", database="postgres")
    destination = instance("new", first.destination)
    one = daemon(instance("old", first.source), destination, mapping("one", "old", "new"))
    two = daemon(instance("old", second.source), destination, mapping("two", "old", "new"))
    one.start(failpoint="after:AdoptDatabase")
    one.wait_dead()
    two.start()
    document = two.wait(
        lambda document: bool(document["problems"]), "a refusal", "/status/two/shop"
    )
    assert "one" in str(document["problems"])
    one.start()
    one.wait_phase("ready", mapping_name="one")
    assert shop.value(second.source, "SELECT count(*) FROM pg_publication") == 0


OTHER_PATH = "Archiv%20%26%20Co"


def _names(document: Any, other: str) -> bool:
    return document["phase"] == "blocked" and any(
        f"mapping {other} brings" in problem["reason"] and "EXCLUDE_DATABASES" in problem["fix"]
        for problem in document["problems"]
    )
