"""Decoding pgoutput: what transactions do to the number of rows, and what they call tables."""

import struct

import pytest

from pgmigrator.core.names import TableName
from pgmigrator.core.pgoutput import (
    NAMES_BYTES,
    PREFIX_BYTES,
    RowChanges,
    Touched,
    count_commits,
    names_of_next,
    net_changes,
    touched,
)

A, B = 16384, 16385


def insert(table: int) -> bytes:
    return struct.pack(">cIc", b"I", table, b"N") + b"\0\1" + b"rest of the row" * 3


def delete(table: int) -> bytes:
    return struct.pack(">cIc", b"D", table, b"K") + b"rest"


def truncate(*tables: int) -> bytes:
    return struct.pack(f">cIB{len(tables)}I", b"T", len(tables), 0, *tables)


def commit(end_lsn: int) -> bytes:
    message = struct.pack(">cBQQQ", b"C", 0, end_lsn - 1, end_lsn, 0)
    assert len(message) == PREFIX_BYTES
    return message


def test_inserts_and_deletes_add_up_by_table() -> None:
    messages = [insert(A), insert(A), delete(B), commit(100), delete(A), commit(200)]
    changes = net_changes(messages, 200)
    assert changes[A].after(10) == 11
    assert changes[B].after(10) == 9


def test_a_prefix_is_enough() -> None:
    messages = [m[:PREFIX_BYTES] for m in (insert(A), delete(B), commit(100))]
    assert net_changes(messages, 100) == {A: RowChanges(1), B: RowChanges(-1)}


@pytest.mark.parametrize(("upto", "rows"), [(99, 0), (100, 1), (199, 1), (200, 3)])
def test_a_transaction_counts_if_it_ends_at_or_below_the_lsn(upto: int, rows: int) -> None:
    messages = [insert(A), commit(100), insert(A), insert(A), commit(200)]
    assert net_changes(messages, upto).get(A, RowChanges()).after(0) == rows


def test_a_transaction_without_its_end_does_not_count() -> None:
    assert net_changes([insert(A), commit(100), insert(A)], 500)[A].after(0) == 1


def test_truncate_forgets_what_was_there() -> None:
    messages = [insert(A), truncate(A, B), insert(A), commit(100), insert(A), commit(200)]
    changes = net_changes(messages, 200)
    assert changes[A].after(1000) == 2
    assert changes[B].after(1000) == 0


def test_commits_are_counted_whatever_they_hold() -> None:
    assert count_commits([commit(1), insert(A), commit(2)]) == 2
    assert count_commits([]) == 0


def begin(commit_lsn: int) -> bytes:
    return struct.pack(">cQQI", b"B", commit_lsn, 0, 7)


def relation(table: int, name: str) -> bytes:
    return struct.pack(">cI", b"R", table) + f"shop\0{name}\0d".encode() + b"columns" * 30


OLD, NEW, OTHER = (TableName("shop", name) for name in ("a" * 63, "new", "other"))
APPLIED = [begin(90), relation(A, "a" * 63), insert(A), relation(B, "other"), delete(B)]


@pytest.mark.parametrize(
    ("messages", "names"),
    [
        ([], {}),
        (APPLIED, {}),
        # a name that was told before is not told again
        ([*APPLIED, begin(100), insert(A)], {A: (OLD,)}),
        ([*APPLIED, begin(100), truncate(A, B)], {A: (OLD,), B: (OTHER,)}),
        ([*APPLIED, begin(100), relation(A, "new"), insert(A), delete(A)], {A: (NEW,)}),
        # it renames the table that it writes to; whoever only names it has not changed it
        ([*APPLIED, begin(100), insert(A), relation(A, "new"), insert(A)], {A: (OLD, NEW)}),
        ([*APPLIED, begin(100), relation(A, "new"), delete(B)], {B: (OTHER,)}),
        # what comes after it says nothing
        ([*APPLIED, begin(100), insert(A), begin(110), relation(A, "new"), insert(A)], {A: (OLD,)}),
    ],
)
def test_the_next_transaction_tells_names(
    messages: list[bytes], names: dict[int, tuple[TableName, ...]]
) -> None:
    prefixes = [m if m[:1] == b"T" else m[:NAMES_BYTES] for m in messages]
    assert names_of_next(prefixes, 100, "utf-8") == names


def test_names_are_in_the_encoding_of_the_connection() -> None:
    told = struct.pack(">cI", b"R", A) + "shop\0größe\0d".encode("latin-1")
    names = names_of_next([begin(100), told, insert(A)], 100, "iso8859-1")
    assert names == {A: (TableName("shop", "größe"),)}


# --- which rows were touched ---------------------------------------------------------------------

#: a value that is stored out of line, and unchanged
OUT_OF_LINE = object()


def described(table: int, **columns: bool) -> bytes:
    """Columns, and whether they belong to the identity."""
    listed = b"".join(
        bytes([in_key]) + name.encode() + b"\0" + struct.pack(">Ii", 25, -1)
        for name, in_key in columns.items()
    )
    return (
        struct.pack(">cI", b"R", table)
        + b"shop\0item\0d"
        + struct.pack(">H", len(columns))
        + listed
    )


def row(kind: bytes, *values: object) -> bytes:
    def encoded(value: object) -> bytes:
        if value is None:
            return b"n"
        text = str(value).encode()
        return b"u" if value is OUT_OF_LINE else b"t" + struct.pack(">I", len(text)) + text

    return kind + struct.pack(">H", len(values)) + b"".join(map(encoded, values))


def change(kind: bytes, table: int, *rows: bytes) -> bytes:
    return struct.pack(">cI", kind, table) + b"".join(rows)


KEYED = described(A, a=False, key=True, b=False)
WHOLE = described(A, a=True, b=True)
NO_IDENTITY = described(A, a=False, b=False)


@pytest.mark.parametrize(
    ("messages", "columns", "keys"),
    [
        ([KEYED, change(b"I", A, row(b"N", 1, "ä", None))], ("key",), {("ä",)}),
        ([KEYED, change(b"D", A, row(b"K", None, "x", None))], ("key",), {("x",)}),
        ([KEYED, change(b"U", A, row(b"N", 1, "x", 2))], ("key",), {("x",)}),
        (
            [KEYED, change(b"U", A, row(b"K", None, "x", None), row(b"N", 1, "y", 2))],
            ("key",),
            {("x",), ("y",)},
        ),
        (
            [WHOLE, change(b"U", A, row(b"O", 1, "long"), row(b"N", 2, OUT_OF_LINE))],
            ("a", "b"),
            {("1", "long"), ("2", "long")},
        ),
        ([NO_IDENTITY, change(b"I", A, row(b"N", 1, None))], ("a", "b"), {("1", None)}),
    ],
)
def test_rows_are_told_by_their_identity(
    messages: list[bytes], columns: tuple[str, ...], keys: set[tuple[str | None, ...]]
) -> None:
    assert touched(messages, "utf-8", [A]) == {A: Touched(columns, frozenset(keys))}


@pytest.mark.parametrize(
    "messages",
    [
        [WHOLE, change(b"U", A, row(b"N", 2, OUT_OF_LINE))],
        # its key is known, but not whether the rest is the same
        [KEYED, change(b"U", A, row(b"N", 1, "x", OUT_OF_LINE))],
        # altered in between: keys of different columns
        [
            KEYED,
            change(b"D", A, row(b"K", None, "x", None)),
            WHOLE,
            change(b"I", A, row(b"N", 1, 2)),
        ],
    ],
)
def test_a_table_whose_rows_cannot_be_told_is_not_compared(messages: list[bytes]) -> None:
    assert touched(messages, "utf-8", [A]) == {A: None}


def test_other_tables_and_messages_are_no_matter() -> None:
    messages = [insert(B)[:PREFIX_BYTES], truncate(A), commit(100)]
    assert touched(messages, "utf-8", [A]) == {}
