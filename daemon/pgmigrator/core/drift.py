"""Drift: how the two schemas differ, object by object, and the SQL that makes them equal again.

The fingerprint gives lines that only one side has; here the two lines of one thing are paired. The
SQL is for a person to read and run on the destination: nothing of it is run by itself.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pgmigrator.core.model import SchemaItem, SchemaKind

_WORD = r'("(?:[^"]|"")*"|[^\s".]+)'
_NAME = re.compile(_WORD)
_INDEX = re.compile(rf"CREATE (?:UNIQUE )?INDEX {_WORD} ON (?:ONLY )?{_WORD}\.")
_TRIGGER = re.compile(rf"CREATE (?:CONSTRAINT )?TRIGGER {_WORD} ")
_STATISTICS = re.compile(rf"CREATE STATISTICS {_WORD}\.{_WORD} ")
_GRANT = re.compile(
    r"(?P<verb>GRANT|REVOKE) (?P<privilege>.*?) TO (?P<grantee>.*?)"
    r"(?P<option> WITH GRANT OPTION)?(?: BY .*)?",
    re.DOTALL,
)
_DEFAULTS = re.compile(
    rf"default privileges of (?P<role>{_WORD})(?: in schema (?P<schema>{_WORD}))? for (?P<kind>\w+)"
)
_COLUMN = re.compile(
    r"(?P<type>.*?)(?P<null> NOT NULL)?(?: DEFAULT (?P<default>.*?))?(?P<rest> GENERATED .*)?",
    re.DOTALL,
)

#: how DDL spells what pg_identify_object() calls an object, where it is not just the same word
_SPELLINGS: Mapping[str, str] = {
    "table column": "COLUMN",
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
class Drift:
    """One thing that the sides define differently; None: a side has it not."""

    kind: SchemaKind
    object: str
    source: str | None
    destination: str | None

    @property
    def reason(self) -> str:
        """What differs, in a sentence."""
        if self.destination is None:
            return f"missing on the destination: {self.kind} {self.source}".rstrip()
        if self.source is None:
            return f"only on the destination: {self.kind} {self.destination}".rstrip()
        return f"{self.kind} on the destination: {self.destination}; on the source: {self.source}"

    @property
    def statement(self) -> str | None:
        """The SQL that makes the destination like the source; None: it takes more than a line."""
        known = _STATEMENTS.get(self.kind)
        return known(self) if known else None

    @property
    def fix(self) -> str:
        """What to do, in a sentence."""
        if self.statement:
            return f"on the destination: {self.statement};"
        if self.kind is SchemaKind.TRIGGER and is_trigger_mode(self.source or self.destination):
            return "wait: until the switch it is an ordinary trigger there, and its mode remembered"
        if self.source is None:
            return f"if it is not needed, drop it from {self.object} on the destination"
        return (
            f"make {self.object} on the destination as on the source, whose definition"
            " `pg_dump --schema-only` of the source shows"
        )

    @property
    def needs_copy(self) -> bool:
        """Whether rows that are there already lack what the source's rows may have."""
        if self.kind is not SchemaKind.COLUMN or self.source is None:
            return False
        if self.destination is None:
            return " DEFAULT " in self.source or " GENERATED " in self.source
        return _typed(self.source) != _typed(self.destination)


def drifts(items: Iterable[SchemaItem]) -> tuple[Drift, ...]:
    """Pair the lines of each thing.

    >>> [drift] = drifts([
    ...     SchemaItem(object="t", kind="column", definition="a bigint", missing=True),
    ...     SchemaItem(object="t", kind="column", definition="a integer", missing=False)])
    >>> drift.statement
    'ALTER TABLE t ALTER COLUMN a TYPE bigint'
    """
    pairs: dict[tuple[str, SchemaKind, str], list[str | None]] = {}
    for item in items:
        kind = SchemaKind(item.kind)
        pair = pairs.setdefault((item.object, kind, _key(kind, item.definition)), [None, None])
        pair[0 if item.missing else 1] = item.definition
    return tuple(
        Drift(kind=kind, object=described, source=source, destination=destination)
        for (described, kind, key), (source, destination) in pairs.items()
        # a column that came or went also changes their order
        if key != _ORDER or not _changes_columns(pairs, described)
    )


_ORDER = "order:"


def _changes_columns(
    pairs: Mapping[tuple[str, SchemaKind, str], list[str | None]], described: str
) -> bool:
    return any(
        name == described and kind is SchemaKind.COLUMN and key != _ORDER and None in pair
        for (name, kind, key), pair in pairs.items()
    )


def _key(kind: SchemaKind, definition: str) -> str:
    """Tell what of an object a line is about: two lines with one key are one change."""
    if kind in _ONE_OF_A_KIND:
        return ""
    for pattern in (_INDEX, _TRIGGER, _STATISTICS):
        if found := pattern.match(definition):
            return " ".join(found.groups())
    if kind is SchemaKind.GRANT and (found := _GRANT.fullmatch(definition)):
        return f"{found['verb']} {found['privilege']} {found['grantee']}"
    return _first_name(definition) if kind in _NAMED else definition


#: an object has one line of these
_ONE_OF_A_KIND = frozenset(
    {
        SchemaKind.TABLE,
        SchemaKind.SEQUENCE,
        SchemaKind.ENUM,
        SchemaKind.TYPE,
        SchemaKind.FUNCTION,
        SchemaKind.OPERATOR,
        SchemaKind.TEXT_SEARCH,
        SchemaKind.SCHEMA,
        SchemaKind.EXTENSION,
        SchemaKind.EVENT_TRIGGER,
        SchemaKind.OWNER,
        SchemaKind.COMMENT,
        SchemaKind.OTHER,
    }
)
#: lines of these begin with a name
_NAMED = frozenset({SchemaKind.COLUMN, SchemaKind.CONSTRAINT, SchemaKind.RULE, SchemaKind.POLICY})


def is_trigger_mode(definition: str | None) -> bool:
    """Tell whether a trigger's line is that it is an ALWAYS or REPLICA one."""
    return definition is not None and definition.startswith(("ENABLE ALWAYS ", "ENABLE REPLICA "))


def _typed(column: str) -> str:
    found = _COLUMN.fullmatch(column)
    return f"{found['type']}{found['rest'] or ''}" if found else column


def _first_name(definition: str) -> str:
    match = _NAME.match(definition)
    return match[1] if match else definition


# --- statements ----------------------------------------------------------------------------------


def _replaced(drop: str | None, create: str | None) -> str | None:
    return "; ".join(filter(None, (drop, create))) or None


def _column(drift: Drift) -> str | None:
    if _key(drift.kind, drift.source or drift.destination or "") == _ORDER:
        return None
    table = f"ALTER TABLE {drift.object}"
    if drift.destination is None:
        return f"{table} ADD COLUMN {drift.source}"
    name = _first_name(drift.destination)
    if drift.source is None:
        return f"{table} DROP COLUMN {name}"
    wanted = _COLUMN.fullmatch(drift.source.removeprefix(name).lstrip())
    found = _COLUMN.fullmatch(drift.destination.removeprefix(name).lstrip())
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


def _constraint(drift: Drift) -> str | None:
    domain = drift.object.startswith("domain ")
    target = f"DOMAIN {drift.object.removeprefix('domain ')}" if domain else f"TABLE {drift.object}"
    drop = drift.destination and _first_name(drift.destination)
    return _replaced(
        drop and f"ALTER {target} DROP CONSTRAINT {drop}",
        drift.source and f"ALTER {target} ADD CONSTRAINT {drift.source}",
    )


def _index(drift: Drift) -> str | None:
    identity = "REPLICA IDENTITY "
    if drift.source and drift.source.startswith(identity):
        return f"ALTER TABLE {drift.object} {drift.source}"
    found = _INDEX.match(drift.destination or "")
    if (drift.destination and found is None) or " ON ONLY " in (drift.source or ""):
        return None  # a partitioned table's is joined to those of its partitions
    return _replaced(found and f"DROP INDEX {found[2]}.{found[1]}", drift.source)


def _trigger(drift: Drift) -> str | None:
    if is_trigger_mode(drift.source or drift.destination):
        return None  # remembered by itself
    disable = "DISABLE "
    if drift.source and drift.source.startswith(disable):
        return f"ALTER TABLE {drift.object} {drift.source}"
    if drift.destination and drift.destination.startswith(disable):
        return f"ALTER TABLE {drift.object} ENABLE {drift.destination.removeprefix(disable)}"
    found = _TRIGGER.match(drift.destination or "")
    return _replaced(found and f"DROP TRIGGER {found[1]} ON {drift.object}", drift.source)


def _statistics(drift: Drift) -> str | None:
    found = _STATISTICS.match(drift.destination or "")
    return _replaced(found and f"DROP STATISTICS {found[1]}.{found[2]}", drift.source)


def _sequence(drift: Drift) -> str:
    if drift.source is None:
        return f"DROP SEQUENCE {drift.object}"
    if drift.destination is None:
        return f"CREATE SEQUENCE {drift.object} AS {drift.source}"
    undone = [
        other
        for word, other in (("CYCLE", "NO CYCLE"), ("OWNED BY", "OWNED BY NONE"))
        if f" {word}" in drift.destination and f" {word}" not in drift.source
    ]
    return " ".join((f"ALTER SEQUENCE {drift.object} AS {drift.source}", *undone))


def _schema(drift: Drift) -> str:
    return f"{'CREATE' if drift.destination is None else 'DROP'} SCHEMA {drift.object}"


def _extension(drift: Drift) -> str | None:
    if drift.source is None:
        return f"DROP EXTENSION {drift.object}"
    if drift.destination is None:
        return f"CREATE EXTENSION {drift.object} WITH {drift.source}"
    return f"ALTER EXTENSION {drift.object} SET {drift.source}"


def _owner(drift: Drift) -> str | None:
    kind, name = _addressed(drift.object)
    return f"ALTER {kind} {name} OWNER TO {drift.source}" if drift.source else None


def _comment(drift: Drift) -> str:
    kind, name = _addressed(drift.object)
    return f"COMMENT ON {kind} {name} IS {drift.source or 'NULL'}"


def _grant(drift: Drift) -> str | None:
    wanted = _GRANT.fullmatch(drift.source or "")
    existing = _GRANT.fullmatch(drift.destination or "")
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
    defaults = _DEFAULTS.fullmatch(drift.object)
    kind, name = _addressed(drift.object)
    on = defaults["kind"].upper() if defaults else f"{_GRANTED.get(kind, kind)} {name}"
    verb, to = ("GRANT", "TO") if grants else ("REVOKE", "FROM")
    said = f"{verb} {privilege} ON {on} {to} {found['grantee']}{option if grants else ''}"
    if defaults is None:
        return said
    where = f" IN SCHEMA {defaults['schema']}" if defaults["schema"] else ""
    return f"ALTER DEFAULT PRIVILEGES FOR ROLE {defaults['role']}{where} {said}"


def _addressed(described: str) -> tuple[str, str]:
    """Split what pg_identify_object() says of an object into its type, as in DDL, and its name.

    >>> _addressed("materialized view app.totals")
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


_STATEMENTS: Mapping[SchemaKind, Callable[[Drift], str | None]] = {
    SchemaKind.COLUMN: _column,
    SchemaKind.CONSTRAINT: _constraint,
    SchemaKind.INDEX: _index,
    SchemaKind.TRIGGER: _trigger,
    SchemaKind.STATISTICS: _statistics,
    SchemaKind.SEQUENCE: _sequence,
    SchemaKind.SCHEMA: _schema,
    SchemaKind.EXTENSION: _extension,
    SchemaKind.OWNER: _owner,
    SchemaKind.GRANT: _grant,
    SchemaKind.COMMENT: _comment,
}
