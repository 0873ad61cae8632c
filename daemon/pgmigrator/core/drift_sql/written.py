"""Queries for the source that write the SQL for the destination.

For what is long or may be a secret: texts of views, functions and rules, values of settings. The
daemon neither reads nor shows them.
"""
# ruff: noqa: S608  (text for people, and every name in it is quoted)

import re

from pgmigrator.core.drift_sql.lines import Change, first_name, literal, parted
from pgmigrator.core.drift_sql.relations import SETTING
from pgmigrator.core.model import SchemaKind
from pgmigrator.core.preloads import PRELOADS

#: else names are shortened by whoever runs it
_QUALIFIED = "SET search_path = pg_catalog; "
_VIEW = re.compile(r"(?P<materialized>materialized )?view \((?P<columns>.*)\) AS \w{32}", re.DOTALL)
_FUNCTION = re.compile(r"(?P<signature>.*) AS \w{32}", re.DOTALL)
#: their values are lists of quoted names already
_LISTS = (*PRELOADS, "search_path", "temp_tablespaces")
#: one of such a list: in quotes, or not
_ITEM = '"((?:[^"]|"")*)"|([^",\\s][^,]*)'


def query(change: Change) -> str | None:
    """Write the query; None: the statement is known here."""
    if change.source is None:
        return None
    text: str | None = None
    if change.kind is SchemaKind.VIEW and (view := _VIEW.fullmatch(change.source)):
        text = _view(change, view)
    elif change.kind is SchemaKind.FUNCTION and (function := _FUNCTION.fullmatch(change.source)):
        text = _function(change, function["signature"])
    elif change.kind is SchemaKind.RULE:
        text = _rule(change)
    elif change.kind is SchemaKind.OPTION and (setting := SETTING.fullmatch(change.source)):
        text = _setting(setting["setting"], setting["role"])
    return text and _QUALIFIED + text


def _view(change: Change, wanted: re.Match[str]) -> str:
    word = _word(wanted)
    found = _VIEW.fullmatch(change.destination or "")
    # REPLACE keeps the columns of a view, and may add some
    replaceable = (
        found is not None
        and _word(found) == word == "VIEW"
        and _begins_with(parted(wanted["columns"]), parted(found["columns"]))
    )
    before = f"DROP {_word(found)} {change.object}; " if found and not replaceable else ""
    create = f"CREATE {'OR REPLACE ' if replaceable else ''}{word} {change.object}"
    unpopulated = "CASE WHEN relkind = 'm' AND NOT relispopulated THEN ' WITH NO DATA' END"
    return (
        f"SELECT concat({literal(before + create)},"
        " ' WITH (' || array_to_string(reloptions, ', ') || ')', ' AS ',"
        f" rtrim(pg_get_viewdef(oid), ';'), {unpopulated}, ';')"
        f" FROM pg_class WHERE oid = {literal(change.object)}::regclass"
    )


def _begins_with(columns: tuple[str, ...], first: tuple[str, ...]) -> bool:
    return columns[: len(first)] == first


def _word(view: re.Match[str]) -> str:
    return "MATERIALIZED VIEW" if view["materialized"] else "VIEW"


def _function(change: Change, signature: str) -> str | None:
    if signature.startswith("aggregate "):
        return None
    definition = f"pg_get_functiondef({literal(change.object)}::regprocedure)"
    if change.destination is None or change.destination.startswith(f"{signature} AS "):
        return f"SELECT {definition}"
    # REPLACE changes neither arguments nor what is returned
    return f"SELECT {literal(f'DROP ROUTINE {change.object}; ')} || {definition}"


def _rule(change: Change) -> str:
    name = first_name(change.source or "")
    unquoted = name[1:-1].replace('""', '"') if name.startswith('"') else name
    return (
        "SELECT replace(pg_get_ruledef(oid), 'CREATE RULE', 'CREATE OR REPLACE RULE')"
        f" FROM pg_rewrite WHERE ev_class = {literal(change.object)}::regclass"
        f" AND rulename = {literal(unquoted)}"
    )


def _setting(name: str, role: str | None) -> str:
    whose = "" if role is None else f"ROLE {role} IN ".replace("%", "%%")
    target = f"ALTER {whose}DATABASE %I"
    form = f"{target} SET {name} TO {'%s' if name in _LISTS else '%L'}"
    value = f"substr(item, {len(name) + 2})"
    written = f"format({literal(form)}, datname, {value})"
    if name in PRELOADS:
        # else it would refuse each login: the first library that is missing ends the transaction
        written = f"concat('BEGIN; ', {_loads(name, value)}, {written}, '; COMMIT;')"
    who = "0" if role is None else f"{literal(role)}::regrole"
    # the database's own outranks that of ALTER ROLE ALL
    where = "IN (0, d.oid) ORDER BY setdatabase DESC LIMIT 1" if role is None else "= d.oid"
    return (
        f"SELECT {written}"
        " FROM pg_database d, pg_db_role_setting, unnest(setconfig) item"
        " WHERE datname = current_database()"
        f" AND setrole = {who} AND starts_with(item, {literal(f'{name}=')})"
        f" AND setdatabase {where}"
    )


def _loads(name: str, value: str) -> str:
    """Write the expression that writes a LOAD of each library of a setting."""
    library = """coalesce(replace(m[1], '""', '"'), rtrim(m[2]))"""
    folder = f"CASE WHEN {library} NOT LIKE '%/%' THEN {literal(PRELOADS[name])} END"
    return (
        f"(SELECT string_agg(format('LOAD %L; ', concat({folder}, {library})), '')"
        f" FROM regexp_matches({value}, {literal(_ITEM)}, 'g') m)"
    )
