"""What keeps the evidence of a drain from being a proof."""

from dataclasses import replace
from typing import Any

import pytest

from pgmigrator.core.drain import (
    Evidence,
    OtherSession,
    Writers,
    sequences_behind,
    what_is_missing,
    what_is_not_covered,
    who_can_write,
)
from pgmigrator.core.facts import Sequence
from pgmigrator.core.known import Known
from pgmigrator.core.marker import Marker, ServerIdentity
from pgmigrator.core.model import SchemaItem
from pgmigrator.core.names import TableName

HERE = ServerIdentity(system_identifier=1, timeline=1)
THERE = ServerIdentity(system_identifier=2, timeline=1)
ITEM, RAW = TableName("shop", "item"), TableName("shop", "raw")
MARKER = Marker(
    mapping="orders",
    database_oid=5,
    source=HERE,
    destination=THERE,
    source_database="shop",
    source_database_oid=6,
    created=True,
)
PROOF = Evidence(
    source=HERE,
    destination=THERE,
    source_tables={ITEM: 10},
    unidentified={},
    published={ITEM: 10},
    subscribed={ITEM: "r"},
    copied_from={ITEM: 10},
    enabled=True,
    worker_running=True,
    differences=(),
)
CLIENT = OtherSession(
    pid=7, role="app", application="api", address="10.0.0.1", kind="client backend", state="idle"
)


def _missing(evidence: Evidence, excluded: frozenset[TableName] = frozenset()) -> list[str]:
    return list(what_is_missing(evidence, MARKER, excluded))


def test_the_evidence_is_a_proof() -> None:
    assert _missing(PROOF) == []
    assert list(what_is_not_covered(PROOF, Writers(), frozenset(), allow_idle=True)) == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"whole": False}, "altered"),
        ({"source": replace(HERE, timeline=2)}, "the source is not the server"),
        ({"destination": replace(THERE, system_identifier=3)}, "the destination is not the server"),
        ({"source_tables": {ITEM: 10, RAW: 11}}, "not published"),
        ({"published": None}, "no publication"),
        ({"published": {}, "source_tables": {}}, "no longer published"),
        ({"published": {ITEM: 10, RAW: 11}}, "published but not subscribed"),
        ({"published": {ITEM: 12}}, "another table"),
        ({"copied_from": {}}, "another table"),
        ({"subscribed": {ITEM: "s"}}, "not streaming yet"),
        ({"rewritten": frozenset({ITEM})}, "not compared since"),
        ({"unidentified": {ITEM: "no key"}}, "usable identity"),
        ({"enabled": False}, "disabled"),
        ({"worker_running": False}, "apply worker"),
        ({"counters": {"apply_error_count": 1}}, "apply_error_count"),
        ({"known": Known(rows=("table x had 99 rows",))}, "had 99 rows"),
        ({"known": Known(conflicts={"confl_update_missing": 1})}, "confl_update_missing 1"),
        (
            {"counters": (counted := {"confl_update_missing": 2}), "counters_before": counted},
            "confl_update_missing 2",
        ),
        (
            {"counters": {"stats_reset": "b"}, "counters_before": {"stats_reset": "a"}},
            "stats_reset",
        ),
        (
            {"differences": (SchemaItem(object="t", kind="index", definition="i", missing=True),)},
            "schema differs",
        ),
    ],
)
def test_each_fact_that_does_not_hold_is_said(changed: dict[str, Any], word: str) -> None:
    said = _missing(replace(PROOF, **changed))
    assert any(word in sentence for sentence in said), said


def test_an_excluded_table_is_not_missing_but_not_covered() -> None:
    evidence = replace(PROOF, source_tables={ITEM: 10, RAW: 11}, unidentified={RAW: "no key"})
    assert _missing(evidence, frozenset({RAW})) == []
    [said] = what_is_not_covered(evidence, Writers(), frozenset({RAW}), allow_idle=True)
    assert str(RAW) in said


def test_what_nothing_follows_is_not_covered() -> None:
    evidence = replace(PROOF, known=Known(extension_tables=("public.spatial_ref_sys",)))
    assert _missing(evidence) == []
    [said] = what_is_not_covered(evidence, Writers(), frozenset(), allow_idle=True)
    assert "public.spatial_ref_sys" in said


def test_long_lists_are_cut() -> None:
    tables = {TableName("s", f"t{n:02}"): n for n in range(15)}
    [said] = _missing(replace(PROOF, source_tables={ITEM: 10, **tables}))
    assert "and 5 more" in said


def test_idle_clients_alone_can_be_accepted() -> None:
    busy = [
        CLIENT,
        replace(CLIENT, state="idle in transaction"),
        replace(CLIENT, state="unknown"),
        replace(CLIENT, kind="background worker"),
    ]
    writers = Writers(sessions=tuple(busy), prepared=("it's",))
    assert len(list(who_can_write(writers, allow_idle=False))) == 5
    accepted = list(who_can_write(writers, allow_idle=True))
    # who is not accepted is missing for a proof: not named a second time
    assert list(what_is_not_covered(PROOF, writers, frozenset(), allow_idle=False)) == []
    [said] = what_is_not_covered(PROOF, writers, frozenset(), allow_idle=True)
    assert "pid 7" in said
    assert len(accepted) == 4
    assert "pg_terminate_backend(7)" in accepted[0]
    assert "ROLLBACK PREPARED 'it''s';" in accepted[3]


def test_sequences_must_be_at_or_beyond() -> None:
    up = Sequence(name=ITEM, increment=1, cycle=False, last_value=5, is_called=True)
    down = replace(up, increment=-1)
    cycle = replace(up, cycle=True)
    assert not list(sequences_behind([up], [replace(up, last_value=6)]))
    assert list(sequences_behind([up], [replace(up, last_value=4)]))
    assert list(sequences_behind([up], [replace(up, is_called=False)]))
    assert list(sequences_behind([down], [replace(down, last_value=6)]))
    assert not list(sequences_behind([down], [replace(down, last_value=4)]))
    assert list(sequences_behind([cycle], [replace(cycle, last_value=6)]))
    assert list(sequences_behind([up], []))
