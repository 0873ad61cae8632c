"""Reading pgoutput messages: rows gained or lost, rows touched, and what tables are called.

Protocol version 1: whole transactions in the order of their commits, none that was rolled back.
https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pgmigrator.core.names import TableName

#: bytes of a message that are enough for all but Truncate, which lists its tables
PREFIX_BYTES = 26
#: bytes of a Relation message that hold its names, each character in at most four
NAMES_BYTES = 5 + 2 * (4 * 63 + 1)

_BEGIN = struct.Struct(">cQ")  # LSN of the commit
_COMMIT = struct.Struct(">cBQQ")  # flags, LSN of the commit, end LSN of the transaction
_RELATION = struct.Struct(">cI")
_TRUNCATE = struct.Struct(">cIB")  # number of tables, options

#: values of the columns that tell a row from others, as text
Key = tuple[str | None, ...]


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


def names_of_next(
    messages: Iterable[bytes], after_lsn: int, encoding: str
) -> dict[int, tuple[TableName, ...]]:
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
            called[_oid(message)] = TableName(schema.decode(encoding), name.decode(encoding))
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


# --- which rows were touched ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Touched:
    """Rows of one table that were inserted, updated or deleted, by their replica identity."""

    #: all of them, if the table has no identity
    columns: tuple[str, ...]
    keys: frozenset[Key]


def touched(
    messages: Iterable[bytes], encoding: str, tables: Collection[int]
) -> Mapping[int, Touched | None]:
    """Return which rows the messages touch of some tables, by the source's oid.

    Takes whole messages of these. A row that was updated is there by its old key and by its new
    one. None if the table was altered in between, if a key is no text in `encoding`, or if a row
    that was updated lacks a value: it is stored out of line and was left alone, so that nothing
    tells whether it is the same.
    """
    relations: dict[int, _Relation] = {}
    keys: dict[int, set[Key]] = {}
    unclear: set[int] = set()
    for message in messages:
        kind, oid = _RELATION.unpack_from(message)
        match kind:
            case _ if oid not in tables:
                pass
            case b"R":
                described = _relation(message, encoding)
                if relations.get(oid, described) != described:
                    unclear.add(oid)  # altered meanwhile
                relations[oid] = described
            case b"I" | b"U" | b"D":
                found = keys.setdefault(oid, set())
                try:
                    rows = list(_rows(message, encoding))
                except UnicodeDecodeError:
                    unclear.add(oid)
                    continue
                found.update(map(relations[oid].key, rows))
                if _UNCHANGED in rows[-1]:
                    unclear.add(oid)
    return {
        oid: None if oid in unclear else Touched(relations[oid].key_columns, frozenset(each))
        for oid, each in keys.items()
    }


#: a value that the message does not carry; no text of PostgreSQL's has this character
_UNCHANGED = "\0"

_Row = list[str | None]


@dataclass(frozen=True, slots=True)
class _Relation:
    #: name -> it belongs to the replica identity
    columns: tuple[tuple[str, bool], ...]

    @property
    def key_columns(self) -> tuple[str, ...]:
        identity = tuple(name for name, in_key in self.columns if in_key)
        return identity or tuple(name for name, _ in self.columns)

    def key(self, row: _Row) -> Key:
        wanted = set(self.key_columns)
        return tuple(v for (name, _), v in zip(self.columns, row, strict=True) if name in wanted)


def _relation(message: bytes, encoding: str) -> _Relation:
    names = message.index(0, message.index(0, _RELATION.size) + 1) + 1
    number = struct.unpack_from(">xH", message, names)[0]  # after the replica identity
    at, columns = names + 3, []
    for _ in range(number):
        end = message.index(0, at + 1)
        columns.append((message[at + 1 : end].decode(encoding), bool(message[at] & 1)))
        at = end + 9  # type and modifier
    return _Relation(tuple(columns))


def _rows(message: bytes, encoding: str) -> Iterator[_Row]:
    """Yield the old row of an update or delete, if it is there, and the new one of what has one.

    What an update left alone is taken from the old row.
    """
    at = _RELATION.size
    old: _Row | None = None
    while at < len(message):
        kind, number = struct.unpack_from(">cH", message, at)
        at += 3
        row: _Row = []
        for _ in range(number):
            value, at = _value(message, at, encoding)
            row.append(value)
        if kind == b"N" and old is not None:
            row = [o if n == _UNCHANGED else n for n, o in zip(row, old, strict=True)]
        old = row
        yield row


def _value(message: bytes, at: int, encoding: str) -> tuple[str | None, int]:
    match message[at : at + 1]:
        case b"n":
            return None, at + 1
        case b"u":
            return _UNCHANGED, at + 1
        case _:
            start = at + 5
            end = start + int.from_bytes(message[at + 1 : start], "big")
            return message[start:end].decode(encoding), end
