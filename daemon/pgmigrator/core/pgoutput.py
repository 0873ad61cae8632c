"""Reading pgoutput messages: how many rows each table gained or lost.

Protocol version 1: whole transactions in the order of their commits, none that was rolled back.
https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

#: bytes of a message that are enough for all but Truncate, which lists its tables
PREFIX_BYTES = 26

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
