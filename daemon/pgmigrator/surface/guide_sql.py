"""The SQL of the cutover guide: for people to read and to paste; nothing of ours runs it."""
# ruff: noqa: S608  (text, and every name in it is quoted)

from collections.abc import Iterable

from pgmigrator.core.names import (
    insert_only_publication_name,
    publication_name,
    quote_identifier,
)
from pgmigrator.surface.guide_facts import Facts
from pgmigrator.surface.quoting import code, literal


def sessions(facts: Facts) -> str:
    """Who can still write."""
    names = _in(facts.databases)
    return code(
        "sql",
        (
            "SELECT datname, pid, usename, application_name, client_addr, backend_type, state,",
            "       xact_start",
            f"  FROM pg_stat_activity WHERE datname IN ({names}) AND pid <> pg_backend_pid()",
            "   AND backend_type <> 'walsender' AND application_name NOT LIKE 'pgmigrator/%'",
            " ORDER BY datname, xact_start NULLS LAST;",
            "SELECT database, gid, owner, prepared",
            f"  FROM pg_prepared_xacts WHERE database IN ({names});",
        ),
    )


def terminate(facts: Facts) -> str:
    """End the sessions of the applications."""
    roles = facts.context.application_roles
    whose = f"usename IN ({_in(roles)})" if roles else "usename <> current_user"
    return code(
        "sql",
        (
            "SELECT pid, usename, application_name, pg_terminate_backend(pid)",
            f"  FROM pg_stat_activity WHERE datname IN ({_in(facts.databases)})",
            f"   AND {whose} AND backend_type = 'client backend'",
            "   AND pid <> pg_backend_pid() AND application_name NOT LIKE 'pgmigrator/%';",
        ),
    )


def read_only(facts: Facts) -> str:
    """Make the source's databases read-only by default."""
    return _alter(facts, "SET default_transaction_read_only = on")


def read_write(facts: Facts) -> str:
    """Take that back."""
    return _alter(facts, "RESET default_transaction_read_only")


def close(facts: Facts) -> str:
    """Keep all but superusers out of the source's databases; first, what opens them again."""
    ways_back = (
        "SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s;', datname, datconnlimit)",
        f"  FROM pg_database WHERE datname IN ({_in(facts.databases)});",
    )
    return code("sql", (*ways_back, *_altered(facts, "CONNECTION LIMIT 0")))


def verify(facts: Facts) -> str:
    """What must be so on the destination after the switch."""
    return code(
        "sql",
        (
            "SELECT subname, subenabled FROM pg_subscription",
            f" WHERE subname ~ '{_pattern(facts)}';",
            "SELECT d.datname, r.rolname, setting",
            "  FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase",
            "  LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) setting",
            " WHERE setting LIKE 'default_transaction_read_only=%' AND setting NOT LIKE '%=off'",
            f"   AND (s.setdatabase = 0 OR d.datname IN ({_in(facts.databases)}));",
        ),
    )


def refresh(_: Facts) -> str:
    """Write the statements that refresh materialized views."""
    return code(
        "sql",
        (
            "SELECT format('REFRESH MATERIALIZED VIEW %I.%I;', schemaname, matviewname)",
            "  FROM pg_matviews WHERE ispopulated;",
        ),
    )


def leftovers(facts: Facts) -> str:
    """What must be gone from the source after `complete`."""
    publications = _in(
        (publication_name(facts.mapping), insert_only_publication_name(facts.mapping))
    )
    return code(
        "sql",
        (
            f"SELECT slot_name FROM pg_replication_slots WHERE slot_name ~ '{_pattern(facts)}';",
            f"SELECT pubname FROM pg_publication WHERE pubname IN ({publications});",
        ),
    )


def _alter(facts: Facts, change: str) -> str:
    return code("sql", _altered(facts, change))


def _altered(facts: Facts, change: str) -> Iterable[str]:
    return (f"ALTER DATABASE {quote_identifier(name)} {change};" for name in facts.databases)


def _in(names: Iterable[str]) -> str:
    return ", ".join(literal(name) for name in names) or "NULL"


def _pattern(facts: Facts) -> str:
    """Match our slots and subscriptions of this mapping, and of no other that begins like it."""
    return f"^pgmigrator_{facts.mapping}_[0-9]+_[0-9a-f]{{8}}$"
