"""The documents: complete, valid, and the same numbers as the metrics."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pgmigrator.core.commands import Blocker, Command, Outcome, OutcomeStatus, Verb
from pgmigrator.core.freshness import fresh
from pgmigrator.core.model import Phase
from pgmigrator.core.names import TableName
from pgmigrator.core.report import CopyProgress, GateStatus, Replication, TableState
from pgmigrator.surface import status, status_text
from tests.unit.surface_samples import (
    NOW,
    PROOF,
    database,
    gate,
    mapping,
    report,
    switched,
    table,
)


def test_instants_are_rfc3339_in_utc() -> None:
    assert status.instant(NOW) == "2027-01-15T08:00:00.000Z"


def test_the_whole_status_sums_up() -> None:
    document = status.status(report(mapping(database()), mapping(database(ready=False), name="b")))
    assert document["summary"] == {"mappings": 2, "ready": 1, "failed": 0, "blocked": 0}
    assert document["daemon"]["lease"] == "held"
    assert document["generated_at"] == status.instant(NOW - 2)


def test_unknown_is_null() -> None:
    empty = replace(
        database(),
        copy=None,
        sequences_total=None,
        drain=None,
        schema_drift=None,
        replication=Replication(),
    )
    document = status.database_status(empty)
    for name in ("copy", "drain", "schema_drift"):
        assert document[name] is None
    assert document["sequences"]["total"] is None
    assert document["replication"]["safe_wal_bytes"] is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_what_is_no_number_is_null(value: float | None) -> None:
    odd = replace(database(), gates=(replace(gate("lag_bytes"), value=value),))
    assert status.database_status(odd)["gates"][0]["value"] is None
    json.dumps(status.database_status(odd), allow_nan=False)


def test_a_switched_database_shows_its_lsn() -> None:
    shown = status.database_status(switched(database()))["switched"]
    assert shown == {"lsn": "0/16B3740", "at": status.instant(NOW - 1), "late_writes": 0}


def test_the_cutover_names_what_blocks() -> None:
    document = status.cutover(mapping(database("shop"), database("billing", ready=False)))
    assert not document["ready"]
    assert document["since"] is None
    assert document["blocking"] == [
        {
            "database": "billing",
            "gate": "no_conflicts",
            "status": GateStatus.FAIL,
            "reason": "no_conflicts was looked at",
            "fix": "mend no_conflicts",
        }
    ]


def test_the_cutover_is_ready_since_its_last_database_is() -> None:
    late = replace(database("billing"), ready_since=NOW - 10)
    assert status.cutover(mapping(database("shop"), late))["since"] == status.instant(NOW - 10)


def test_a_mapping_without_databases_is_never_ready() -> None:
    assert not status.cutover(mapping())["ready"]


def test_pages_cover_every_table_once_although_tables_come_and_go() -> None:
    tables = [table(i) for i in range(250)]
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        # a table before the cursor goes, one after it comes
        page = status.tables_page(replace(database(), tables=tuple(tables)), None, "100", cursor)
        seen += [item["table"] for item in page["items"]]
        cursor = page["next_cursor"]
        tables = tables[1:]
    assert seen == [f"t{i:05}" for i in range(250)]
    assert cursor is None


def test_pages_filter_by_state() -> None:
    page = status.tables_page(database(), state="copying")
    assert page["total"] == 1
    assert page["items"][0]["state"] is TableState.COPYING


def test_a_cursor_carries_any_name() -> None:
    odd = replace(table(1), name=TableName('sch"ema é', "ta/ble\n"))
    tables = (odd, replace(table(2), name=TableName("é", "x")))
    page = status.tables_page(replace(database(), tables=tables), limit="1")
    rest = status.tables_page(replace(database(), tables=tables), cursor=page["next_cursor"])
    assert [item["schema"] for item in rest["items"]] == ["é"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "ten"},
        {"limit": "٣"},
        {"state": "lost"},
        {"cursor": "!"},
        {"cursor": "e30"},
        {"cursor": "WzEsMl0"},
        {"cursor": ""},
        {"cursor": "é"},
    ],
)
def test_bad_pages_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(status.BadPage):
        status.tables_page(database(), **query)


def test_the_text_is_aligned_and_harmless() -> None:
    odd = database("na\x1b[2Jme\n", ready=False)
    grids = status_text.of_status(status.status(report(mapping(odd))))
    text = status_text.aligned(grids)
    assert "\x1b" not in text
    header, row = text.split("\nDatabases\n")[1].splitlines()[:2]
    assert header.index("PHASE") == row.index("catching_up")
    assert "no_conflicts" in text
    assert "no usable replica identity" in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_the_text_says_why_a_server_does_not_answer() -> None:
    text = status_text.aligned(status_text.of_status(status.status(report(mapping(database())))))
    assert "orders: destination pg18 (last answer: none)\n    no route\n" in text


def test_every_document_has_a_text() -> None:
    page = status.tables_page(database())
    assert "t00005" in status_text.aligned(status_text.of_tables(page))
    one = status_text.of_database("orders", status.database_status(database()))
    assert "row_counts_match" in status_text.aligned(one)
    nothing: Any = status.status(report())
    assert status_text.aligned(status_text.of_status(nothing)).startswith("Mappings\n")


def test_progress_before_the_first_estimate_is_unknown() -> None:
    copy = CopyProgress(
        tables={}, completed_bytes=0, estimated_bytes=0, completed_rows=0, estimated_rows=0
    )
    document = status.database_status(replace(database(), copy=copy))
    assert document["copy"] is not None
    assert document["copy"]["eta"] is None


def test_a_light_that_waits_for_the_stable_time_says_until_when() -> None:
    passing = replace(
        database(), phase=Phase.CATCHING_UP, ready=False, ready_since=None, stable_at=NOW + 10
    )
    shown = fresh(report(mapping(passing)), NOW)
    (one,) = status.cutover(shown.mappings[0])["databases"]
    two = status.database_status(shown.mappings[0].databases[0])
    assert one["stable_at"] == two["stable_at"] == status.instant(NOW + 10)
    assert "in 10 s" in one["reason"]
    text = status_text.aligned(status_text.of_status(status.status(shown)))
    assert "the light goes on if they still do in 10 s" in text


def test_numbers_for_people_are_round() -> None:
    odd = replace(database(), replication=Replication(lag_bytes=1, lag_seconds=0.8132728079999652))
    document = status.database_status(odd)
    assert document["replication"]["lag_seconds"] == 0.813
    text = status_text.aligned(status_text.of_database("orders", document))
    assert "0.8 " in text
    assert "0.81" not in text
    proof = status.drain(replace(PROOF, duration_seconds=0.2768220259999))
    assert proof["duration_seconds"] == 0.277


def test_what_a_proof_lacks_is_said_once() -> None:
    who = "can still write: pid 7; end it on the source: SELECT pg_terminate_backend(7);"
    lacking = replace(PROOF, proved=False, missing=(who,))
    blocker = Blocker(database="shop", object="drain", status="fail", reason=who)
    refused = Outcome(
        status=OutcomeStatus.CONFLICT, message="not", blocking=(blocker,), drains=(lacking,)
    )
    document = status.outcome(Command(verb=Verb.DRAIN, mapping="orders"), refused)
    text = status_text.aligned(status_text.of_outcome(document))
    assert text.count("pid 7") == 1
    assert "\n    SELECT pg_terminate_backend(7);\n" in text
    assert "unlogged table x" in text
