"""What the chaos tests share: statements, waiting, and what the servers tell about themselves."""

import time
from collections.abc import Callable
from typing import Any, LiteralString

import psycopg

from pgmigrator.demo.servers import Server
from tests.fixtures.databases import execute

#: rows that a table took in, changed and lost since it exists
TUPLES: LiteralString = """
SELECT schemaname || '.' || relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables
 WHERE schemaname <> 'pgmigrator' ORDER BY 1
"""


def statement(server: Server, text: LiteralString, database: str = "shop") -> None:
    """Run one statement."""
    execute(server.dsn(database), text)


def rows(server: Server, query: LiteralString, database: str = "shop") -> list[tuple[Any, ...]]:
    """Return what a query finds."""
    with psycopg.connect(server.dsn(database), autocommit=True) as connection:
        return connection.execute(query).fetchall()


def until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for a condition, asking often: what is waited for may be over soon."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds:g} s"
        time.sleep(0.01)


def activity(server: Server) -> list[str]:
    """Return the applications of ours that are connected to a server."""
    query: LiteralString = (
        "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'pgmigrator/%'"
    )
    return [name for (name,) in rows(server, query, "postgres")]
