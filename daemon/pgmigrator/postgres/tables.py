"""Tables that come later: created on the destination while changes stream in.

Each table comes in one transaction with everything that it needs and the destination lacks (types,
functions, sequences, its partitioned table), and with its note in our bookkeeping.

A new partition narrows what its DEFAULT partition takes. Rows that the source once had there and
moved must have come and gone on the destination too, else apply would halt on them for ever: so it
is created only once apply has passed the dump that shows it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from psycopg import errors

from pgmigrator.core.names import TableName
from pgmigrator.errors import Refused
from pgmigrator.postgres import bookkeeping
from pgmigrator.postgres.archive import Entry
from pgmigrator.postgres.confirm import until_passed
from pgmigrator.postgres.connect import Connection, fetch, session
from pgmigrator.postgres.failures import Failure, attempt
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.rest import OPTIONS, patiently

ACTION = "RestoreTables"
ON_THEIR_WAY = "rows that its DEFAULT partition held before may still be on their way"

#: what belongs to a table and comes with it, though the table does not need it
_COMPANIONS = frozenset(
    {"ACL", "COMMENT", "DEFAULT", "SECURITY LABEL", "SEQUENCE", "SEQUENCE OWNED BY", "TABLE ATTACH"}
)
_INDEXES = frozenset({"CONSTRAINT", "INDEX"})
#: ends what rows that were there before it need not fit: NOT NULL is a CONSTRAINT too then
_NOT_VALID = b" NOT VALID;"
_RELATION = 1259
_NO_OBJECT = (0, 0)
#: how pg_get_object_address says that there is no such object
_ABSENT = (
    errors.UndefinedObject,
    errors.UndefinedTable,
    errors.UndefinedFunction,
    errors.UndefinedColumn,
    errors.InvalidSchemaName,
)
_IN_THE_WAY = "the destination has something else under this name: rename or drop it there"
_ADDRESS = """
SELECT type, object_names, object_args
  FROM pg_identify_object_as_address(%(class)s::oid, %(oid)s::oid, 0)
"""
_THERE = "SELECT pg_get_object_address(%(type)s, %(object_names)s, %(object_args)s)"


@dataclass(frozen=True, slots=True)
class Contents:
    """An archive's entries, and the keys of those that build identity indexes."""

    pre_data: Sequence[Entry]
    post_data: Sequence[Entry]
    identities: Collection[tuple[int, int]]


_KIND = "SELECT relkind::text AS kind FROM pg_class WHERE oid = %(oid)s"
#: a relation of that name that is of another kind, or not logged
_OTHER = """
SELECT relkind FROM pg_class
 WHERE oid = to_regclass(%(table)s) AND (relkind <> %(kind)s OR relpersistence <> 'p')
"""


async def create_tables(
    pair: DatabasePair, contents: Contents, tables: Collection[tuple[int, TableName]]
) -> tuple[Failure, ...]:
    """Create tables of the source, by oid, as its archive has them; return what failed.

    Those that exist by now are left alone.

    :raises Unreachable: a server went away.
    """
    failures: list[Failure] = []
    async with (
        session(pair.source, pair.database, ACTION) as source,
        session(pair.destination, pair.database, ACTION, options=OPTIONS) as destination,
    ):
        creating = _Creating(pair, source, destination, contents)
        for oid, name in tables:
            what, work = f"table {name}", creating.run(oid, name)
            failures += await attempt(destination, pair.destination, what, work)
    return tuple(failures)


class _Creating:
    """Creates one table after the other, each on its own."""

    def __init__(
        self,
        pair: DatabasePair,
        source: Connection,
        destination: Connection,
        contents: Contents,
    ) -> None:
        self._pair = pair
        self._source = source
        self._destination = destination
        self._contents = contents
        #: apply has passed what the dump shows
        self._passed = False
        #: it did not in time: nobody waits for it again
        self._lags: Refused | None = None

    async def run(self, oid: int, name: TableName) -> None:
        """Create a table with everything that it lacks here."""
        looking = _Lacking(self._source, self._destination, self._contents.pre_data)
        lacking = await looking.of(oid)
        if not lacking:
            await self._assert_not_in_the_way(oid, name)
            return
        if any(entry.type == "TABLE ATTACH" for entry in lacking):
            await self._until_passed()

        async def work(connection: Connection) -> None:
            for entry in in_order(lacking, self._contents):
                await connection.execute(entry.statement, prepare=False)
            await bookkeeping.remember(connection, looking.tables, created=True)
            await bookkeeping.remember_partitioned(connection, looking.tables)

        await patiently(self._destination, work)

    async def _assert_not_in_the_way(self, oid: int, name: TableName) -> None:
        """Name what has a table's name and can hold nothing for it: else it is wanted for ever."""
        for row in await fetch(self._source, _KIND, {"oid": oid}):
            if await fetch(self._destination, _OTHER, {"table": str(name), **row}):
                raise Refused(_IN_THE_WAY)

    async def _until_passed(self) -> None:
        if self._lags is not None:
            raise Refused(str(self._lags))
        if not self._passed:
            try:
                await until_passed(self._pair, self._destination, ACTION, ON_THEIR_WAY)
            except Refused as refused:
                self._lags = refused
                raise
            self._passed = True


def in_order(lacking: Collection[Entry], contents: Contents) -> list[Entry]:
    """Add the indexes that must be there before the rows, and bring all into order.

    A partition gets all of its indexes before it is attached: for those that it lacked by then, the
    server would make others, under names of its own choice.
    """
    tables = {entry.id for entry in lacking if entry.type == "TABLE"}
    last = [entry for entry in lacking if entry.type == "TABLE ATTACH"]
    attached = tables & {needed for entry in last for needed in entry.dependencies}
    indexes = [
        entry
        for entry in contents.post_data
        if entry.type in _INDEXES
        and not entry.statement.endswith(_NOT_VALID)
        and (
            entry.dependencies & attached
            or (entry.dependencies & tables and entry.key in contents.identities)
        )
    ]
    ids = {entry.id for entry in lacking} - {entry.id for entry in last}
    return [
        *(entry for entry in contents.pre_data if entry.id in ids),
        *indexes,
        *(entry for entry in contents.pre_data if entry in last),
    ]


class _Lacking:
    """Finds what a table needs, and has, that the destination lacks."""

    def __init__(
        self, source: Connection, destination: Connection, entries: Sequence[Entry]
    ) -> None:
        self._source = source
        self._destination = destination
        #: oid and name of each table that was found lacking
        self.tables: list[tuple[int, TableName]] = []
        self._entries = {entry.id: entry for entry in entries}
        self._companions: dict[int, list[int]] = {}
        for entry in entries:
            if entry.type in _COMPANIONS:
                for needed in entry.dependencies:
                    self._companions.setdefault(needed, []).append(entry.id)

    async def of(self, oid: int) -> list[Entry]:
        """Return the entries, in no order; none if the table is there, or gone from the source."""
        found: dict[int, Entry] = {}
        seen: set[int] = set()
        todo = [e.id for e in self._entries.values() if e.key == (_RELATION, oid)]
        while todo:
            entry = self._entries.get(todo.pop())
            if entry is None or entry.id in seen:
                continue
            seen.add(entry.id)
            if entry.key != _NO_OBJECT and await self._is_there(entry):
                continue
            found[entry.id] = entry
            todo += [*entry.dependencies, *self._companions.get(entry.id, ())]
        return list(found.values())

    async def _is_there(self, entry: Entry) -> bool:
        """Look for the counterpart of an object of the source."""
        class_oid, oid = entry.key
        try:
            [address] = await fetch(self._source, _ADDRESS, {"class": class_oid, "oid": oid})
            if address["object_names"] is None:
                raise Refused(f"{entry} was dropped on the source meanwhile; observing again")
        except errors.UndefinedObject:
            raise Refused(f"{entry} was dropped on the source meanwhile; observing again") from None
        try:
            await fetch(self._destination, _THERE, address)
        except errors.WrongObjectType:
            raise Refused(f"{entry}: {_IN_THE_WAY}") from None
        except _ABSENT:
            if entry.type == "TABLE":
                self.tables.append((oid, TableName(*address["object_names"])))
            return False
        return True
