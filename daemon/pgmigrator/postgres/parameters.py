"""Settings of databases and roles, as pg_db_role_setting keeps them, back into SQL."""

import csv

from psycopg import sql

#: their value is a list whose items are quoted one by one (GUC_LIST_QUOTE in PostgreSQL's source)
_LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)


def set_clause(setting: str) -> sql.Composed:
    """Turn `name=value` into SET name TO value.

    >>> set_clause('search_path="$user", public').as_string()
    'SET "search_path" TO \\'$user\\', \\'public\\''
    >>> set_clause("app.mode=a, b").as_string()
    'SET "app"."mode" TO \\'a, b\\''
    """
    name, _, value = setting.partition("=")
    values = _items(value) if name.lower() in _LISTS else [value]
    return sql.SQL("SET {} TO {}").format(
        sql.Identifier(*name.split(".")), sql.SQL(", ").join(map(sql.Literal, values))
    )


def _items(value: str) -> list[str]:
    """Split a list of quoted identifiers: its quoting is that of CSV."""
    return next(csv.reader([value], skipinitialspace=True), None) or [""]
