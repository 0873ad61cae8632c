"""A small application that is replicated already, for tests of what comes after the copy."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier, Literal
from pydantic import SecretStr

from pgmigrator.core.marker import Binding, Marker, ServerIdentity, Step, dump, load
from pgmigrator.core.names import Names, TableName, names
from pgmigrator.postgres.connect import Endpoint, Side
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.postgres.queries import query
from pgmigrator.settings import Instance
from tests.fixtures.databases import create_database, execute
from tests.fixtures.providers import Postgres

MAPPING = "orders"
SCHEMA: tuple[LiteralString, ...] = (
    "CREATE SCHEMA shop",
    "CREATE TABLE shop.item (id bigint PRIMARY KEY, note text)",
    'CREATE TABLE shop."odd Näme" (id int PRIMARY KEY)',
    "CREATE TABLE shop.event (id bigint, day int, PRIMARY KEY (id, day)) PARTITION BY LIST (day)",
    "CREATE TABLE shop.event_1 PARTITION OF shop.event FOR VALUES IN (1)",
    "CREATE TABLE shop.event_2 PARTITION OF shop.event FOR VALUES IN (2)",
    "CREATE SEQUENCE shop.up CACHE 20",
    "CREATE SEQUENCE shop.down INCREMENT -1 MAXVALUE 1000 START 1000",
    "CREATE SEQUENCE shop.round MAXVALUE 5 CYCLE",
    'CREATE SEQUENCE shop."Fresh"',
)
DATA: tuple[LiteralString, ...] = (
    "INSERT INTO shop.item SELECT i, 'n' || i FROM generate_series(1, 1000) i",
    'INSERT INTO shop."odd Näme" SELECT generate_series(1, 50)',
    "INSERT INTO shop.event SELECT i, 1 + i % 2 FROM generate_series(1, 500) i",
)
_SERVER = """
SELECT (SELECT system_identifier FROM pg_control_system()),
       (SELECT timeline_id FROM pg_control_checkpoint()),
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database())
"""
_TABLES = """
SELECT c.oid::bigint, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n
    ON n.oid = c.relnamespace
 WHERE n.nspname = 'shop' AND c.relkind = 'r' ORDER BY 2, 3
"""


@dataclass(frozen=True)
class Replicated:
    """One database on two servers, every table streaming, and the marker as it would be."""

    source: Postgres
    destination: Postgres
    pair: DatabasePair
    marker: Marker
    tables: tuple[tuple[int, TableName], ...]

    @property
    def names(self) -> Names:
        return self.pair.names

    def on_source(self, *statements: LiteralString) -> None:
        execute(self.source.dsn(self.pair.database), *statements)

    def until_alone(self) -> None:
        """Wait until the sessions of the test have left the source's database.

        A server notices a moment later that a session was closed.
        """
        sessions: LiteralString = (
            "SELECT FROM pg_stat_activity WHERE datname = %s AND application_name = ''"
        )
        until(lambda: not _read(self.source.dsn("postgres"), sessions, [self.pair.database]))

    def on_destination(self, *statements: LiteralString) -> None:
        execute(self.destination.dsn(self.pair.database), *statements)

    def read_source(self, query: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        return _read(self.source.dsn(self.pair.database), query, parameters)

    def read_destination(self, query: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        return _read(self.destination.dsn(self.pair.database), query, parameters)

    def stored_marker(self) -> Marker | None:
        """The marker as the destination has it."""
        rows = self.read_destination(
            "SELECT split_part(c, '=', 2) FROM pg_db_role_setting, unnest(setconfig) c"
            " WHERE setrole = 0 AND c LIKE 'pgmigrator.state=%%' AND setdatabase ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        binding = Binding(
            MAPPING, self.marker.database_oid, self.marker.destination.system_identifier
        )
        return load(rows[0][0], binding) if rows else None

    def store_marker(self, marker: Marker) -> None:
        with psycopg.connect(self.destination.dsn(), autocommit=True) as connection:
            connection.execute(
                SQL('ALTER DATABASE {} SET "pgmigrator.state" = {}').format(
                    Identifier(self.pair.database), Literal(dump(marker))
                )
            )

    def subscription(self) -> tuple[bool, bool] | None:
        """(enabled, worker running); None: there is none."""
        rows = self.read_destination(
            "SELECT subenabled, EXISTS (SELECT FROM pg_stat_subscription w"
            " WHERE w.subid = s.oid AND w.pid IS NOT NULL)"
            " FROM pg_subscription s WHERE subname = %s",
            self.names.subscription,
        )
        return (rows[0][0], rows[0][1]) if rows else None


def replicate(source: Postgres, destination: Postgres, more: Sequence[LiteralString] = ()) -> Any:
    """Set up publication, slot and subscription as the daemon does; wait until all tables stream.

    :param more: further statements of the schema, run on both sides.
    """
    database = create_database(source)
    create_database(destination, database)
    for server in (source, destination):  # so that transactions are streamed before they commit
        execute(
            server.dsn(),
            SQL("ALTER DATABASE {} SET logical_decoding_work_mem = '64kB'").format(
                Identifier(database)
            ),
        )
    execute(source.dsn(database), *SCHEMA, *more, *DATA)
    execute(destination.dsn(database), *SCHEMA, *more)
    here = _read(source.dsn(database), _SERVER, ())[0]
    there = _read(destination.dsn(database), _SERVER, ())[0]
    ours = names(MAPPING, here[2], there[0])
    pair = DatabasePair(
        endpoint("source", source), endpoint("destination", destination), database, ours
    )
    tables = tuple(
        (oid, TableName(schema, name))
        for oid, schema, name in _read(source.dsn(database), _TABLES, ())
    )
    marker = Marker(
        mapping=MAPPING,
        database_oid=there[2],
        source=ServerIdentity(system_identifier=here[0], timeline=here[1]),
        destination=ServerIdentity(system_identifier=there[0], timeline=there[1]),
        source_database=database,
        source_database_oid=here[2],
        created=True,
        steps=frozenset({Step.SCHEMA_DONE, Step.SUBSCRIBED, Step.COPIED, Step.INDEXED}),
    )
    replicated = Replicated(source, destination, pair, marker, tables)
    _publish(replicated)
    _subscribe(replicated)
    [(oid,)] = replicated.read_destination(
        "SELECT oid::bigint FROM pg_subscription WHERE subname = %s", ours.subscription
    )
    replicated = replace(replicated, marker=replace(marker, subscription_oid=oid))
    replicated.store_marker(replicated.marker)
    return replicated


def endpoint(side: Side, server: Postgres) -> Endpoint:
    """The server as the daemon knows it."""
    parameters = conninfo_to_dict(server.dsn())
    instance = Instance(
        host=str(parameters["host"]),
        port=int(str(parameters["port"])),
        user=str(parameters["user"]),
        password=SecretStr(str(parameters["password"])),
    )
    return Endpoint(side, MAPPING, side, instance)


def _publish(replicated: Replicated) -> None:
    publication = Identifier(replicated.names.publication)
    listed = SQL(", ").join(
        SQL("ONLY {}").format(Identifier(name.schema, name.name)) for _, name in replicated.tables
    )
    execute(
        replicated.source.dsn(replicated.pair.database),
        SQL("CREATE PUBLICATION {} FOR TABLE {}").format(publication, listed),
        SQL("COMMENT ON PUBLICATION {} IS {}").format(
            publication, Literal(replicated.names.publication_comment)
        ),
        SQL("SELECT pg_create_logical_replication_slot({}, 'pgoutput')").format(
            Literal(replicated.names.subscription)
        ),
    )


def storage(replicated: Replicated) -> dict[int, str]:
    """The storage of the source's tables, as an observation would have it."""
    return dict(replicated.read_source(f"SELECT oid, storage FROM ({query('storage')}) s"))


def _storage(replicated: Replicated, name: TableName) -> tuple[str, str]:
    where = f"SELECT storage FROM ({query('storage')}) s WHERE s.schema = %s AND s.name = %s"
    [[here]] = replicated.read_source(where, name.schema, name.name)
    [[there]] = replicated.read_destination(where, name.schema, name.name)
    return here, there


def _subscribe(replicated: Replicated) -> None:
    [[started_at]] = replicated.read_source(
        "SELECT extract(epoch FROM pg_postmaster_start_time())::float8"
    )
    values = SQL(", ").join(
        SQL("({}, {}, {}, {}::regclass, true, false, true, {}, {})").format(
            name.schema, name.name, oid, str(name), *_storage(replicated, name)
        )
        for oid, name in replicated.tables
    )
    execute(
        replicated.destination.dsn(replicated.pair.database),
        "CREATE SCHEMA pgmigrator",
        "CREATE TABLE pgmigrator.tables (schema_name text, table_name text, source_oid bigint,"
        " table_oid oid NOT NULL, created boolean NOT NULL,"
        " resync boolean NOT NULL DEFAULT false, filled boolean NOT NULL DEFAULT false,"
        " source_storage text, destination_storage text,"
        " PRIMARY KEY (schema_name, table_name))",
        SQL("INSERT INTO pgmigrator.tables VALUES {}").format(values),
        SQL(
            "CREATE TABLE pgmigrator.start AS"
            " SELECT pg_postmaster_start_time() AS started_at, {}::float8 AS source_started_at"
        ).format(Literal(started_at)),
        SQL(
            "CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {}"
            " WITH (create_slot = false, copy_data = true)"
        ).format(
            Identifier(replicated.names.subscription),
            Literal(replicated.source.peer_dsn(replicated.pair.database)),
            Identifier(replicated.names.publication),
        ),
    )
    until(
        lambda: all(
            state == "r"
            for (state,) in replicated.read_destination(
                "SELECT srsubstate FROM pg_subscription_rel"
            )
        )
    )


def until(condition: Any, timeout_seconds: float = 60) -> None:
    """Wait for a condition, at most so long."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


@contextmanager
def apply_held(replicated: Replicated) -> Iterator[None]:
    """Apply waits at the gate; what the source commits within the block comes after it.

    Both sides have a table `shop.gate (id int PRIMARY KEY)`, which streams.
    """
    waiting: LiteralString = (
        "SELECT FROM pg_locks WHERE NOT granted AND relation = 'shop.gate'::regclass"
    )
    with psycopg.connect(replicated.destination.dsn(replicated.pair.database)) as gate:
        gate.execute("LOCK TABLE shop.gate IN SHARE MODE")
        replicated.on_source("INSERT INTO shop.gate SELECT count(*) FROM shop.gate")
        until(lambda: replicated.read_destination(waiting))
        yield


def apply_errors(replicated: Replicated) -> int:
    """How often apply has failed so far."""
    [(errors,)] = replicated.read_destination(
        "SELECT apply_error_count FROM pg_stat_subscription_stats WHERE subname = %s",
        replicated.names.subscription,
    )
    return int(errors)


def _read(dsn: str, query: LiteralString, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(query, parameters).fetchall()
