"""Compares every table and every sequence of databases on two servers.

Opening takes milliseconds and fixes what is compared: a snapshot on each side, and the values of
the sequences, which no snapshot holds. The comparison itself may then take as long as it likes.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.sql import SQL, Composed, Identifier
from psycopg.sql import Literal as SqlLiteral

from pgmigrator.demo.application import DsnOf

# The same text for the same value on both sides, and one snapshot for all that follows.
OPEN = """
SET "DateStyle" = 'ISO, YMD'; SET "TimeZone" = 'UTC'; SET "IntervalStyle" = 'postgres';
SET extra_float_digits = 1; SET bytea_output = 'hex'; SET statement_timeout = 0;
SET search_path = pg_catalog; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0;
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
"""
# Also takes the snapshot. The schema `pgmigrator` is the bookkeeping of the migration.
RELATIONS = """
SELECT c.relkind::text, n.nspname, c.relname, pg_table_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'S') AND c.relpersistence = 'p'
AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgmigrator')
ORDER BY n.nspname, c.relname
"""

Name = tuple[str, str]


@dataclass(frozen=True)
class Difference:
    """An object that is not the same on both sides; None: it is missing there."""

    database: str
    kind: Literal["table", "sequence"]
    name: str
    source: str | None
    destination: str | None

    def __str__(self) -> str:
        sides = f"source {self.source or 'missing'}, destination {self.destination or 'missing'}"
        return f"{self.kind} {self.name} in {self.database}: {sides}"


@dataclass(frozen=True)
class Comparison:
    """What was compared; `table_bytes` is the size of the destination's tables without indexes."""

    differences: tuple[Difference, ...]
    tables: int
    sequences: int
    rows: int
    table_bytes: int


@dataclass(frozen=True)
class Side:
    """One database of one server, as it was when it was opened."""

    connection: psycopg.Connection[Any]
    table_bytes: dict[Name, int]
    sequences: dict[Name, str]

    @classmethod
    def open(cls, dsn: str) -> "Side":
        """Connect, take the snapshot, read the sequences."""
        connection = psycopg.connect(dsn, autocommit=True)
        connection.execute(OPEN)
        relations = connection.execute(RELATIONS).fetchall()
        names = [(schema, name) for kind, schema, name, _ in relations if kind == "S"]
        sequences = {}
        if names:
            query = SQL(" UNION ALL ").join(map(_sequence_query, names))
            sequences = {(row[0], row[1]): row[2] for row in connection.execute(query)}
        sizes = {(schema, name): size for kind, schema, name, size in relations if kind == "r"}
        return cls(connection, sizes, sequences)

    def contents(self) -> dict[Name, tuple[int, str]]:
        """Each table's number of rows, and a hash that does not depend on their order."""
        return {name: self._content(name) for name in self.table_bytes}

    def _content(self, name: Name) -> tuple[int, str]:
        query = SQL(
            'SELECT count(*), coalesce(sum(hashtextextended(t::text COLLATE "C", 0)), 0)::text'
            " FROM ONLY {} t"
        ).format(Identifier(*name))
        row = self.connection.execute(query).fetchone()
        assert row is not None  # an aggregate always has a row
        return int(row[0]), str(row[1])


class Snapshots:
    """The open snapshots of all databases on both sides."""

    def __init__(self, sides: dict[str, tuple[Side, Side]]) -> None:
        self._sides = sides

    def compare(self) -> Comparison:
        """Read every table of both sides in full and say what differs."""
        differences: list[Difference] = []
        tables = sequences = rows = table_bytes = 0
        for database, (source, destination) in self._sides.items():
            with ThreadPoolExecutor() as pool:
                ours, theirs = pool.map(Side.contents, (source, destination))
            differences += _differences(database, "table", _described(ours), _described(theirs))
            differences += _differences(
                database, "sequence", source.sequences, destination.sequences
            )
            tables += len(ours)
            sequences += len(source.sequences)
            rows += sum(count for count, _ in theirs.values())
            table_bytes += sum(destination.table_bytes.values())
        return Comparison(tuple(differences), tables, sequences, rows, table_bytes)


@contextmanager
def open_snapshots(
    source: DsnOf, destination: DsnOf, databases: Sequence[str]
) -> Iterator[Snapshots]:
    """Open all databases on both sides at once; nothing that is written later is compared."""
    dsns = [dsn(database) for database in databases for dsn in (source, destination)]
    with ExitStack() as stack, ThreadPoolExecutor(len(dsns)) as pool:
        sides = list(pool.map(Side.open, dsns))
        for side in sides:
            stack.callback(side.connection.close)
        yield Snapshots(
            dict(zip(databases, zip(sides[::2], sides[1::2], strict=True), strict=True))
        )


def _sequence_query(name: Name) -> Composed:
    return SQL("SELECT {}, {}, last_value || ' ' || is_called FROM {}").format(
        SqlLiteral(name[0]), SqlLiteral(name[1]), Identifier(*name)
    )


def _described(contents: dict[Name, tuple[int, str]]) -> dict[Name, str]:
    return {name: f"{rows} rows, hash {content}" for name, (rows, content) in contents.items()}


def _differences(
    database: str,
    kind: Literal["table", "sequence"],
    source: dict[Name, str],
    destination: dict[Name, str],
) -> list[Difference]:
    return [
        Difference(database, kind, ".".join(name), source.get(name), destination.get(name))
        for name in sorted(source.keys() | destination.keys())
        if source.get(name) != destination.get(name)
    ]
