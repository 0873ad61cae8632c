"""Sessions: every one names itself, is bounded in time, and on the source only reads.

A session on the source is read-only, unless it is opened by `source_writer`, which runs nothing but
the statements of `allowlist`. Everything that psycopg raises leaves this package as one of
`pgmigrator.errors`, with secrets removed.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row

from pgmigrator.core.allowlist import permit
from pgmigrator.core.text import CARRIED_TEXT, ENCODING, OWN_ROLE, SESSION_OPTIONS
from pgmigrator.errors import MigratorError, Refused, Unreachable
from pgmigrator.settings import Instance

Connection = psycopg.AsyncConnection[DictRow]
Side = Literal["source", "destination"]

CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 30
#: our own lock requests give up before an application's statement that queues behind them suffers
LOCK_TIMEOUT_S = 2

#: Settings of the sessions that copy from the source: what it sets for others would end them, and
#: a copy that row-level security thins out must fail. 18.1 still drops them (preflight knows).
REPLICATION_OPTIONS = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "row_security": "off",
    **CARRIED_TEXT,
    **OWN_ROLE,
}

#: Settings of a session whose statements carry a secret: the server's log must not have it.
SECRECY_OPTIONS = {
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_min_error_statement": "panic",
    "track_activities": "off",
    "pg_stat_statements.track_utility": "off",
}

#: What the application's event triggers do for its DDL, they must not do for ours: a row that one
#: writes into a replicated table stands in the way of the source's. On login they run before
#: anything that a session could set.
WITHOUT_EVENT_TRIGGERS = {"event_triggers": "off"}

#: What has no tablespace of its own comes into the database's, whatever the role's default is.
DEFAULT_TABLESPACE = {"default_tablespace": ""}

#: SQLSTATE classes and codes that mean "did not answer", not "said no"
_UNREACHABLE_CLASSES = ("08", "57P", "53")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One side of one mapping: where to connect, and as what."""

    side: Side
    mapping: str
    #: the instance's name in the settings, for messages
    name: str
    instance: Instance

    def application_name(self, action: str) -> str:
        """Name a session so that a DBA, and the next daemon, knows whose it is."""
        return f"pgmigrator/{self.mapping}/{action}"

    def parameters(self, database: str, action: str) -> dict[str, str]:
        """Return libpq parameters without the password."""
        instance = self.instance
        parameters = {
            "host": instance.host,
            "port": str(instance.port),
            "user": instance.user,
            "dbname": database,
            "application_name": self.application_name(action),
            "connect_timeout": str(CONNECT_TIMEOUT_S),
            "keepalives_idle": "15",
            "keepalives_interval": "5",
            "keepalives_count": "3",
        }
        for name in ("sslmode", "sslrootcert", "sslcert", "sslkey"):
            if value := getattr(instance, name):
                parameters[name] = str(value)
        return parameters

    @property
    def password(self) -> str | None:
        """The password itself: only for connecting, never for showing."""
        secret = self.instance.password
        return secret.get_secret_value() if secret else None

    def subscription_conninfo(self, database: str) -> str:
        """Return the conninfo by which the destination server reaches this source; a secret."""
        instance = self.instance
        parameters = {
            "host": instance.replication_host or instance.host,
            "port": str(instance.replication_port or instance.port),
            "user": instance.user,
            "dbname": database,
            "connect_timeout": str(CONNECT_TIMEOUT_S),
            "options": startup_options(REPLICATION_OPTIONS),
        }
        if self.password is not None:
            parameters["password"] = self.password
        if instance.sslmode:
            parameters["sslmode"] = instance.sslmode
        if rootcert := instance.replication_sslrootcert or instance.sslrootcert:
            parameters["sslrootcert"] = str(rootcert)
        return make_conninfo("", **parameters)


@asynccontextmanager
async def session(
    endpoint: Endpoint,
    database: str,
    action: str,
    *,
    options: Mapping[str, str] | None = None,
    autocommit: bool = True,
    secret: bool = False,
) -> AsyncIterator[Connection]:
    """Open a session for one piece of work.

    On the source it is read-only. `options` are settings for the session, over the defaults.
    `secret=True` silences the server's log for statements that carry a password.

    :raises Unreachable: the server does not answer.
    :raises Refused: it says no.
    """
    wanted = (SECRECY_OPTIONS if secret else {}) | dict(options or {})
    with translated(endpoint):
        connection = await connect(endpoint, database, action, options=wanted)
        try:
            async with connection:
                await connection.set_autocommit(autocommit)
                yield connection
        finally:
            # cancelled while it rolls back, psycopg leaves the connection open
            await connection.close()


async def connect(
    endpoint: Endpoint,
    database: str,
    action: str,
    *,
    options: Mapping[str, str] | None = None,
    bounded: bool = True,
) -> Connection:
    """Open a connection that the caller closes; in autocommit mode.

    `bounded=False` leaves what decides how the sessions and workers of replication fare as it is
    for anybody: time-outs, the role, and how text is understood.
    """
    defaults = {
        "client_connection_check_interval": "1s",
        "search_path": "pg_catalog",
        **ENCODING,
        # `on` would hang in every commit while a synchronous standby is missing
        "synchronous_commit": "local",
        "default_transaction_isolation": "read\\ committed",
        # a query over 10,000 tables would take seconds longer to compile than to run
        "jit": "off",
    }
    if endpoint.side == "source":
        defaults["default_transaction_read_only"] = "on"
    if bounded:
        defaults |= SESSION_OPTIONS | _bounds(endpoint)
    settings = defaults | dict(options or {})
    if endpoint.side == "source":
        return await _open(endpoint, database, action, settings)
    try:
        return await _open(endpoint, database, action, settings | WITHOUT_EVENT_TRIGGERS)
    except psycopg.OperationalError as error:
        # before 17, or no superuser: preflight refuses both, if it gets to look
        if not any(name in str(error) for name in WITHOUT_EVENT_TRIGGERS):
            raise
        return await _open(endpoint, database, action, settings)


async def _open(
    endpoint: Endpoint, database: str, action: str, settings: Mapping[str, str]
) -> Connection:
    return await psycopg.AsyncConnection.connect(
        make_conninfo("", **endpoint.parameters(database, action)),
        password=endpoint.password,
        options=startup_options(settings),
        autocommit=True,
        row_factory=dict_row,
    )


def startup_options(settings: Mapping[str, str]) -> str:
    """Write settings as libpq's `options`; backslashes before blanks are the caller's."""
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _bounds(endpoint: Endpoint) -> dict[str, str]:
    bounds = {
        "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
        "lock_timeout": f"{LOCK_TIMEOUT_S}s",
        "idle_in_transaction_session_timeout": "0",
    }
    if endpoint.side == "destination":
        bounds["default_transaction_read_only"] = "off"
    return bounds


class SourceWriter:
    """The only way to change anything on a source: every statement passes the allowlist."""

    def __init__(self, connection: Connection) -> None:
        """Wrap a session that may write."""
        self._connection = connection

    @property
    def encoding(self) -> str:
        """Python's name for the encoding in which the server sends text."""
        return self._connection.info.encoding

    async def execute(self, statement: sql.Composed | sql.SQL) -> list[DictRow]:
        """Run one statement of the allowlist and return its rows.

        :raises InvariantBroken: the statement is not on the allowlist.
        """
        text = statement.as_string(self._connection)
        permit(text)
        cursor = await self._connection.execute(statement)
        return await cursor.fetchall() if cursor.description else []

    async def read(self, query: LiteralString, parameters: Mapping[str, Any]) -> list[DictRow]:
        """Read in the same transaction."""
        cursor = await self._connection.execute(query, parameters)
        return await cursor.fetchall()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Run the block's statements in one transaction."""
        async with self._connection.transaction():
            yield


@asynccontextmanager
async def source_writer(
    endpoint: Endpoint, database: str, action: str, *, options: Mapping[str, str] | None = None
) -> AsyncIterator[SourceWriter]:
    """Open the source for statements of the allowlist, and for nothing else."""
    settings = {"default_transaction_read_only": "off"}
    async with session(
        endpoint, database, action, options=settings | dict(options or {})
    ) as connection:
        yield SourceWriter(connection)


@contextmanager
def translated(endpoint: Endpoint) -> Iterator[None]:
    """Turn what psycopg raises into the daemon's own exceptions, without secrets."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, endpoint) from None


def translate(error: psycopg.Error, endpoint: Endpoint) -> MigratorError:
    """Say what went wrong, where; never with a secret, a statement's text or its parameters."""
    where = f"{endpoint.side} {endpoint.name}"
    state = error.sqlstate or ""
    message = error.diag.message_primary or str(error).strip() or type(error).__name__
    hint = error.diag.message_hint
    text = redact(f"{where}: {message}" + (f" ({hint})" if hint else ""), endpoint)
    if isinstance(error, psycopg.OperationalError) and (
        not state or state.startswith(_UNREACHABLE_CLASSES)
    ):
        return Unreachable(text)
    return Refused(f"{text} [{state}]" if state else text)


def redact(text: str, endpoint: Endpoint) -> str:
    """Remove this endpoint's password from a text."""
    return text.replace(endpoint.password, "********") if endpoint.password else text


async def fetch(
    connection: Connection, query: str, parameters: Mapping[str, Any] | None = None
) -> list[DictRow]:
    """Run one of the queries of `sql/` and return all rows."""
    cursor = await connection.execute(query, parameters)
    return await cursor.fetchall()
