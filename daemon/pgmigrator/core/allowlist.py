"""Every statement that the daemon may run on a source beyond reading: this list, and no more.

All of them concern publications and slots whose names start with `pgmigrator_`, or emit a message
into the WAL that nothing consumes.
"""

import re

from pgmigrator.errors import InvariantBroken

_IDENTIFIER = r'"(?:[^"]|"")+"'
_PUBLICATION = r'"pgmigrator_[a-z0-9_]+"'
_SLOT = r"'pgmigrator_[a-z0-9_]+'"
_TABLE = rf"{_IDENTIFIER}\.{_IDENTIFIER}"
_TABLES = rf"TABLE ONLY {_TABLE}(?:, ONLY {_TABLE})*"

ALLOWED: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (what, re.compile(pattern))
    for what, pattern in (
        ("create our empty publication", rf"CREATE PUBLICATION {_PUBLICATION}"),
        (
            "create our empty publication of inserts only, which never hinders UPDATE or DELETE",
            r'CREATE PUBLICATION "pgmigrator_[a-z0-9_]+_insert_only"'
            r" WITH \(publish = 'insert, truncate'\)",
        ),
        ("publish single tables", rf"ALTER PUBLICATION {_PUBLICATION} ADD {_TABLES}"),
        ("stop publishing tables", rf"ALTER PUBLICATION {_PUBLICATION} DROP {_TABLES}"),
        (
            "say whose a publication is",
            rf"COMMENT ON PUBLICATION {_PUBLICATION} IS 'pgmigrator [a-z0-9_]+ \d+'",
        ),
        ("drop our publication", rf"DROP PUBLICATION {_PUBLICATION}"),
        (
            "create our slot",
            rf"SELECT pg_create_logical_replication_slot\({_SLOT}, 'pgoutput'\)",
        ),
        ("drop our slot", rf"SELECT pg_drop_replication_slot\({_SLOT}\)"),
        (
            "drop a table-sync slot that our subscription left behind",
            r"SELECT pg_drop_replication_slot\('pg_\d+_sync_\d+_\d+'\)",
        ),
        (
            "nudge the WAL",
            r"SELECT pg_logical_emit_message\(true, 'pgmigrator', '[a-z]+'\)",
        ),
        (
            "open a snapshot for an exact comparison; the slot ends with its session",
            r'CREATE_REPLICATION_SLOT "pgmigrator_[a-z0-9_]+" TEMPORARY LOGICAL pgoutput'
            r" \(SNAPSHOT 'export'\)",
        ),
    )
)


def permit(statement: str) -> None:
    """Let a statement pass if it is on the list, whole.

    :raises InvariantBroken: it is not.
    """
    if not any(pattern.fullmatch(statement) for _, pattern in ALLOWED):
        raise InvariantBroken("a statement for the source is not on the allowlist; it was not run")
