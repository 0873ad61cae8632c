"""How the lines of the fingerprint read (see postgres/sql/fingerprint), for those who write SQL."""

import re
from collections.abc import Mapping
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
#: a constraint whose column may have rows that break it
NOT_NULL_NOT_VALID = re.compile(rf"{WORD} NOT NULL {WORD}(?: NO INHERIT)? NOT VALID")
#: ends the line of a partitioned table's index, or key, that a partition has no part of yet
INCOMPLETE = ", not valid"
#: begins the line that has the columns in their order
ORDER = "order:"
#: begins the line that has the tables that a table inherits from in their order
PARENTS = "parents:"
USER_MAPPING = re.compile(rf"user mapping {WORD}")
#: one of a list: commas in quotes and parentheses part nothing
_PART = re.compile(
    r"""(?:[^,'"()]|E?'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|\((?:[^()]|\([^()]*\))*\))+"""
)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that the sides define differently; None: a side has it not."""

    kind: SchemaKind
    object: str
    source: str | None
    destination: str | None


def first_name(definition: str) -> str:
    """Return the name that a line begins with, as it is quoted there."""
    match = NAME.match(definition)
    return match[0] if match else definition


def parted(items: str) -> tuple[str, ...]:
    """Split a list at its commas.

    >>> parted("a numeric(3,2), 'b, c' text")
    ('a numeric(3,2)', "'b, c' text")
    """
    return tuple(part.strip() for part in _PART.findall(items))


def without_arguments(identity: str) -> str:
    """Return the name in what pg_identify_object() says of a function or an operator.

    >>> without_arguments("app.total(integer)")
    'app.total'
    """
    name, _, arguments = identity.rpartition("(")
    return name if arguments else identity


def literal(text: str) -> str:
    """Quote a string for SQL."""
    return "'" + text.replace("'", "''") + "'"


def is_trigger_mode(definition: str | None) -> bool:
    """Tell whether a trigger's line is that it is an ALWAYS or REPLICA one."""
    return definition is not None and definition.startswith(("ENABLE ALWAYS ", "ENABLE REPLICA "))


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


def replaced(drop: str | None, create: str | None) -> str | None:
    """Write what drops a thing, if it is there, and creates it, if it is to be."""
    return "; ".join(filter(None, (drop, create))) or None
