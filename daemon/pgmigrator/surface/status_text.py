"""Status documents as tables of text: aligned for pipes and curl, coloured on a terminal.

Both read the JSON documents, so that the daemon and its command line show the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from pgmigrator.surface.documents import (
    DatabaseDocument,
    MappingDocument,
    OutcomeDocument,
    ProblemDocument,
    ServerDocument,
    StatusDocument,
    TablesDocument,
)
from pgmigrator.surface.pasting import Line, lines, printable

#: in front of each line below the head of an entry
INDENT = "    "
#: databases that are named; the others are counted
NAMED_MAX = 3

_UNKNOWN = "-"
_UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of text, for numbers and single words; `marks` names the style of each row."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    #: one of good, bad, unknown and "" per row
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is wrong, and what mends it: text that no column would hold whole."""

    #: e.g. `orders/shop: table "public"."log" (degrades)`
    head: str
    reason: str
    fix: str = ""
    #: good, bad, unknown or ""
    mark: str = ""

    def fix_lines(self) -> Iterator[Line]:
        """Say how to mend it."""
        found = list(lines(self.fix))
        if found and not found[0].statement:
            found[0] = Line(f"fix: {found[0].text}")
        elif found:
            yield Line("fix:")
        yield from found


@dataclass(frozen=True, slots=True)
class Listing:
    """Entries below a title."""

    title: str
    entries: tuple[Entry, ...]


Part = Grid | Listing


def filled(parts: Sequence[Part]) -> list[Part]:
    """Leave out what is empty, but not all of it."""
    return [each for each in parts if _members(each)] or list(parts[:1])


def _members(part: Part) -> tuple[object, ...]:
    return part.rows if isinstance(part, Grid) else part.entries


def listed(found: Iterable[tuple[str, Entry]]) -> tuple[Entry, ...]:
    """Merge entries that say the same of several databases; each comes with where it is."""
    where: dict[Entry, list[str]] = {}
    for name, entry in found:
        where.setdefault(entry, []).append(name)
    return tuple(replace(e, head=f"{some(names)}: {e.head}") for e, names in where.items())


def some(names: Sequence[str]) -> str:
    """Name the first few, and count the others."""
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more


def of_status(document: StatusDocument) -> list[Part]:
    """Show every database, then what blocks, then the problems."""
    return _parts(document["mappings"])


def of_mapping(document: MappingDocument) -> list[Part]:
    """Show the databases of one mapping."""
    return _parts([document])


def of_database(mapping: str, document: DatabaseDocument) -> list[Part]:
    """Show one database with all its gates."""
    return [
        _databases([(mapping, document)]),
        Grid(
            "Gates",
            ("GATE", "STATUS", "VALUE", "LIMIT", "UNIT"),
            tuple(
                _row(
                    gate["name"],
                    gate["status"],
                    gate["value"],
                    gate["limit"],
                    gate["unit"],
                )
                for gate in document["gates"]
            ),
            tuple(_MARKS[gate["status"]] for gate in document["gates"]),
        ),
        _blocking([(mapping, document)]),
        _problems([(f"{mapping}/{document['name']}", each) for each in document["problems"]]),
    ]


def of_tables(document: TablesDocument) -> list[Part]:
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


def of_outcome(document: OutcomeDocument) -> list[Part]:
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
        # what a proof lacks is what stands against it: said once
        Listing(
            "What stands against it",
            listed(
                (
                    b["database"],
                    Entry(
                        f"{b['object']} ({b['status']})",
                        b["reason"],
                        b["fix"],
                        _MARKS.get(b["status"], ""),
                    ),
                )
                for b in document["blocking"]
            ),
        ),
        Listing(
            "What a proof does not cover",
            listed(
                (drain["database"], Entry("not covered", text))
                for drain in drains
                for text in drain["not_covered"]
            ),
        ),
    ]


def aligned(parts: Sequence[Part]) -> str:
    """Align the columns of each table; statements stay whole."""
    return "\n".join("\n".join(_lines(part)) + "\n" for part in filled(parts))


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


def _parts(mappings: Sequence[MappingDocument]) -> list[Part]:
    pairs = [(mapping["name"], each) for mapping in mappings for each in mapping["databases"]]
    problems = [
        *((mapping["name"], each) for mapping in mappings for each in mapping["problems"]),
        *((f"{name}/{db['name']}", each) for name, db in pairs for each in db["problems"]),
    ]
    return [
        _mappings(mappings),
        _silent(mappings),
        _databases(pairs),
        _doing(pairs),
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
                _moment(each["observed_at"]),
            )
            for each in mappings
        ),
        tuple(_PHASE_MARKS.get(each["phase"], "") for each in mappings),
    )


def _moment(instant: str) -> str:
    """Write an instant to the second, in two words that a narrow column may part.

    >>> _moment("2026-12-01T03:48:28.109Z")
    '2026-12-01 03:48:28Z'
    """
    return instant[:19].replace("T", " ") + "Z"


def _server(server: ServerDocument) -> str:
    shown = f"{server['instance']} {server['version'] or _UNKNOWN}"
    return shown if server["up"] else f"{shown} DOWN"


def _silent(mappings: Sequence[MappingDocument]) -> Listing:
    found = [
        (mapping["name"], side, server)
        for mapping in mappings
        for side, server in (("source", mapping["source"]), ("destination", mapping["destination"]))
        if not server["up"]
    ]
    return Listing(
        "Servers that do not answer",
        tuple(
            Entry(
                f"{mapping}: {side} {server['instance']}"
                f" (last answer: {server['observed_at'] or 'none'})",
                server["reason"],
                mark="bad",
            )
            for mapping, side, server in found
        ),
    )


def _databases(pairs: Sequence[tuple[str, DatabaseDocument]]) -> Grid:
    return Grid(
        "Databases",
        ("MAPPING", "DATABASE", "PHASE", "READY", "LAG", "LAG s", "COPIED", "GATES"),
        tuple(
            _row(
                mapping,
                each["name"],
                each["phase"],
                each["ready"],
                size(each["replication"]["lag_bytes"]),
                each["replication"]["lag_seconds"],
                _copied(each),
                _passed(each),
            )
            for mapping, each in pairs
        ),
        tuple(_PHASE_MARKS.get(each["phase"], "") for _, each in pairs),
    )


def _passed(database: DatabaseDocument) -> str:
    gates = len(database["gates"])
    return f"{gates - len(database['blocking'])}/{gates}" if gates else _UNKNOWN


def _copied(database: DatabaseDocument) -> str:
    copy = database["copy"]
    if copy is None:
        return _UNKNOWN
    return f"{size(copy['completed_bytes'])} of {size(copy['estimated_bytes'])}"


def _doing(pairs: Sequence[tuple[str, DatabaseDocument]]) -> Listing:
    return Listing(
        "What goes on",
        listed(
            (f"{mapping}/{each['name']}", Entry(each["phase"], each["reason"]))
            for mapping, each in pairs
        ),
    )


def _blocking(pairs: Sequence[tuple[str, DatabaseDocument]]) -> Listing:
    return Listing(
        "What keeps the light off",
        listed(
            (
                f"{mapping}/{each['name']}",
                Entry(
                    f"{gate['name']} ({gate['status']})",
                    gate["reason"],
                    gate["fix"],
                    _MARKS[gate["status"]],
                ),
            )
            for mapping, each in pairs
            for gate in each["gates"]
            if gate["status"] != "pass"
        ),
    )


def _problems(found: Sequence[tuple[str, ProblemDocument]]) -> Listing:
    return Listing(
        "Problems",
        listed(
            (
                where,
                Entry(
                    f"{each['object']} ({each['severity']})",
                    each["reason"],
                    each["fix"],
                    "bad" if each["severity"] == "blocks" else "",
                ),
            )
            for where, each in found
        ),
    )


def _row(*cells: object) -> tuple[str, ...]:
    return tuple(map(_cell, cells))


def _cell(value: object) -> str:
    if value is None or value == "":
        return _UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(f"{value:.1f}" if isinstance(value, float) else str(value))


def _lines(part: Part) -> Iterator[str]:
    yield part.title
    if isinstance(part, Grid):
        yield from _aligned(part)
        return
    for entry in part.entries:
        yield printable(entry.head)
        yield from (INDENT + line.text for line in (*lines(entry.reason), *entry.fix_lines()))


def _aligned(grid: Grid) -> Iterator[str]:
    rows = [grid.header, *grid.rows]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(_padded(row, widths)).rstrip()


def _padded(row: Iterable[str], widths: Iterable[int]) -> Iterator[str]:
    for cell, width in zip(row, widths, strict=True):
        yield cell + " " * (width - cell_len(cell))
