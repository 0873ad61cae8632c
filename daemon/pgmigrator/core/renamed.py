"""Columns, indexes and constraints that the destination has under another name: no more differs.

To build an index again would take hours for nothing, and a second primary key cannot be built at
all; a column that is dropped and added is empty. They are not ours to rename, since they bear no
note: a person is told the statement.
"""

from collections.abc import Iterable

from pgmigrator.core.drift_sql.lines import INDEX, NAME, ORDER, parted
from pgmigrator.core.model import SchemaItem, SchemaKind

_PATTERNS = {SchemaKind.COLUMN: NAME, SchemaKind.INDEX: INDEX, SchemaKind.CONSTRAINT: NAME}


def renamed(items: Iterable[SchemaItem]) -> dict[SchemaItem, SchemaItem]:
    """Pair what is missing with what only has another name here.

    >>> new, old = (SchemaItem(object="t", kind="constraint", definition=f"{name} UNIQUE (x)",
    ...                        missing=name == "new") for name in ("new", "old"))
    >>> renamed([new, old]) == {new: old}
    True
    """
    everything = tuple(items)
    places = _places(everything)

    def alike(item: SchemaItem) -> tuple[str, str, str, int | None]:
        name, nameless = _parted(item)
        return item.object, item.kind, nameless, places.get((item.object, item.missing, name))

    extra = {alike(item): item for item in everything if not item.missing and _parted(item)[1]}
    return {
        item: extra.pop(key)
        for item in everything
        if item.missing and (key := alike(item)) in extra
    }


def _places(items: Iterable[SchemaItem]) -> dict[tuple[str, bool, str], int]:
    """Return where each column is in its table: one that only has another name is in its place."""
    return {
        (item.object, item.missing, name): place
        for item in items
        if item.kind == SchemaKind.COLUMN and item.definition.startswith(f"{ORDER} ")
        for place, name in enumerate(parted(item.definition.removeprefix(f"{ORDER} ")))
    }


def renamed_names(items: Iterable[SchemaItem]) -> frozenset[tuple[str, str]]:
    """Return the table, and the unquoted name on the source, of each index and constraint."""
    return frozenset(
        (item.object, _unquoted(_parted(item)[0]))
        for item in renamed(items)
        if item.kind != SchemaKind.COLUMN
    )


def _parted(item: SchemaItem) -> tuple[str, str]:
    """Part a definition into its name and the rest; nothing if it has none."""
    pattern = _PATTERNS.get(SchemaKind(item.kind))
    found = pattern.match(item.definition) if pattern else None
    if found is None or item.definition.startswith(f"{ORDER} "):
        return "", ""
    start, end = found.span(1 if pattern is INDEX else 0)
    return item.definition[start:end], item.definition[:start] + item.definition[end:]


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
