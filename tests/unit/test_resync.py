"""Which table is meant by a resync, and which may be copied anew."""

import pytest

from pgmigrator.core import resync
from pgmigrator.core.marker import Step
from pgmigrator.core.names import TableName
from tests.unit.builders import ITEMS, ORDERS, change, marked, source_table, streaming, switched

STREAMING = streaming()
ODD = TableName("public", 'a"b.c')
NAMED = change(STREAMING, {"source.tables": (source_table(101, ORDERS), source_table(102, ODD))})


@pytest.mark.parametrize("text", ["orders", "public.orders", '"public"."orders"'])
def test_every_spelling_is_understood(text: str) -> None:
    assert resync.find(STREAMING, text) == (ORDERS,)


def test_a_name_that_reads_two_ways_is_refused() -> None:
    twins = (TableName("a.b", "c"), TableName("a", "b.c"))
    tables = (*map(source_table, (101, 102), twins),)
    found = resync.find(change(STREAMING, {"source.tables": tables}), "a.b.c")
    assert found == 'it may mean "a.b"."c" or "a"."b.c"'
    assert "no such table" in str(resync.find(NAMED, "Orders"))


@pytest.mark.parametrize(
    ("obs", "changes", "words"),
    [
        (STREAMING, {"source": None, "source_error": "no answer"}, "no answer"),
        (marked(Step.SCHEMA_DONE), {}, "not replicated yet"),
        (switched(), {}, "is switched"),
        (STREAMING, {"source.tables.1.identity_usable": False}, "cannot be published"),
        (STREAMING, {"destination.tables": ()}, "created and copied by itself"),
        (STREAMING, {"destination.tables.1.filled": False}, "not known to come from us"),
        (
            STREAMING,
            {
                "destination.tables.1.source_oid": None,
                "destination.tables.1.filled": False,
                "destination.tables.1.state": "",
                "destination.tables.1.has_rows": False,
            },
            "waits for its copy",
        ),
    ],
)
def test_what_cannot_be_copied_anew(obs: object, changes: dict[str, object], words: str) -> None:
    found = resync.find(change(obs, changes), "items")  # type: ignore[arg-type]
    assert isinstance(found, str)
    assert words in found
    assert resync.find(STREAMING, "items") == (ITEMS,)


WHOLE = TableName("public", "whole")
PARTITIONED = change(
    STREAMING, {f"source.tables.{number}.partition_of": WHOLE for number in (0, 1)}
)
UNFILLED: dict[str, object] = {
    "destination.tables.1.filled": False,
    "destination.tables.1.state": "",
    "destination.tables.1.has_rows": False,
}


def test_of_a_partitioned_table_all_partitions_are_meant() -> None:
    assert resync.find(PARTITIONED, "whole") == (ORDERS, ITEMS)
    assert resync.find(PARTITIONED, "items") == (ITEMS,)
    # what waits for its copy needs no other
    assert resync.find(change(PARTITIONED, UNFILLED), "whole") == (ORDERS,)
    # all of them, or none
    unfit = change(PARTITIONED, {"source.tables.1.identity_usable": False})
    assert str(resync.find(unfit, "whole")).startswith('"public"."items": it cannot be published')
    twin = change(PARTITIONED, {"source.tables.1.partition_of": TableName("pub", "lic.whole")})
    twin = change(twin, {"source.tables.0.partition_of": TableName("pub.lic", "whole")})
    assert resync.find(twin, "pub.lic.whole") == (
        'it may mean "pub.lic"."whole" or "pub"."lic.whole"'
    )
