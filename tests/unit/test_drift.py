"""Drift: two lines of one thing are one change, and the SQL never drops what it could change."""

from dataclasses import replace

import pytest

from pgmigrator.core.drift import drifts
from pgmigrator.core.facts import PartitionedTable
from pgmigrator.core.model import Measured, Problem, SchemaItem
from pgmigrator.core.names import TableName
from pgmigrator.core.preflight import find_problems
from tests.unit.builders import ITEMS, NOW, ORDERS, change, streaming

TABLE = '"app"."t"'


def item(kind: str, definition: str, *, missing: bool, of: str = TABLE) -> SchemaItem:
    return SchemaItem(object=of, kind=kind, definition=definition, missing=missing)


@pytest.mark.parametrize(
    ("kind", "source", "destination", "statement"),
    [
        ("column", '"a b" integer NOT NULL', None, 'ADD COLUMN "a b" integer NOT NULL'),
        ("column", None, '"a b" integer NOT NULL', 'DROP COLUMN "a b"'),
        ("column", "a bigint", "a integer", "ALTER COLUMN a TYPE bigint"),
        ("column", "a int NOT NULL", "a int", "ALTER COLUMN a SET NOT NULL"),
        ("column", "a int", "a int NOT NULL", "ALTER COLUMN a DROP NOT NULL"),
        ("column", "a int DEFAULT 1", "a int", "ALTER COLUMN a SET DEFAULT 1"),
        ("column", "a int", "a int DEFAULT 1", "ALTER COLUMN a DROP DEFAULT"),
        (
            "column",
            "a bigint NOT NULL DEFAULT 2",
            "a int",
            "ALTER COLUMN a TYPE bigint, ALTER COLUMN a SET NOT NULL, ALTER COLUMN a SET DEFAULT 2",
        ),
        ("constraint", "c CHECK (true)", None, "ADD CONSTRAINT c CHECK (true)"),
        ("constraint", None, '"c d" CHECK (true)', 'DROP CONSTRAINT "c d"'),
        ("option", "CLUSTER ON a", None, "CLUSTER ON a"),
        ("option", "CLUSTER ON a", 'CLUSTER ON "b c"', "CLUSTER ON a"),
        ("option", None, "CLUSTER ON a", "SET WITHOUT CLUSTER"),
        ("trigger", "DISABLE TRIGGER x", None, "DISABLE TRIGGER x"),
        ("trigger", None, "DISABLE TRIGGER x", "ENABLE TRIGGER x"),
        ("constraint", "c CHECK (true)", "c CHECK (true) NOT VALID", "VALIDATE CONSTRAINT c"),
        ("rule", "DISABLE RULE r", None, "DISABLE RULE r"),
        ("rule", None, "ENABLE ALWAYS RULE r", "ENABLE RULE r"),
        ("table", "REPLICA IDENTITY FULL", "REPLICA IDENTITY NOTHING", "REPLICA IDENTITY FULL"),
        ("table", None, "REPLICA IDENTITY USING INDEX i", "REPLICA IDENTITY DEFAULT"),
        ("table", "SET UNLOGGED", None, "SET UNLOGGED"),
        ("table", None, 'INHERIT "a b".c', 'NO INHERIT "a b".c'),
        ("option", "SET (fillfactor = '7')", "SET (fillfactor = '8')", "SET (fillfactor = '7')"),
        ("option", None, "SET (toast.x = '8')", "RESET (toast.x)"),
        ("option", "OPTIONS (a '1')", None, "OPTIONS (ADD a '1')"),
        ("option", "OPTIONS (a '1')", "OPTIONS (a '2')", "OPTIONS (SET a '1')"),
        ("option", None, "OPTIONS (\"a b\" '2')", 'OPTIONS (DROP "a b")'),
        (
            "option",
            None,
            'ALTER COLUMN "a b" SET STORAGE PLAIN',
            'ALTER COLUMN "a b" SET STORAGE DEFAULT',
        ),
        ("option", None, "ALTER COLUMN a SET STATISTICS 7", "ALTER COLUMN a SET STATISTICS -1"),
        (
            "option",
            'parents: s.a, s."b, c", s.d',
            'parents: s."b, c", s.a, s.d',
            'NO INHERIT s."b, c", NO INHERIT s.d, INHERIT s."b, c", INHERIT s.d',
        ),
    ],
)
def test_what_alters_a_table(
    kind: str, source: str | None, destination: str | None, statement: str
) -> None:
    lines = [
        item(kind, text, missing=missing)
        for text, missing in ((source, True), (destination, False))
        if text is not None
    ]
    [drift] = drifts(lines)
    assert drift.statement == f"ALTER TABLE {TABLE} {statement}"
    assert drift.fix == f"on the destination: {drift.statement};"


@pytest.mark.parametrize(
    ("source", "destination", "statement"),
    [
        ("'a','b'", None, f"CREATE TYPE {TABLE} AS ENUM ('a','b')"),
        ("'a','it''s','b'", "'a','b'", f"ALTER TYPE {TABLE} ADD VALUE 'it''s' AFTER 'a'"),
        ("E'a\\\\b','c'", "'c'", rf"ALTER TYPE {TABLE} ADD VALUE E'a\\b' BEFORE 'c'"),
        (
            "'x','a','y','z'",
            "'a'",
            f"ALTER TYPE {TABLE} ADD VALUE 'x' BEFORE 'a';"
            f" ALTER TYPE {TABLE} ADD VALUE 'y' AFTER 'a';"
            f" ALTER TYPE {TABLE} ADD VALUE 'z' AFTER 'y'",
        ),
        ("'a'", "", f"ALTER TYPE {TABLE} ADD VALUE 'a'"),
        ("'a','new'", "'a','old'", f"ALTER TYPE {TABLE} RENAME VALUE 'old' TO 'new'"),
        ("'a'", "'a','b'", None),
        ("'a','b'", "'b','a'", None),
        ("'a','c'", "'a','b','d'", None),
    ],
)
def test_what_alters_an_enum(source: str, destination: str | None, statement: str | None) -> None:
    lines = [
        item("enum", text, missing=missing)
        for text, missing in ((source, True), (destination, False))
        if text is not None
    ]
    [drift] = drifts(lines)
    assert drift.statement == statement


@pytest.mark.parametrize(
    ("source", "destination", "statement"),
    [
        (" GENERATED ALWAYS AS (b + 1) STORED", "", None),
        (" GENERATED ALWAYS AS (b) STORED", " GENERATED ALWAYS AS (b) VIRTUAL", None),
        (
            " GENERATED ALWAYS AS (b + 1) STORED",
            " GENERATED ALWAYS AS (b + 2) STORED",
            "SET EXPRESSION AS (b + 1)",
        ),
        ("", " GENERATED ALWAYS AS (b + 2) STORED", "DROP EXPRESSION"),
        ("", " GENERATED ALWAYS AS (b + 2) VIRTUAL", None),
        ("", " GENERATED ALWAYS AS IDENTITY", "DROP IDENTITY"),
        (" GENERATED BY DEFAULT AS IDENTITY", "", "ADD GENERATED BY DEFAULT AS IDENTITY"),
        (
            " GENERATED BY DEFAULT AS IDENTITY",
            " GENERATED ALWAYS AS IDENTITY",
            "SET GENERATED BY DEFAULT",
        ),
    ],
)
def test_how_a_column_is_generated_is_altered_where_that_can_be(
    source: str, destination: str, statement: str | None
) -> None:
    [drift] = drifts(
        [
            item("column", f"a int{source}", missing=True),
            item("column", f"a int{destination}", missing=False),
        ]
    )
    if statement is None:
        assert drift.statement is None
        assert drift.needs_copy
    else:
        assert drift.statement == f"ALTER TABLE {TABLE} ALTER COLUMN a {statement}"


@pytest.mark.parametrize(
    ("source", "destination", "statement"),
    [
        (("a int", "new text"), ("a int", "b text"), "RENAME COLUMN b TO new"),
        # in another place it is another column
        (("a int", "new text"), ("b text", "a int"), None),
        (("new text", '"of 2" text'), ("old text", "of_1 text"), 'RENAME COLUMN of_1 TO "of 2"'),
        (("new varchar",), ("old text",), None),
    ],
)
def test_a_column_that_only_has_another_name_is_renamed(
    source: tuple[str, ...], destination: tuple[str, ...], statement: str | None
) -> None:
    lines = [
        item("column", text, missing=missing)
        for columns, missing in ((source, True), (destination, False))
        for text in (
            "order: " + ", ".join(column.rpartition(" ")[0] for column in columns),
            *columns,
        )
    ]
    both = {text for text in source if text in destination}
    found = drifts(line for line in lines if line.definition not in both)
    renames = [drift.statement for drift in found if " RENAME " in (drift.statement or "")]
    assert (f"ALTER TABLE {TABLE} {statement}" in renames) is (statement is not None)
    # their order is no drift of its own
    assert all("order:" not in (drift.source or "") for drift in found)


def test_order_is_no_drift_of_its_own_while_a_column_is_missing() -> None:
    lines = [
        item("column", "order: a, b", missing=True),
        item("column", "order: a", missing=False),
    ]
    assert len(drifts(lines)) == 1
    [drift] = drifts([*lines, item("column", "b int", missing=True)])
    assert drift.source == "b int"


def test_order_of_parents_is_no_drift_of_its_own_while_one_is_missing() -> None:
    [drift] = drifts(
        [
            item("option", "parents: s.a, s.b", missing=True),
            item("table", "INHERIT s.b", missing=True),
        ]
    )
    assert drift.statement == f"ALTER TABLE {TABLE} INHERIT s.b"


@pytest.mark.parametrize(
    ("source", "destination", "needed"),
    [
        ("b int", None, False),
        ("b int DEFAULT 7", None, True),
        ("b int GENERATED ALWAYS AS (a) STORED", None, True),
        ("b bigint", "b int", True),
        ("b int NOT NULL", "b int", False),
        ("b int DEFAULT 7", "b int", False),
        (None, "b int", False),
    ],
)
def test_rows_are_copied_anew_only_where_they_may_differ(
    source: str | None, destination: str | None, needed: bool
) -> None:
    [drift] = drifts(
        item("column", text, missing=missing)
        for text, missing in ((source, True), (destination, False))
        if text is not None
    )
    assert drift.needs_copy is needed


def test_a_grant_option_is_taken_back_alone() -> None:
    [drift] = drifts(
        [
            item("grant", "GRANT SELECT TO x BY o", missing=True, of="view app.v"),
            item(
                "grant", "GRANT SELECT TO x WITH GRANT OPTION BY o", missing=False, of="view app.v"
            ),
        ]
    )
    assert drift.statement == "REVOKE GRANT OPTION FOR SELECT ON TABLE app.v FROM x"


def test_a_revoked_built_in_privilege_is_revoked_here_too() -> None:
    [drift] = drifts(
        [item("grant", "REVOKE EXECUTE TO PUBLIC BY o", missing=True, of="function app.f(integer)")]
    )
    assert drift.statement == "REVOKE EXECUTE ON FUNCTION app.f(integer) FROM PUBLIC"


def test_a_sequence_is_told_what_it_is_no_longer() -> None:
    [drift] = drifts(
        [
            item("sequence", "bigint START 1 CACHE 1", missing=True),
            item("sequence", "bigint START 1 CACHE 1 CYCLE OWNED BY a.b.c", missing=False),
        ]
    )
    assert drift.statement == (
        f"ALTER SEQUENCE {TABLE} AS bigint START 1 CACHE 1 NO CYCLE OWNED BY NONE"
    )


@pytest.mark.parametrize(
    ("source", "destination", "begins"),
    [
        ("a text, b integer", "a text", "CREATE OR REPLACE VIEW"),
        ("a text", "a text, b integer", "DROP VIEW"),
        ("a text", "b text", "DROP VIEW"),
        # one is not the beginning of the other
        ("a character varying(9)", "a character varying", "DROP VIEW"),
    ],
)
def test_a_view_is_replaced_only_if_it_keeps_its_columns(
    source: str, destination: str, begins: str
) -> None:
    [drift] = drifts(
        item("view", f"view ({columns}) AS {digit * 32}", missing=missing)
        for columns, digit, missing in ((source, "1", True), (destination, "2", False))
    )
    assert drift.statement is None
    assert drift.query is not None
    assert f"concat('{begins} {TABLE}" in drift.query


def test_each_member_of_a_family_is_a_difference_of_its_own() -> None:
    """Also where a name has a blank."""
    family = "app.f USING btree"
    found = drifts(
        item("operator", f'OPERATOR {n} "a b".< (integer, bigint)', missing=False, of=family)
        for n in (1, 2)
    )
    assert [drift.statement for drift in found] == [
        f"ALTER OPERATOR FAMILY {family} DROP OPERATOR {n} (integer, bigint)" for n in (1, 2)
    ]


LEAVES = (ORDERS, ITEMS)
WHOLE = TableName("public", "whole")


def drift_problems(*items: SchemaItem, partitioned: bool = True) -> list[Problem]:
    changes: dict[str, object] = {"schema": Measured(items, NOW, 20.0)}
    if partitioned:
        changes |= {f"source.tables.{n}.partition_of": WHOLE for n in (0, 1)}
    found = find_problems(change(streaming(), changes))
    return [problem for problem in found if problem.check == "schema_drift"]


def test_of_a_partitioned_table_one_statement_and_one_resync_are_named() -> None:
    lines = [item("column", "b int DEFAULT 7", missing=True, of=str(WHOLE))]
    for leaf in LEAVES:
        made = item("column", "b int DEFAULT 7", missing=True, of=str(leaf))
        lines.append(replace(made, ancestors=(str(WHOLE),)))
    [problem] = drift_problems(*lines)
    assert problem.fix == (
        f"on the destination: ALTER TABLE {WHOLE} ADD COLUMN b int DEFAULT 7; its rows are"
        " compared then; to copy them anew without waiting for that: pgmigrator resync orders shop"
        f" '{WHOLE}'"
    )


def test_what_only_a_new_table_has_names_its_resync() -> None:
    lines = [
        item("column", "order: a, b", missing=True, of=str(ORDERS)),
        item("column", "order: b, a", missing=False, of=str(ORDERS)),
    ]
    [problem] = drift_problems(*lines, partitioned=False)
    assert problem.fix.endswith(f"copied anew by: pgmigrator resync orders shop '{ORDERS}'")
    whole = [replace(line, object=str(WHOLE)) for line in lines]
    heirs = [replace(line, ancestors=(str(WHOLE),)) for line in lines]
    [problem] = drift_problems(*whole, *heirs)
    assert "pg_dump --schema-only" in problem.fix


def test_of_a_table_and_what_inherits_from_it_each_is_to_be_copied() -> None:
    parent = item("column", "b int DEFAULT 7", missing=True, of=str(ORDERS))
    heir = replace(parent, object=str(ITEMS), ancestors=(str(ORDERS),))
    [problem] = drift_problems(parent, heir, partitioned=False)
    assert problem.fix.endswith(
        f": pgmigrator resync orders shop '{ORDERS}'; pgmigrator resync orders shop '{ITEMS}'"
    )


def test_what_a_partition_alone_lacks_is_its_own() -> None:
    alone = item("column", "b int DEFAULT 7", missing=True, of=str(ORDERS))
    other = item("column", "c int", missing=True, of=str(WHOLE))
    assert len(drifts([replace(alone, ancestors=(str(WHOLE),)), other])) == 2


def test_a_key_of_a_partition_is_that_of_the_table_above_without_its_storage_parameters() -> None:
    root = item("constraint", "w PRIMARY KEY (a) WITH (fillfactor=7)", missing=True, of=str(WHOLE))
    leaf = item("constraint", "o PRIMARY KEY (a)", missing=True, of=str(ORDERS))
    [drift] = drifts([root, replace(leaf, ancestors=(str(WHOLE),))])
    assert drift.heirs == (str(ORDERS),)


def test_a_table_that_is_followed_comes_by_itself() -> None:
    [problem] = drift_problems(
        item("table", "ordinary", missing=True, of=str(ORDERS)),
        item("column", "a int", missing=True, of=str(ORDERS)),
        item("grant", "GRANT SELECT TO PUBLIC BY o", missing=True, of="table public.orders"),
    )
    assert problem.object == f"table of {ORDERS}"
    assert "by itself" in problem.fix
    # what one lacks that is there does not
    [problem] = drift_problems(item("table", "REPLICA IDENTITY FULL", missing=True, of=str(ORDERS)))
    assert problem.fix == f"on the destination: ALTER TABLE {ORDERS} REPLICA IDENTITY FULL;"
    [problem] = drift_problems(
        item("table", "partitioned BY RANGE (a)", missing=True, of=str(WHOLE))
    )
    assert f"pg_dump --schema-only --table='{WHOLE}'" in problem.fix
    bare = {"source.partitioned": (PartitionedTable(oid=7, name=WHOLE),)}
    line = item("table", "partitioned BY RANGE (a)", missing=True, of=str(WHOLE))
    obs = change(streaming(), {"schema": Measured((line,), NOW, 20.0), **bare})
    assert ["by itself" in each.fix for each in find_problems(obs)] == [True]


def test_what_inherits_the_other_way_round_on_either_side_is_shown() -> None:
    one = item("column", "b int", missing=True, of=str(ORDERS))
    other = item("column", "b int", missing=True, of=str(ITEMS))
    crossed = [replace(one, ancestors=(str(ITEMS),)), replace(other, ancestors=(str(ORDERS),))]
    assert len(drifts(crossed)) == 2
