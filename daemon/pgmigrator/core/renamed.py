"""Indexes and constraints that the destination has under another name: nothing else differs.

To build them again would take hours for nothing, and a second primary key cannot be built at all.
They are not ours to rename, since they bear no note: a person is told the statement.
"""

from collections.abc import Iterable

from pgmigrator.core.drift_sql import INDEX, NAME
from pgmigrator.core.model import SchemaItem, SchemaKind

_PATTERNS = {SchemaKind.INDEX: INDEX, SchemaKind.CONSTRAINT: NAME}


def renamed(items: Iterable[SchemaItem]) -> dict[SchemaItem, SchemaItem]:
    """Pair what is missing with what only has another name here.

    >>> new, old = (SchemaItem(object="t", kind="constraint", definition=f"{name} UNIQUE (x)",
    ...                        missing=name == "new") for name in ("new", "old"))
    >>> renamed([new, old]) == {new: old}
    True
    """
    everything = tuple(items)
    extra = {
        (item.object, item.kind, nameless): item
        for item in everything
        if not item.missing and (nameless := _parted(item)[1])
    }
    return {
        item: extra.pop(alike)
        for item in everything
        if item.missing and (alike := (item.object, item.kind, _parted(item)[1])) in extra
    }


def renamed_names(items: Iterable[SchemaItem]) -> frozenset[tuple[str, str]]:
    """Return the table, and the unquoted name on the source, of each of them."""
    return frozenset((item.object, _unquoted(_parted(item)[0])) for item in renamed(items))


def _parted(item: SchemaItem) -> tuple[str, str]:
    """Part a definition into its name and the rest; nothing if it has none."""
    pattern = _PATTERNS.get(SchemaKind(item.kind))
    found = pattern.match(item.definition) if pattern else None
    if found is None:
        return "", ""
    start, end = found.span(1 if pattern is INDEX else 0)
    return item.definition[start:end], item.definition[:start] + item.definition[end:]


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
