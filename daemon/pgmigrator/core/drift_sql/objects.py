"""The SQL that creates, replaces and drops whole objects of a schema."""

import re
from collections.abc import Mapping

from pgmigrator.core.drift_sql.lines import (
    USER_MAPPING,
    Change,
    parted,
    replaced,
    without_arguments,
)
from pgmigrator.core.drift_sql.properties import property_key
from pgmigrator.core.model import SchemaKind

_DICTIONARY = re.compile(r"dictionary \((?P<options>.*)\)", re.DOTALL)
#: what ALTER OPERATOR takes back; all else it only adds
_TAKEN_BACK = frozenset({"RESTRICT", "JOIN"})

#: how a definition begins -> what it is in DDL; "": all others of the kind
_WORDS: Mapping[SchemaKind, Mapping[str, str]] = {
    SchemaKind.TABLE: {"foreign ": "FOREIGN TABLE", "": "TABLE"},
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
        "collation ": "COLLATION",
        "conversion DEFAULT ": "DEFAULT CONVERSION",
        "conversion ": "CONVERSION",
        "trusted language ": "TRUSTED LANGUAGE",
        "language ": "LANGUAGE",
        "cast": "CAST",
        "transform ": "TRANSFORM",
        "access method ": "ACCESS METHOD",
    },
}
#: words of CREATE that DROP has not
_OF_CREATE = ("DEFAULT ", "TRUSTED ")


def drop(change: Change) -> str | None:
    """Write what drops an object that only the destination has; None: it is no object."""
    definition = change.destination or ""
    if change.kind is SchemaKind.FOREIGN_DATA and (found := USER_MAPPING.match(definition)):
        return f"DROP USER MAPPING FOR {found[1]} SERVER {change.object}"
    if property_key(change.kind, definition) is not None:
        return None
    _, word = _worded(change.kind, definition)
    for other in _OF_CREATE:
        word = word.removeprefix(other)
    return f"DROP {word} {change.object}" if word else None


def _worded(kind: SchemaKind, definition: str) -> tuple[str, str]:
    """Return how a definition begins, and what DDL calls that."""
    for beginning, word in _WORDS.get(kind, {}).items():
        if definition.startswith(beginning):
            return beginning, word
    return "", ""


def whole(change: Change) -> str | None:
    """Create an object or replace it; None: it is only to go, or has no short SQL."""
    if change.source is None:
        return None
    beginning, word = _worded(change.kind, change.source)
    definition = change.source.removeprefix(beginning).strip()
    old = change.destination
    if word == "TEXT SEARCH DICTIONARY" and old and (altered := _dictionary(change)):
        return altered
    return replaced(old and drop(change), f"CREATE {word} {change.object} {definition}".rstrip())


def _dictionary(change: Change) -> str | None:
    """Alter the options of a dictionary; None: it has another template."""
    new = _DICTIONARY.fullmatch(change.source or "")
    old = _DICTIONARY.fullmatch(change.destination or "")
    if new is None or old is None:
        return None
    (template, *wanted), (other, *found) = parted(new["options"]), parted(old["options"])
    names = {option.partition(" ")[0] for option in wanted}
    gone = [name for option in found if (name := option.partition(" ")[0]) not in names]
    if template != other:
        return None
    return f"ALTER TEXT SEARCH DICTIONARY {change.object} ({', '.join((*wanted, *gone))})"


def operator(change: Change) -> str | None:
    """Create or alter an operator, a class or a family of them; None: it is only to go."""
    if change.source is None:
        return None
    if change.source == "family":
        return f"CREATE OPERATOR FAMILY {change.object}"
    word = "class "
    if change.source.startswith(word):
        name = change.object.rpartition(" USING ")[0]
        drop_it = change.destination and f"DROP OPERATOR CLASS {change.object}"
        create = f"CREATE OPERATOR CLASS {name} {change.source.removeprefix(word)}"
        return replaced(drop_it, create)
    if change.destination is not None:
        return _altered_operator(change)
    return f"CREATE OPERATOR {without_arguments(change.object)} {change.source}"


def _altered_operator(change: Change) -> str | None:
    new, old = (
        dict(part.partition(" = ")[::2] for part in parted((line or "")[1:-1]))
        for line in (change.source, change.destination)
    )
    changes = {name: value for name, value in new.items() if old.get(name) != value}
    gone = old.keys() - new.keys()
    if (changes.keys() & old.keys()) | gone <= _TAKEN_BACK:
        options = [f"{name} = {value}" if value else name for name, value in changes.items()]
        options += [f"{name} = NONE" for name in sorted(gone)]
        name = without_arguments(change.object)
        arguments = change.object.removeprefix(name)
        return f"ALTER OPERATOR {name} {arguments} SET ({', '.join(options)})"
    return None


def schema(change: Change) -> str:
    """Create or drop a schema."""
    return f"{'CREATE' if change.destination is None else 'DROP'} SCHEMA {change.object}"


def extension(change: Change) -> str | None:
    """Create, drop or move an extension."""
    if change.source is None:
        return f"DROP EXTENSION {change.object}"
    if change.destination is None:
        return f"CREATE EXTENSION {change.object} WITH {change.source}"
    return f"ALTER EXTENSION {change.object} SET {change.source}"
