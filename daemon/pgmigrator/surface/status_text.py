"""Status documents as tables of text: aligned for pipes and curl, coloured on a terminal.

Both read the JSON documents, so that the daemon and its command line show the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from pgmigrator.surface.documents import (
    DatabaseDocument,
    DrainDocument,
    MappingDocument,
    OutcomeDocument,
    ProblemDocument,
    ServerDocument,
    StatusDocument,
    TablesDocument,
)

_UNKNOWN = "-"
_UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text; `marks` names the style of each row."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    #: one of good, bad, unknown and "" per row
    marks: tuple[str, ...] = ()


def filled(grids: Sequence[Grid]) -> list[Grid]:
    """Leave out tables without rows, but not all of them."""
    return [grid for grid in grids if grid.rows] or list(grids[:1])


def of_status(document: StatusDocument) -> list[Grid]:
    """Show every database, then what blocks, then the problems."""
    return _grids(document["mappings"])


def of_mapping(document: MappingDocument) -> list[Grid]:
    """Show the databases of one mapping."""
    return _grids([document])


def of_database(mapping: str, document: DatabaseDocument) -> list[Grid]:
    """Show one database with all its gates."""
    return [
        _databases([(mapping, document)]),
        Grid(
            "Gates",
            ("GATE", "STATUS", "VALUE", "LIMIT", "UNIT", "REASON", "FIX"),
            tuple(
                _row(
                    gate["name"],
                    gate["status"],
                    gate["value"],
                    gate["limit"],
                    gate["unit"],
                    gate["reason"],
                    gate["fix"],
                )
                for gate in document["gates"]
            ),
            tuple(_MARKS[gate["status"]] for gate in document["gates"]),
        ),
        _problems([(f"{mapping}/{document['name']}", each) for each in document["problems"]]),
    ]


def of_tables(document: TablesDocument) -> list[Grid]:
    """Show one page of tables."""
    more = "" if document["next_cursor"] is None else f" (next cursor: {document['next_cursor']})"
    return [
        Grid(
            f"Tables: {len(document['items'])} of {document['total']}{more}",
            ("SCHEMA", "TABLE", "STATE", "COPIED", "SIZE", "ROWS", "OF ROWS", "REASON"),
            tuple(
                _row(
                    table["schema"],
                    table["table"],
                    table["state"],
                    size(table["completed_bytes"]),
                    size(table["estimated_bytes"]),
                    table["completed_rows"],
                    table["estimated_rows"],
                    table["reason"],
                )
                for table in document["items"]
            ),
        )
    ]


def of_outcome(document: OutcomeDocument) -> list[Grid]:
    """Show what a command proved, and what stands against it."""
    drains = document["drains"]
    return [
        Grid(
            "Drains",
            ("DATABASE", "PROVED", "LSN", "SECONDS", "SEQUENCES"),
            tuple(
                _row(d["database"], d["proved"], d["lsn"], d["duration_seconds"], d["sequences"])
                for d in drains
            ),
            tuple("good" if d["proved"] else "bad" for d in drains),
        ),
        Grid(
            "What the proofs lack, and what they do not cover",
            ("DATABASE", "", "WHAT"),
            tuple(row for d in drains for row in _remarks(d)),
        ),
        Grid(
            "What stands against it",
            ("DATABASE", "WHAT", "STATUS", "REASON", "FIX"),
            tuple(
                _row(b["database"], b["object"], b["status"], b["reason"], b["fix"])
                for b in document["blocking"]
            ),
        ),
    ]


def aligned(grids: Sequence[Grid]) -> str:
    """Align the columns of each table."""
    return "\n".join("\n".join(_lines(grid)) + "\n" for grid in filled(grids))


def size(count: int | None) -> str:
    """Write bytes in PostgreSQL's units.

    >>> size(512), size(1536), size(3 * 1024**3), size(None)
    ('512 B', '1.5 kB', '3.0 GB', '-')
    """
    if count is None:
        return _UNKNOWN
    value, unit = float(count), 0
    while abs(value) >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{count} B"


# --- the tables ----------------------------------------------------------------------------------

_MARKS: dict[str, str] = {"pass": "good", "fail": "bad", "unknown": "unknown"}
_PHASE_MARKS: dict[str, str] = {
    "ready": "good",
    "completed": "good",
    "failed": "bad",
    "blocked": "bad",
    "unknown": "unknown",
}


def _grids(mappings: Sequence[MappingDocument]) -> list[Grid]:
    pairs = [(mapping["name"], each) for mapping in mappings for each in mapping["databases"]]
    problems = [
        *((mapping["name"], each) for mapping in mappings for each in mapping["problems"]),
        *((f"{name}/{db['name']}", each) for name, db in pairs for each in db["problems"]),
    ]
    return [
        _mappings(mappings),
        _silent(mappings),
        _databases(pairs),
        _blocking(pairs),
        _problems(problems),
    ]


def _mappings(mappings: Sequence[MappingDocument]) -> Grid:
    return Grid(
        "Mappings",
        ("MAPPING", "PHASE", "READY", "SOURCE", "DESTINATION", "LEASE", "OBSERVED AT"),
        tuple(
            _row(
                each["name"],
                each["phase"],
                each["ready"],
                _server(each["source"]),
                _server(each["destination"]),
                each["lease"],
                each["observed_at"],
            )
            for each in mappings
        ),
        tuple(_PHASE_MARKS.get(each["phase"], "") for each in mappings),
    )


def _server(server: ServerDocument) -> str:
    shown = f"{server['instance']} {server['version'] or _UNKNOWN}"
    return shown if server["up"] else f"{shown} DOWN"


def _silent(mappings: Sequence[MappingDocument]) -> Grid:
    found = [
        (mapping["name"], side, server)
        for mapping in mappings
        for side, server in (("source", mapping["source"]), ("destination", mapping["destination"]))
        if not server["up"]
    ]
    return Grid(
        "Servers that do not answer",
        ("MAPPING", "SIDE", "INSTANCE", "LAST ANSWER", "REASON"),
        tuple(
            _row(mapping, side, server["instance"], server["observed_at"], server["reason"])
            for mapping, side, server in found
        ),
        ("bad",) * len(found),
    )


def _databases(pairs: Sequence[tuple[str, DatabaseDocument]]) -> Grid:
    return Grid(
        "Databases",
        ("MAPPING", "DATABASE", "PHASE", "READY", "LAG", "LAG s", "COPIED", "GATES", "REASON"),
        tuple(
            _row(
                mapping,
                each["name"],
                each["phase"],
                each["ready"],
                size(each["replication"]["lag_bytes"]),
                each["replication"]["lag_seconds"],
                _copied(each),
                f"{len(each['gates']) - len(each['blocking'])}/{len(each['gates'])}",
                each["reason"],
            )
            for mapping, each in pairs
        ),
        tuple(_PHASE_MARKS.get(each["phase"], "") for _, each in pairs),
    )


def _copied(database: DatabaseDocument) -> str:
    copy = database["copy"]
    if copy is None:
        return _UNKNOWN
    return f"{size(copy['completed_bytes'])} of {size(copy['estimated_bytes'])}"


def _blocking(pairs: Sequence[tuple[str, DatabaseDocument]]) -> Grid:
    found = [
        (f"{mapping}/{each['name']}", gate)
        for mapping, each in pairs
        for gate in each["gates"]
        if gate["status"] != "pass"
    ]
    return Grid(
        "What keeps the light off",
        ("WHERE", "GATE", "STATUS", "REASON", "FIX"),
        tuple(_row(where, g["name"], g["status"], g["reason"], g["fix"]) for where, g in found),
        tuple(_MARKS[gate["status"]] for _, gate in found),
    )


def _problems(found: Sequence[tuple[str, ProblemDocument]]) -> Grid:
    return Grid(
        "Problems",
        ("WHERE", "SEVERITY", "OBJECT", "REASON", "FIX"),
        tuple(
            _row(where, each["severity"], each["object"], each["reason"], each["fix"])
            for where, each in found
        ),
        tuple("bad" if each["severity"] == "blocks" else "" for _, each in found),
    )


def _remarks(drain: DrainDocument) -> Iterator[tuple[str, ...]]:
    for text in drain["missing"]:
        yield _row(drain["database"], "missing", text)
    for text in drain["not_covered"]:
        yield _row(drain["database"], "not covered", text)


def _row(*cells: object) -> tuple[str, ...]:
    return tuple(map(_cell, cells))


def _cell(value: object) -> str:
    if value is None or value == "":
        return _UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    # names come from servers: nothing in them may move the cursor of a terminal
    return "".join(c if c.isprintable() else " " for c in str(value))


def _lines(grid: Grid) -> Iterator[str]:
    rows = [grid.header, *grid.rows]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    yield grid.title
    for row in rows:
        yield "  ".join(_padded(row, widths)).rstrip()


def _padded(row: Iterable[str], widths: Iterable[int]) -> Iterator[str]:
    for cell, width in zip(row, widths, strict=True):
        yield cell + " " * (width - cell_len(cell))
