"""Decoding pgoutput: what transactions do to the number of rows."""

import struct

import pytest

from pgmigrator.core.pgoutput import PREFIX_BYTES, RowChanges, count_commits, net_changes

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
