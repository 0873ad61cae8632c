"""Decoding pgoutput: what transactions do to the number of rows, and what they call tables."""

import struct

import pytest

from pgmigrator.core.names import TableName
from pgmigrator.core.pgoutput import (
    NAMES_BYTES,
    PREFIX_BYTES,
    RowChanges,
    count_commits,
    names_of_next,
    net_changes,
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
    assert names_of_next(prefixes, 100) == names
