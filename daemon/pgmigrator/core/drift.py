"""Drift: how the two schemas differ, object by object, and the SQL that makes them equal again.

The fingerprint gives lines that only one side has; here the two lines of one thing are paired. The
SQL is for a person to read and run on the destination: nothing of it is run by itself.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from shlex import quote

from pgmigrator.core.drift_sql import statement
from pgmigrator.core.drift_sql.lines import (
    COLUMN,
    GRANT,
    INDEX,
    NAME,
    NOT_NULL_NOT_VALID,
    ORDER,
    PARENTS,
    STATISTICS,
    TRIGGER,
    USER_MAPPING,
    WORD,
    Change,
    addressed,
    first_name,
    is_trigger_mode,
)
from pgmigrator.core.drift_sql.objects import drop
from pgmigrator.core.drift_sql.properties import property_key
from pgmigrator.core.drift_sql.relations import SETTING
from pgmigrator.core.drift_sql.types import enum_anew
from pgmigrator.core.drift_sql.written import query
from pgmigrator.core.model import SchemaItem, SchemaKind
from pgmigrator.core.names import quote_identifier
from pgmigrator.core.renamed import renamed

#: a partitioned table's key names the storage parameters that the keys of its partitions get
_STORED = re.compile(r"^( (?:PRIMARY KEY|UNIQUE) .*) WITH \([^()]*\)", re.DOTALL)
_INDEX_ON = re.compile(rf"CREATE( UNIQUE)? INDEX {WORD} ON (?:ONLY )?{WORD}\.{WORD} ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift(Change):
    """One thing that the sides define differently."""

    #: tables that differ alike because they inherit it, partitions above all: the statement reaches
    #: them too, and PostgreSQL would refuse it for them alone
    heirs: tuple[str, ...] = ()

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
        """The SQL that makes the destination like the source; None: it is not known here."""
        return statement(self)

    @property
    def query(self) -> str | None:
        """A query for the source that writes that SQL; None: it is known here, or too long."""
        return query(self)

    @property
    def fix(self) -> str:
        """What to do, in a sentence."""
        if self.statement:
            return f"on the destination: {self.statement};"
        if self.query:
            return f"on the destination, run what this prints on the source: {self.query};"
        if self.kind is SchemaKind.ENUM and (anew := enum_anew(self)):
            return anew
        if self.kind is SchemaKind.TRIGGER and is_trigger_mode(self.source or self.destination):
            return "wait: until the switch it is an ordinary trigger there, and its mode remembered"
        if self.source is None:
            if dropping := drop(self):
                return f"if it is not needed, on the destination: {dropping};"
            return f"take it from {self.object} on the destination, or give it to the source's"
        shown = f"`pg_dump --schema-only{self._table_option}` of the source shows"
        if self.destination is None:
            return f"create it on the destination: {shown} how"
        return f"make {self.object} on the destination as on the source, whose definition {shown}"

    @property
    def _table_option(self) -> str:
        return f" --table={quote(self.object)}" if self.kind in _RELATIONS else ""

    @property
    def is_whole(self) -> bool:
        """Whether the line defines the object, so that a side without it has not the object."""
        line = self.source or self.destination or ""
        return (
            self.kind in _DEFINING
            and property_key(self.kind, line) is None
            and not USER_MAPPING.match(line)
        )

    @property
    def needs_copy(self) -> bool:
        """Whether rows that are there already lack what the source's rows may have."""
        if self.kind is not SchemaKind.COLUMN or self.source is None:
            return False
        if self.statement is None:
            return True  # their order, or how one is generated: only a new table has it so
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
    ancestors: dict[str, set[str]] = {}
    items = tuple(items)
    new_names = {old: new for new, old in renamed(items).items()}
    for item in items:
        kind = SchemaKind(item.kind)
        key = _key(kind, new_names.get(item, item).definition)
        pair = pairs.setdefault((item.object, kind, key), [None, None])
        pair[0 if item.missing else 1] = item.definition
        ancestors.setdefault(item.object, set()).update(item.ancestors)
    found = tuple(
        Drift(kind=kind, object=described, source=source, destination=destination)
        for (described, kind, key), (source, destination) in pairs.items()
        # a column that came, went or got another name also changes their order
        if (key != ORDER or not _changes_columns(pairs, described))
        # as a parent that came or went changes theirs
        and (key != PARENTS or not _changes_parents(pairs, described))
        # a column that is NOT NULL on the source has the constraint, which becomes valid
        and not (source is None and _becomes_valid(pairs, described, destination or ""))
    )
    return _without_heirs(_without_parts(found), ancestors)


#: what has one of these lines is there; else it is missing as a whole, or only there
_DEFINING = frozenset(
    {
        SchemaKind.TABLE,
        SchemaKind.SEQUENCE,
        SchemaKind.VIEW,
        SchemaKind.ENUM,
        SchemaKind.TYPE,
        SchemaKind.FUNCTION,
        SchemaKind.OPERATOR,
        SchemaKind.TEXT_SEARCH,
        SchemaKind.FOREIGN_DATA,
        SchemaKind.SCHEMA,
        SchemaKind.EVENT_TRIGGER,
        SchemaKind.STATISTICS,
        SchemaKind.OTHER,
    }
)
_SAID_OF = frozenset({SchemaKind.OWNER, SchemaKind.GRANT, SchemaKind.COMMENT, SchemaKind.LABEL})


def _without_parts(found: tuple[Drift, ...]) -> tuple[Drift, ...]:
    """Leave out what belongs to an object that a side has not at all: it comes and goes with it."""
    whole = {
        (_defined(drift), drift.source is None)
        for drift in found
        if drift.is_whole and None in (drift.source, drift.destination)
    }
    return tuple(
        drift
        for drift in found
        if drift.is_whole
        or None not in (drift.source, drift.destination)
        or not any((name, drift.source is None) in whole for name in _owning(drift))
    )


def _defined(drift: Drift) -> str:
    found = STATISTICS.match(drift.source or drift.destination or "")
    return f"{found[1]}.{found[2]}" if found else drift.object


def _owning(drift: Drift) -> tuple[str, ...]:
    """Name the object of which a line says something, as its own lines may name it."""
    if drift.kind not in _SAID_OF:
        return (drift.object.removeprefix("domain "),)
    _, name = addressed(drift.object)
    name = name.rpartition(" ON DOMAIN ")[2].rpartition(" on ")[2]
    quoted = [
        word if word.startswith('"') else quote_identifier(word) for word in NAME.findall(name)[:2]
    ]
    return name, ".".join(quoted)


def _without_heirs(
    found: tuple[Drift, ...], ancestors: Mapping[str, set[str]]
) -> tuple[Drift, ...]:
    """Leave out what a table inherits from one that differs alike; note it there."""
    inheritable: dict[str, list[Drift]] = {}
    for drift in found:
        if drift.kind in _INHERITED:
            inheritable.setdefault(drift.object, []).append(drift)
    heirs: dict[Drift, list[str]] = {}
    left_out: set[Drift] = set()
    for name, differing in inheritable.items():
        for above in sorted(ancestors[name] & inheritable.keys()):
            if name in ancestors[above]:
                continue  # the sides have it the other way round: neither is the other's heir
            for drift, other in product(differing, inheritable[above]):
                if _inherits(drift, other):
                    heirs.setdefault(other, []).append(name)
                    left_out.add(drift)
    return tuple(
        replace(drift, heirs=tuple(heirs.get(drift, ())))
        for drift in found
        if drift not in left_out
    )


#: what pg_dump can be asked for by name
_RELATIONS = frozenset({SchemaKind.TABLE, SchemaKind.VIEW})

#: what a partition or an inheriting table has from above
_INHERITED = frozenset(
    {SchemaKind.COLUMN, SchemaKind.CONSTRAINT, SchemaKind.INDEX, SchemaKind.TRIGGER}
)


def _inherits(drift: Drift, above: Drift) -> bool:
    """Tell whether a difference is that of the table above, under its own names."""
    if drift.kind is not above.kind:
        return False
    lines = ((drift.source, above.source), (drift.destination, above.destination))
    return all(
        ours is None
        or (theirs is not None and _bare(drift.kind, ours) == _bare(drift.kind, theirs))
        for ours, theirs in lines
    )


def _bare(kind: SchemaKind, definition: str) -> str:
    """Write a line as all heirs have it: of a column its name, else the line without its names."""
    if kind is SchemaKind.COLUMN:
        return _key(kind, definition)
    if kind is SchemaKind.CONSTRAINT:
        return _STORED.sub(r"\1", definition.removeprefix(first_name(definition)))
    if kind is SchemaKind.INDEX and (found := _INDEX_ON.match(definition)):
        return f"{found[1]}{definition[found.end() :]}"
    return definition


def _changes_columns(
    pairs: Mapping[tuple[str, SchemaKind, str], list[str | None]], described: str
) -> bool:
    return any(
        name == described
        and kind is SchemaKind.COLUMN
        and key != ORDER
        and len({line and first_name(line) for line in pair}) > 1
        for (name, kind, key), pair in pairs.items()
    )


def _becomes_valid(
    pairs: Mapping[tuple[str, SchemaKind, str], list[str | None]], described: str, line: str
) -> bool:
    found = NOT_NULL_NOT_VALID.fullmatch(line)
    source, _ = pairs.get((described, SchemaKind.COLUMN, found[2] if found else ""), (None, None))
    column = COLUMN.fullmatch(source.removeprefix(found[2])) if found and source else None
    return column is not None and column["null"] is not None


def _changes_parents(
    pairs: Mapping[tuple[str, SchemaKind, str], list[str | None]], described: str
) -> bool:
    return any(
        name == described and kind is SchemaKind.TABLE and (line or "").startswith("INHERIT ")
        for (name, kind, _), pair in pairs.items()
        for line in pair
    )


def _key(kind: SchemaKind, definition: str) -> str:
    """Tell what of an object a line is about: two lines with one key are one change."""
    if (key := property_key(kind, definition)) is not None:
        return key
    if kind is SchemaKind.FOREIGN_DATA:
        mapping = USER_MAPPING.match(definition)
        return mapping[0] if mapping else ""
    if kind is SchemaKind.OPTION:
        return _option_key(definition)
    if kind in _ONE_OF_A_KIND:
        return ""
    for pattern in (INDEX, TRIGGER, STATISTICS):
        if found := pattern.match(definition):
            return " ".join(found.groups())
    if kind is SchemaKind.GRANT and (found := GRANT.fullmatch(definition)):
        return f"{found['verb']} {found['privilege']} {found['grantee']}"
    return first_name(definition) if kind in _NAMED else definition


def _option_key(definition: str) -> str:
    if definition.startswith(f"{PARENTS} "):
        return PARENTS
    return definition.rpartition(" ")[0] if SETTING.fullmatch(definition) else definition


#: an object has one line of these
_ONE_OF_A_KIND = frozenset(
    {
        SchemaKind.TABLE,
        SchemaKind.SEQUENCE,
        SchemaKind.VIEW,
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
_NAMED = frozenset(
    {
        SchemaKind.COLUMN,
        SchemaKind.CONSTRAINT,
        SchemaKind.RULE,
        SchemaKind.POLICY,
        SchemaKind.LABEL,
    }
)


def _typed(column: str) -> str:
    found = COLUMN.fullmatch(column)
    return f"{found['type']}{found['rest'] or ''}" if found else column
