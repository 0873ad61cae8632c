"""The SQL that makes one difference of the schemas go away on the destination, where it is short.

It is for a person to read and run: nothing of it is run by itself.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pgmigrator.core.model import SchemaKind

WORD = r'("(?:[^"]|"")*"|[^\s".]+)'
NAME = re.compile(r'"(?:[^"]|"")*"|[^\s".]+')
INDEX = re.compile(rf"CREATE (?:UNIQUE )?INDEX {WORD} ON (?:ONLY )?{WORD}\.")
TRIGGER = re.compile(rf"CREATE (?:CONSTRAINT )?TRIGGER {WORD} ")
STATISTICS = re.compile(rf"CREATE STATISTICS {WORD}\.{WORD} ")
GRANT = re.compile(
    r"(?P<verb>GRANT|REVOKE) (?P<privilege>.*?) TO (?P<grantee>.*?)"
    r"(?P<option> WITH GRANT OPTION)?(?: BY .*)?",
    re.DOTALL,
)
COLUMN = re.compile(
    r"(?P<type>.*?)(?P<null> NOT NULL)?(?: DEFAULT (?P<default>.*?))?(?P<rest> GENERATED .*)?",
    re.DOTALL,
)
#: begins the line of the index by which a table is clustered
CLUSTER = "CLUSTER ON "
_LABEL = re.compile(r"E?'(?:[^'\\]|''|\\.)*'")
#: begins the line that has the columns in their order
ORDER = "order:"
_DEFAULTS = re.compile(
    rf"default privileges of (?P<role>{WORD})(?: in schema (?P<schema>{WORD}))? for (?P<kind>\w+)"
)
#: the line that defines a view: a hash of its query
VIEW = re.compile(r"(materialized )?[0-9a-f]{32}")
USER_MAPPING = re.compile(rf"user mapping {WORD}")

#: how DDL spells what pg_identify_object() calls an object, where it is not just the same word
_SPELLINGS: Mapping[str, str] = {
    "table column": "COLUMN",
    "view column": "COLUMN",
    "materialized view column": "COLUMN",
    "foreign table column": "COLUMN",
    "composite type column": "COLUMN",
    "composite type": "TYPE",
    "table constraint": "CONSTRAINT",
    "domain constraint": "CONSTRAINT",
    "statistics object": "STATISTICS",
    "foreign-data wrapper": "FOREIGN DATA WRAPPER",
    "materialized view": "MATERIALIZED VIEW",
    "foreign table": "FOREIGN TABLE",
    "event trigger": "EVENT TRIGGER",
    "access method": "ACCESS METHOD",
    "operator class": "OPERATOR CLASS",
    "operator family": "OPERATOR FAMILY",
    "text search configuration": "TEXT SEARCH CONFIGURATION",
    "text search dictionary": "TEXT SEARCH DICTIONARY",
    "text search parser": "TEXT SEARCH PARSER",
    "text search template": "TEXT SEARCH TEMPLATE",
}
#: GRANT has words of its own
_GRANTED = {
    "VIEW": "TABLE",
    "MATERIALIZED VIEW": "TABLE",
    "FOREIGN TABLE": "TABLE",
    "SERVER": "FOREIGN SERVER",
    "AGGREGATE": "FUNCTION",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that the sides define differently; None: a side has it not."""

    kind: SchemaKind
    object: str
    source: str | None
    destination: str | None


def statement(change: Change) -> str | None:
    """Return what makes the destination like the source; None: it takes more than a line."""
    known = _STATEMENTS.get(change.kind)
    return known(change) if known else None


def is_trigger_mode(definition: str | None) -> bool:
    """Tell whether a trigger's line is that it is an ALWAYS or REPLICA one."""
    return definition is not None and definition.startswith(("ENABLE ALWAYS ", "ENABLE REPLICA "))


def first_name(definition: str) -> str:
    """Return the name that a line begins with, as it is quoted there."""
    match = NAME.match(definition)
    return match[0] if match else definition


# --- statements ----------------------------------------------------------------------------------


def _replaced(drop: str | None, create: str | None) -> str | None:
    return "; ".join(filter(None, (drop, create))) or None


def _column(change: Change) -> str | None:
    if (change.source or change.destination or "").startswith(f"{ORDER} "):
        return None
    table = f"ALTER TABLE {change.object}"
    if change.destination is None:
        return f"{table} ADD COLUMN {change.source}"
    name = first_name(change.destination)
    if change.source is None:
        return f"{table} DROP COLUMN {name}"
    wanted = COLUMN.fullmatch(change.source.removeprefix(name).lstrip())
    found = COLUMN.fullmatch(change.destination.removeprefix(name).lstrip())
    if wanted is None or found is None or wanted["rest"] != found["rest"]:
        return None
    changes = []
    if wanted["type"] != found["type"]:
        changes.append(f"TYPE {wanted['type']}")
    if wanted["null"] != found["null"]:
        changes.append(f"{'SET' if wanted['null'] else 'DROP'} NOT NULL")
    if wanted["default"] != found["default"]:
        default = wanted["default"]
        changes.append("DROP DEFAULT" if default is None else f"SET DEFAULT {default}")
    return f"{table} " + ", ".join(f"ALTER COLUMN {name} {change}" for change in changes)


def _constraint(change: Change) -> str | None:
    domain = change.object.startswith("domain ")
    target = (
        f"DOMAIN {change.object.removeprefix('domain ')}" if domain else f"TABLE {change.object}"
    )
    drop = change.destination and first_name(change.destination)
    if drop and change.source and (wanted := first_name(change.source)) != drop:
        return f"ALTER {target} RENAME CONSTRAINT {drop} TO {wanted}"
    return _replaced(
        drop and f"ALTER {target} DROP CONSTRAINT {drop}",
        change.source and f"ALTER {target} ADD CONSTRAINT {change.source}",
    )


def _index(change: Change) -> str | None:
    identity = "REPLICA IDENTITY "
    if change.source and change.source.startswith(identity):
        return f"ALTER TABLE {change.object} {change.source}"
    found, wanted = INDEX.match(change.destination or ""), INDEX.match(change.source or "")
    if found and wanted and found[1] != wanted[1]:
        return f"ALTER INDEX {found[2]}.{found[1]} RENAME TO {wanted[1]}"
    if (change.destination and found is None) or " ON ONLY " in (change.source or ""):
        return None  # a partitioned table's is joined to those of its partitions
    return _replaced(found and f"DROP INDEX {found[2]}.{found[1]}", change.source)


def _trigger(change: Change) -> str | None:
    if is_trigger_mode(change.source or change.destination):
        return None  # remembered by itself
    disable = "DISABLE "
    if change.source and change.source.startswith(disable):
        return f"ALTER TABLE {change.object} {change.source}"
    if change.destination and change.destination.startswith(disable):
        return f"ALTER TABLE {change.object} ENABLE {change.destination.removeprefix(disable)}"
    found = TRIGGER.match(change.destination or "")
    return _replaced(found and f"DROP TRIGGER {found[1]} ON {change.object}", change.source)


def _statistics(change: Change) -> str | None:
    found = STATISTICS.match(change.destination or "")
    return _replaced(found and f"DROP STATISTICS {found[1]}.{found[2]}", change.source)


def _enum(change: Change) -> str | None:
    if change.source is None:
        return None
    wanted = _LABEL.findall(change.source)
    if change.destination is None:
        return f"CREATE TYPE {change.object} AS ENUM ({change.source})"
    found = _LABEL.findall(change.destination)
    if [label for label in wanted if label in found] == found:
        return "; ".join(_added_labels(change.object, wanted, found))
    others = [(new, old) for new, old in zip(wanted, found, strict=False) if new != old]
    if len(wanted) == len(found) and not {new for new, _ in others} & {old for _, old in others}:
        return "; ".join(
            f"ALTER TYPE {change.object} RENAME VALUE {old} TO {new}" for new, old in others
        )
    return None  # one that is gone, or in another place, cannot be had by ALTER TYPE


def _added_labels(enum: str, wanted: Sequence[str], found: Sequence[str]) -> Iterator[str]:
    for place, label in enumerate(wanted):
        if label not in found:
            where = f"AFTER {wanted[place - 1]}" if place else f"BEFORE {found[0]}" if found else ""
            yield f"ALTER TYPE {enum} ADD VALUE {label} {where}".rstrip()


def _option(change: Change) -> str | None:
    line = change.source or change.destination or ""
    if not line.startswith(CLUSTER):
        return None
    return f"ALTER TABLE {change.object} {change.source or 'SET WITHOUT CLUSTER'}"


def _sequence(change: Change) -> str:
    if change.source is None:
        return f"DROP SEQUENCE {change.object}"
    if change.destination is None:
        return f"CREATE SEQUENCE {change.object} AS {change.source}"
    undone = [
        other
        for word, other in (("CYCLE", "NO CYCLE"), ("OWNED BY", "OWNED BY NONE"))
        if f" {word}" in change.destination and f" {word}" not in change.source
    ]
    return " ".join((f"ALTER SEQUENCE {change.object} AS {change.source}", *undone))


def _schema(change: Change) -> str:
    return f"{'CREATE' if change.destination is None else 'DROP'} SCHEMA {change.object}"


def _extension(change: Change) -> str | None:
    if change.source is None:
        return f"DROP EXTENSION {change.object}"
    if change.destination is None:
        return f"CREATE EXTENSION {change.object} WITH {change.source}"
    return f"ALTER EXTENSION {change.object} SET {change.source}"


def _rule(change: Change) -> str | None:
    if change.source is not None:
        return None  # its text is not known
    return f"DROP RULE {first_name(change.destination or '')} ON {change.object}"


def _policy(change: Change) -> str | None:
    security = "row security "
    if (change.source or change.destination or "").startswith(security):
        enabled, forced = (change.source or f"{security}f f").removeprefix(security).split()
        return (
            f"ALTER TABLE {change.object}"
            f" {'ENABLE' if enabled == 't' else 'DISABLE'} ROW LEVEL SECURITY,"
            f" {'FORCE' if forced == 't' else 'NO FORCE'} ROW LEVEL SECURITY"
        )
    if change.source is not None:
        return None
    return f"DROP POLICY {first_name(change.destination or '')} ON {change.object}"


def _owner(change: Change) -> str | None:
    kind, name = addressed(change.object)
    return f"ALTER {kind} {name} OWNER TO {change.source}" if change.source else None


def _comment(change: Change) -> str:
    kind, name = addressed(change.object)
    return f"COMMENT ON {kind} {name} IS {change.source or 'NULL'}"


def _grant(change: Change) -> str | None:
    wanted = GRANT.fullmatch(change.source or "")
    existing = GRANT.fullmatch(change.destination or "")
    if (found := wanted or existing) is None:
        return None
    grants = (found["verb"] == "GRANT") is (wanted is not None)
    option = found["option"] or ""
    privilege = found["privilege"]
    if wanted and existing:
        if wanted["option"] == existing["option"]:
            return None  # somebody else granted it
        grants = wanted["option"] is not None
        privilege = privilege if grants else f"GRANT OPTION FOR {privilege}"
    defaults = _DEFAULTS.fullmatch(change.object)
    kind, name = addressed(change.object)
    on = defaults["kind"].upper() if defaults else f"{_GRANTED.get(kind, kind)} {name}"
    verb, to = ("GRANT", "TO") if grants else ("REVOKE", "FROM")
    said = f"{verb} {privilege} ON {on} {to} {found['grantee']}{option if grants else ''}"
    if defaults is None:
        return said
    where = f" IN SCHEMA {defaults['schema']}" if defaults["schema"] else ""
    return f"ALTER DEFAULT PRIVILEGES FOR ROLE {defaults['role']}{where} {said}"


def addressed(described: str) -> tuple[str, str]:
    """Split what pg_identify_object() says of an object into its type, as in DDL, and its name.

    >>> addressed("materialized view app.totals")
    ('MATERIALIZED VIEW', 'app.totals')
    """
    for kind, spelling in _SPELLINGS.items():
        if described.startswith(f"{kind} "):
            name = described.removeprefix(f"{kind} ")
            # it writes the ON of a domain's constraint as that of a table's
            return spelling, name.replace(
                " on ", " ON DOMAIN "
            ) if kind == "domain constraint" else name
    kind, _, name = described.partition(" ")
    return kind.upper(), name


_STATEMENTS: Mapping[SchemaKind, Callable[[Change], str | None]] = {
    SchemaKind.COLUMN: _column,
    SchemaKind.CONSTRAINT: _constraint,
    SchemaKind.INDEX: _index,
    SchemaKind.TRIGGER: _trigger,
    SchemaKind.RULE: _rule,
    SchemaKind.POLICY: _policy,
    SchemaKind.STATISTICS: _statistics,
    SchemaKind.ENUM: _enum,
    SchemaKind.OPTION: _option,
    SchemaKind.SEQUENCE: _sequence,
    SchemaKind.SCHEMA: _schema,
    SchemaKind.EXTENSION: _extension,
    SchemaKind.OWNER: _owner,
    SchemaKind.GRANT: _grant,
    SchemaKind.COMMENT: _comment,
}


# --- whole objects that only the destination has -------------------------------------------------

#: how a definition begins -> what is dropped; "" for all others of the kind
_DROPPED: Mapping[SchemaKind, Mapping[str, str]] = {
    SchemaKind.TABLE: {"f ": "FOREIGN TABLE", "": "TABLE"},
    SchemaKind.VIEW: {"materialized ": "MATERIALIZED VIEW", "": "VIEW"},
    SchemaKind.FUNCTION: {"": "ROUTINE"},
    SchemaKind.ENUM: {"": "TYPE"},
    SchemaKind.TYPE: {"domain ": "DOMAIN", "": "TYPE"},
    SchemaKind.OPERATOR: {
        "class ": "OPERATOR CLASS",
        "family": "OPERATOR FAMILY",
        "": "OPERATOR",
    },
    SchemaKind.EVENT_TRIGGER: {"": "EVENT TRIGGER"},
    SchemaKind.TEXT_SEARCH: {
        f"{word} ": f"TEXT SEARCH {word.upper()}"
        for word in ("parser", "template", "dictionary", "configuration")
    },
    SchemaKind.FOREIGN_DATA: {"wrapper": "FOREIGN DATA WRAPPER", "server ": "SERVER"},
    SchemaKind.OTHER: {
        **{
            f"{word} ": word.upper()
            for word in ("collation", "conversion", "language", "cast", "access method")
        },
        "transform": "TRANSFORM",
    },
}


def drop(change: Change) -> str | None:
    """Write what drops an object that only the destination has; None: it is no object."""
    definition = change.destination or ""
    if change.kind is SchemaKind.FOREIGN_DATA and (found := USER_MAPPING.match(definition)):
        return f"DROP USER MAPPING FOR {found[1]} SERVER {change.object}"
    if change.kind is SchemaKind.VIEW and not VIEW.fullmatch(definition):
        return None  # a line about a part of it
    for beginning, dropped in _DROPPED.get(change.kind, {}).items():
        if definition.startswith(beginning):
            return f"DROP {dropped} {change.object}"
    return None
