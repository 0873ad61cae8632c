"""The SQL that mends types: enums, domains, composite, range and shell types."""
# ruff: noqa: S608  (text for people, and every name in it is quoted)

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

from pgmigrator.core.drift_sql.lines import Change, first_name, parted

_LABEL = re.compile(r"E?'(?:[^'\\]|''|\\.)*'")
_DOMAIN = re.compile(
    r"domain (?P<type>.*?)(?P<null> NOT NULL)?(?: DEFAULT (?P<default>.*))?", re.DOTALL
)
_COMPOSITE = re.compile(r"composite \((?P<attributes>.*)\)", re.DOTALL)


def enum(change: Change) -> str | None:
    """Create an enum, add labels or rename them; None: it has one that is to go, or to move."""
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
    return None


def _added_labels(name: str, wanted: Sequence[str], found: Sequence[str]) -> Iterator[str]:
    for place, label in enumerate(wanted):
        if label not in found:
            where = f"AFTER {wanted[place - 1]}" if place else f"BEFORE {found[0]}" if found else ""
            yield f"ALTER TYPE {name} ADD VALUE {label} {where}".rstrip()


def enum_anew(change: Change) -> str | None:
    """Say how an enum is made anew: PostgreSQL takes no label away and moves none."""
    if change.source is None or change.destination is None:
        return None
    schema, _, name = change.object.partition('"."')
    old = f'{schema}"."{name[:-1]}_old"'
    return (
        "PostgreSQL takes no label away and moves none. On the destination, in one transaction:"
        f' ALTER TYPE {change.object} RENAME TO "{name[:-1]}_old";'
        f" CREATE TYPE {change.object} AS ENUM ({change.source}); then for each COLUMN of a TABLE"
        f" that SELECT attrelid::regclass, attname FROM pg_attribute WHERE atttypid = '{old}'"
        "::regtype AND NOT attisdropped shows: ALTER TABLE ... ALTER COLUMN ... TYPE"
        f" {change.object} USING ...::text::{change.object}; then DROP TYPE {old};"
    )


def type_(change: Change) -> str | None:
    """Create or alter a domain, a composite, range or shell type."""
    if change.source is None:
        return None
    word, _, definition = change.source.partition(" ")
    if change.destination is None:
        create = _CREATED.get(word)
        return create and f"{create.format(change.object)}{definition if word != 'base' else ''}"
    if change.destination == "shell":  # its functions come in between
        return f"CREATE TYPE {change.object} {definition}"
    if (new := _DOMAIN.fullmatch(change.source)) and (old := _DOMAIN.fullmatch(change.destination)):
        return _domain(change.object, new, old)
    new, old = _COMPOSITE.fullmatch(change.source), _COMPOSITE.fullmatch(change.destination)
    if new and old:
        return _composite(change.object, parted(new["attributes"]), parted(old["attributes"]))
    return None


#: how a type's line begins -> what creates it
_CREATED = {
    "domain": "CREATE DOMAIN {} AS ",
    "composite": "CREATE TYPE {} AS ",
    "range": "CREATE TYPE {} AS RANGE ",
    "base": "CREATE TYPE {}",
    "shell": "CREATE TYPE {}",
}


def _domain(name: str, new: re.Match[str], old: re.Match[str]) -> str | None:
    if new["type"] != old["type"]:
        return None
    changes = []
    if new["null"] != old["null"]:
        changes.append(f"{'SET' if new['null'] else 'DROP'} NOT NULL")
    if new["default"] != old["default"]:
        default = new["default"]
        changes.append("DROP DEFAULT" if default is None else f"SET DEFAULT {default}")
    return "; ".join(f"ALTER DOMAIN {name} {change}" for change in changes)


def _composite(name: str, new: Sequence[str], old: Sequence[str]) -> str:
    """Alter attributes; what is added comes last, so one in another place is dropped and added."""
    wanted = {first_name(attribute): attribute for attribute in new}
    found = {first_name(attribute): attribute for attribute in old}
    left = iter(found)
    kept = tuple(takewhile(lambda attribute: attribute in left, wanted))
    changes = (
        *(f"DROP ATTRIBUTE {attribute}" for attribute in found if attribute not in kept),
        *(
            f"ALTER ATTRIBUTE {attribute} TYPE{wanted[attribute].removeprefix(attribute)}"
            for attribute in kept
            if wanted[attribute] != found[attribute]
        ),
        *(f"ADD ATTRIBUTE {wanted[attribute]}" for attribute in wanted if attribute not in kept),
    )
    return f"ALTER TYPE {name} " + ", ".join(changes)
