"""Findings of many databases: people read each once, machines find them by database."""

from pgmigrator.core.model import Problem, Severity
from pgmigrator.surface.findings import document, listings, summary

WAL = Problem(
    check="logical_wal",
    severity=Severity.BLOCKS,
    object="source",
    reason="wal_level is replica",
    fix="ALTER SYSTEM SET wal_level = 'logical'; then restart the server",
)
HEAP = Problem(
    check="replica_identity",
    severity=Severity.DEGRADES,
    object='table "public"."heap"',
    reason="it has no primary key",
    fix="add one",
)
FOUND = {"orders/a": [WAL], "orders/b": [HEAP, WAL], "orders/c": []}


def test_each_finding_is_said_once_below_its_weight() -> None:
    blocks, degrades, notes = listings(FOUND)
    assert [each.title.split(":")[0] for each in (blocks, degrades)] == ["Blocks", "Degrades"]
    (found,) = blocks.entries
    assert found.head == "orders/a, orders/b: source (logical_wal)"
    assert (found.reason, found.fix) == (WAL.reason, WAL.fix)
    assert [entry.head.split(":")[0] for entry in degrades.entries] == ["orders/b"]
    assert notes.entries == ()


def test_many_databases_are_counted() -> None:
    blocks, *_ = listings({f"orders/{n}": [WAL] for n in range(9)})
    assert blocks.entries[0].head.startswith("orders/0, orders/1, orders/2 and 6 more: ")


def test_the_summary_counts_each_finding_once() -> None:
    assert summary(FOUND) == "1 block, 1 degrade, 0 to note; no findings: orders/c"


def test_machines_find_them_by_database() -> None:
    found = document(FOUND)
    assert found["orders/c"] == []
    assert found["orders/b"][0] == {
        "check": "replica_identity",
        "side": "source",
        "severity": "degrades",
        "object": 'table "public"."heap"',
        "reason": "it has no primary key",
        "fix": "add one",
    }
