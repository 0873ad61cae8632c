"""What is set on an object, one line for each: how it is set, and how it is taken back.

To add one is an entry of `_PROPERTIES`, and a line in postgres/sql/fingerprint.
"""

import re
from dataclasses import dataclass

from pgmigrator.core.drift_sql.lines import WORD, Change
from pgmigrator.core.model import SchemaKind

_TABLE = "ALTER TABLE {object} "
_COLUMN = rf"ALTER COLUMN (?P<column>{WORD}) "
_FAMILY = "ALTER OPERATOR FAMILY {object} "
_MODE = "DISABLE|ENABLE ALWAYS|ENABLE REPLICA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One thing that can be set, by the lines that say so.

    The texts are formatted with `object`, `line` and the groups of the pattern.
    """

    kind: SchemaKind
    pattern: str
    #: what takes it back: two lines that the same SQL takes back are about one thing
    undo: str
    set: str = _TABLE + "{line}"
    #: what changes its value; "": what sets it
    change: str = ""

    def match(self, line: str) -> dict[str, str] | None:
        """Return the groups of a line that sets it."""
        found = re.fullmatch(self.pattern, line, re.DOTALL)
        return found and found.groupdict() | {"line": line}


_PROPERTIES = (
    Property(
        kind=SchemaKind.TABLE,
        pattern="REPLICA IDENTITY .*",
        undo=_TABLE + "REPLICA IDENTITY DEFAULT",
    ),
    Property(kind=SchemaKind.TABLE, pattern="SET UNLOGGED", undo=_TABLE + "SET LOGGED"),
    Property(kind=SchemaKind.TABLE, pattern="OF .*", undo=_TABLE + "NOT OF"),
    Property(
        kind=SchemaKind.TABLE,
        pattern="SET ACCESS METHOD .*",
        undo=_TABLE + "SET ACCESS METHOD heap",
    ),
    Property(
        kind=SchemaKind.TABLE,
        pattern="INHERIT (?P<parent>.*)",
        undo=_TABLE + "NO INHERIT {parent}",
    ),
    Property(
        kind=SchemaKind.TABLE,
        pattern=rf"PARTITION OF (?P<parent>{WORD}\.{WORD}) (?P<bound>.*)",
        undo="ALTER TABLE {parent} DETACH PARTITION {object}",
        set="ALTER TABLE {parent} ATTACH PARTITION {object} {bound}",
        change="ALTER TABLE {parent} DETACH PARTITION {object};"
        " ALTER TABLE {parent} ATTACH PARTITION {object} {bound}",
    ),
    Property(kind=SchemaKind.OPTION, pattern="CLUSTER ON .*", undo=_TABLE + "SET WITHOUT CLUSTER"),
    Property(kind=SchemaKind.OPTION, pattern="SET UNLOGGED", undo=_TABLE + "SET LOGGED"),
    Property(
        kind=SchemaKind.OPTION,
        pattern=r"SET \((?P<option>\S+) = .*\)",
        undo=_TABLE + "RESET ({option})",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern=rf"OPTIONS \((?P<option>{WORD}) (?P<value>.*)\)",
        undo=_TABLE + "OPTIONS (DROP {option})",
        set=_TABLE + "OPTIONS (ADD {option} {value})",
        change=_TABLE + "OPTIONS (SET {option} {value})",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern=rf"{_COLUMN}SET (?P<property>STORAGE|COMPRESSION) .*",
        undo=_TABLE + "ALTER COLUMN {column} SET {property} DEFAULT",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern=rf"{_COLUMN}SET STATISTICS .*",
        undo=_TABLE + "ALTER COLUMN {column} SET STATISTICS -1",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern=rf"{_COLUMN}SET \((?P<option>\S+) = .*\)",
        undo=_TABLE + "ALTER COLUMN {column} RESET ({option})",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern=rf"{_COLUMN}SET DEFAULT .*",  # of a view
        undo=_TABLE + "ALTER COLUMN {column} DROP DEFAULT",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern=rf"{_COLUMN}OPTIONS \((?P<option>{WORD}) (?P<value>.*)\)",
        undo=_TABLE + "ALTER COLUMN {column} OPTIONS (DROP {option})",
        set=_TABLE + "ALTER COLUMN {column} OPTIONS (ADD {option} {value})",
        change=_TABLE + "ALTER COLUMN {column} OPTIONS (SET {option} {value})",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern=r"(?P<statement>ALTER (?:INDEX|STATISTICS) .*SET STATISTICS )\S+",
        undo="{statement}-1",
        set="{line}",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern=r"(?P<index>ALTER INDEX .*) SET \((?P<option>\S+) = .*\)",
        undo="{index} RESET ({option})",
        set="{line}",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern=r"ALTER INDEX (?P<whole>.*) ATTACH PARTITION .*",
        undo="DROP INDEX {whole}",  # nothing else detaches one
        set="{line}",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern=rf"SET TABLESPACE (?P<space>{WORD}) instead of (?P<home>{WORD})",
        undo=_TABLE + "SET TABLESPACE {home}",
        set=_TABLE + "SET TABLESPACE {space}",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern=rf"(?P<index>ALTER INDEX .*) SET TABLESPACE (?P<space>{WORD}) instead of"
        rf" (?P<home>{WORD})",
        undo="{index} SET TABLESPACE {home}",
        set="{index} SET TABLESPACE {space}",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern=r"(?P<dependent>ALTER .*) DEPENDS ON EXTENSION (?P<extension>.*)",
        undo="{dependent} NO DEPENDS ON EXTENSION {extension}",
        set="{line}",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern=r"CONNECTION LIMIT \d+",
        undo="ALTER {object} CONNECTION LIMIT -1",
        set="ALTER {object} {line}",
    ),
    Property(
        kind=SchemaKind.OPTION,
        pattern="IS_TEMPLATE true",
        undo="ALTER {object} IS_TEMPLATE false",
        set="ALTER {object} {line}",
    ),
    Property(
        kind=SchemaKind.RULE,
        pattern=f"(?:{_MODE}) RULE (?P<rule>.*)",
        undo=_TABLE + "ENABLE RULE {rule}",
    ),
    Property(
        kind=SchemaKind.EVENT_TRIGGER,
        pattern=_MODE,
        undo="ALTER EVENT TRIGGER {object} ENABLE",
        set="ALTER EVENT TRIGGER {object} {line}",
    ),
    Property(
        kind=SchemaKind.VIEW,
        pattern="populated",
        undo="REFRESH MATERIALIZED VIEW {object} WITH NO DATA",
        set="REFRESH MATERIALIZED VIEW {object}",
    ),
    Property(
        kind=SchemaKind.OPERATOR,
        pattern=rf"OPERATOR (?P<number>\d+) {WORD}\.\S+ (?P<types>\(.*?\))(?: FOR ORDER BY .*)?",
        undo=_FAMILY + "DROP OPERATOR {number} {types}",
        set=_FAMILY + "ADD {line}",
        change=_FAMILY + "DROP OPERATOR {number} {types}; " + _FAMILY + "ADD {line}",
    ),
    Property(
        kind=SchemaKind.OPERATOR,
        pattern=r"FUNCTION (?P<number>\d+) (?P<types>\(.*?\)) .*",
        undo=_FAMILY + "DROP FUNCTION {number} {types}",
        set=_FAMILY + "ADD {line}",
        change=_FAMILY + "DROP FUNCTION {number} {types}; " + _FAMILY + "ADD {line}",
    ),
    Property(
        kind=SchemaKind.TEXT_SEARCH,
        pattern=rf"MAPPING FOR (?P<token>{WORD}) WITH .*",
        undo="ALTER TEXT SEARCH CONFIGURATION {object} DROP MAPPING FOR {token}",
        set="ALTER TEXT SEARCH CONFIGURATION {object} ADD {line}",
        change="ALTER TEXT SEARCH CONFIGURATION {object} ALTER {line}",
    ),
)


def property_key(kind: SchemaKind, line: str) -> str | None:
    """Tell what is set by a line, alike for all values of it; None: it sets nothing."""
    found = _found(kind, line)
    return found[0].undo.format(**found[1], object="") if found else None


def property_statement(change: Change) -> str | None:
    """Write what sets it as on the source; None: the line sets nothing."""
    found = _found(change.kind, change.source or change.destination or "")
    if found is None:
        return None
    known, groups = found
    if change.source is None:
        text = known.undo
    else:
        text = (change.destination is not None and known.change) or known.set
    return text.format(**groups, object=change.object)


def _found(kind: SchemaKind, line: str) -> tuple[Property, dict[str, str]] | None:
    for known in _PROPERTIES:
        if known.kind is kind and (groups := known.match(line)) is not None:
            return known, groups
    return None
