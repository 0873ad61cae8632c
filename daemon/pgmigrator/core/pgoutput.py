"""Reading pgoutput messages: how many rows each table gained or lost, and what it is called.

Protocol version 1: whole transactions in the order of their commits, none that was rolled back.
https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pgmigrator.core.names import TableName

#: bytes of a message that are enough for all but Truncate, which lists its tables
PREFIX_BYTES = 26
#: bytes of a Relation message that hold its names
NAMES_BYTES = 5 + 2 * 64

_BEGIN = struct.Struct(">cQ")  # LSN of the commit
_COMMIT = struct.Struct(">cBQQ")  # flags, LSN of the commit, end LSN of the transaction
_RELATION = struct.Struct(">cI")
_TRUNCATE = struct.Struct(">cIB")  # number of tables, options


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What some transactions did to the number of rows of one table."""

    #: rows inserted minus rows deleted, since the last TRUNCATE if there was one
    net_rows: int = 0
    truncated: bool = False

    def after(self, rows: int) -> int:
        """Return how many rows a table has after the changes, that had `rows` before them."""
        return (0 if self.truncated else rows) + self.net_rows

    def then(self, later: "RowChanges") -> "RowChanges":
        """Return these changes followed by later ones."""
        if later.truncated:
            return later
        return RowChanges(self.net_rows + later.net_rows, self.truncated)


def net_changes(messages: Iterable[bytes], upto_lsn: int) -> Mapping[int, RowChanges]:
    """Sum up transactions whose end LSN is at or below `upto_lsn`, by the source's table oid."""
    total: dict[int, RowChanges] = {}
    pending: list[tuple[int, RowChanges]] = []
    for message in messages:
        if message[:1] != b"C":
            pending.extend(_changes(message))
            continue
        if _COMMIT.unpack_from(message)[3] <= upto_lsn:
            for table, change in pending:
                total[table] = total.get(table, RowChanges()).then(change)
        pending.clear()
    return total


def names_of_next(messages: Iterable[bytes], after_lsn: int) -> dict[int, tuple[TableName, ...]]:
    """Return what the first transaction that ends after `after_lsn` calls its tables, by their oid.

    A table that it renames has several names, in their order. Empty: there is no such transaction.
    """
    #: a name is told when it is first needed, and after it may have changed
    called: dict[int, TableName] = {}
    found: dict[int, tuple[TableName, ...]] = {}
    waits = False
    for message in messages:
        if message[:1] == b"B":
            if found:
                break
            # the LSN of its commit: its end is beyond
            waits = _BEGIN.unpack_from(message)[1] >= after_lsn
        elif message[:1] == b"R":
            schema, name, *_ = message[_RELATION.size :].split(b"\0", 2)
            called[_oid(message)] = TableName(schema.decode(), name.decode())
        elif waits:
            for oid in _changed(message):
                before = found.get(oid, ())
                found[oid] = before if called[oid] in before else (*before, called[oid])
    return found


def _changed(message: bytes) -> Iterator[int]:
    if message[:1] == b"T":
        yield from (oid for oid, _ in _changes(message))
    else:
        yield _oid(message)


def _oid(message: bytes) -> int:
    oid: int = _RELATION.unpack_from(message)[1]
    return oid


def count_commits(messages: Iterable[bytes]) -> int:
    """Count transactions."""
    return sum(message[:1] == b"C" for message in messages)


def _changes(message: bytes) -> Iterator[tuple[int, RowChanges]]:
    match message[:1]:
        case b"I":
            yield _RELATION.unpack_from(message)[1], RowChanges(1)
        case b"D":
            yield _RELATION.unpack_from(message)[1], RowChanges(-1)
        case b"T":
            number = _TRUNCATE.unpack_from(message)[1]
            for table in struct.unpack_from(f">{number}I", message, _TRUNCATE.size):
                yield table, RowChanges(0, truncated=True)
