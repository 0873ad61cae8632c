"""What the command line makes of a status document: parts of it, tables of it, an exit status."""

from typing import Any

from pgmigrator.errors import MigratorError
from pgmigrator.surface.status_text import Part, of_mapping, of_status


class UnknownDatabase(MigratorError, LookupError):
    """A database was asked for that the document does not have."""


def narrowed(document: Any, names: tuple[str, ...]) -> Any:
    """Keep only the named databases; all of them if none is named.

    :raises UnknownDatabase: naming the known ones.
    """
    if not names:
        return document
    known = {db["name"] for mapping in _mappings(document) for db in mapping["databases"]}
    unknown = [name for name in names if name not in known]
    if unknown:
        there = ", ".join(sorted(known)) or "none"
        raise UnknownDatabase(f"no such database: {', '.join(unknown)} (there are: {there})")
    kept = [
        mapping | {"databases": [db for db in mapping["databases"] if db["name"] in names]}
        for mapping in _mappings(document)
    ]
    if "mappings" not in document:
        return kept[0]
    return document | {"mappings": [mapping for mapping in kept if mapping["databases"]]}


def parts(document: Any) -> list[Part]:
    """Make the text of either document: the whole status, or one mapping."""
    return of_status(document) if "mappings" in document else of_mapping(document)


def is_green(document: Any) -> bool:
    """Tell whether every database is ready; a mapping without databases never is."""
    mappings = _mappings(document)
    return bool(mappings) and all(
        mapping["databases"] and all(db["ready"] for db in mapping["databases"])
        for mapping in mappings
    )


def _mappings(document: Any) -> list[Any]:
    found: list[Any] = document.get("mappings", [document])
    return found
