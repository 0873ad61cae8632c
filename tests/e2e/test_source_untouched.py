"""The source is the same after a migration as before; in between only the publication differs."""

import difflib
import re
from collections.abc import Callable
from pathlib import Path

from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.servers import PairFactory

OURS = re.compile(r'(CREATE|ALTER|COMMENT ON) PUBLICATION "?pgmigrator_orders"? ')
#: a statement that changes something, run by the daemon or one of its children
CHANGE = re.compile(r"/pgmigrator/\S+ LOG: +statement: (?P<statement>.*)")
ALLOWED = re.compile(r'(CREATE|ALTER|DROP|COMMENT ON) PUBLICATION "pgmigrator_orders"')


def test_in_between_only_the_publication_differs(
    fresh_pair: PairFactory, daemon: Callable[..., Daemon], client_bin_dir: Path
) -> None:
    # log_statement=mod is the server's own word on who changed what
    pair = fresh_pair(source=shop.SOURCE | {"log_statement": "mod"})
    shop.create(pair.source)

    def dump(*options: str) -> str:
        return shop.dump(client_bin_dir, pair.source, options=options)

    before = dump()
    running = daemon(orders(pair))
    running.start()
    between = []
    for phases in (("schema", "copying", "indexing", "catching_up"), ("ready",)):
        running.wait_phase(*phases, "ready")
        between.append((dump("--no-publications"), dump()))
    assert running.post("switch")[0] == 200
    between.append((dump("--no-publications"), dump()))
    assert running.post("complete")[0] == 200
    running.wait_phase("completed")
    assert running.stop() == 0

    assert dump() == before
    for without_publications, whole in between:
        assert without_publications == before
        assert all(map(OURS.match, _added(before, whole))), _added(before, whole)
    changes = CHANGE.findall(pair.source.log_path.read_text())
    assert len(changes) >= 3
    assert [change for change in changes if not ALLOWED.match(change)] == []
    assert shop.value(pair.source, "SELECT count(*) FROM pg_replication_slots") == 0


def _added(before: str, after: str) -> list[str]:
    """Return the statements of the second text that the first has not; nothing may be gone."""
    lines = list(difflib.ndiff(_statements(before), _statements(after)))
    assert [line for line in lines if line.startswith("- ")] == []
    return [line.removeprefix("+ ") for line in lines if line.startswith("+ ")]


def _statements(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("--")]
