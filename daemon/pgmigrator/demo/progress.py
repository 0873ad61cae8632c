"""What status documents say to somebody who watches: pure functions from documents to text."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pgmigrator.surface.documents import (
    DatabaseDocument,
    GateDocument,
    MappingDocument,
    ProblemDocument,
)
from pgmigrator.surface.status_text import size

#: the copy of a database is reported when it has grown by so much
PERCENT_STEP = 20
#: phases in which there is a copy to speak of
WITH_COPY = ("copying", "indexing", "catching_up", "ready", "switched")


@dataclass(frozen=True)
class Change:
    """One line about what is new; a milestone is worth keeping on a screen that shows the rest."""

    text: str
    milestone: bool = False


@dataclass(frozen=True)
class Copied:
    """How far the copy of a database is."""

    tables: int
    of_tables: int
    completed_bytes: int
    of_bytes: int

    @classmethod
    def of(cls, database: DatabaseDocument) -> "Copied | None":
        """Read it from the database's status; None: there is no copy, or no more."""
        copy = database["copy"]
        if copy is None or database["phase"] not in WITH_COPY:
            return None
        tables = Counter({str(state): count for state, count in copy["tables"].items()})
        return cls(
            tables["streaming"] + tables["catching_up"],
            tables.total(),
            copy["completed_bytes"],
            copy["estimated_bytes"],
        )

    @property
    def percent(self) -> int:
        """The part of the bytes that is copied."""
        return int(100 * self.completed_bytes / self.of_bytes) if self.of_bytes else 0

    @property
    def step(self) -> tuple[int, int]:
        """What a line is worth when it changes."""
        return self.tables, self.percent // PERCENT_STEP

    def __str__(self) -> str:
        return (
            f"{self.tables} of {self.of_tables} tables, {self.percent} % of {size(self.of_bytes)}"
        )


def lag(database: DatabaseDocument) -> str:
    """The replication lag, in bytes and in seconds."""
    replication = database["replication"]
    seconds = replication["lag_seconds"]
    if replication["lag_bytes"] is None:
        return "-"
    return size(replication["lag_bytes"]) + ("" if seconds is None else f", {seconds:.1f} s")


def waiting(database: DatabaseDocument) -> list[GateDocument]:
    """The gates that do not pass: failing ones first."""
    found = [gate for gate in database["gates"] if gate["status"] != "pass"]
    return sorted(found, key=lambda gate: gate["status"] != "fail")


def changes(before: MappingDocument | None, after: MappingDocument) -> list[Change]:
    """Say what is new since the document before; None: there was none."""
    found: list[Change] = []
    old_phase = before["phase"] if before and before["databases"] else None
    if after["databases"] and after["phase"] != old_phase:
        found.append(Change(f"phase {after['phase']}", milestone=True))
    known = {database["name"]: database for database in before["databases"]} if before else {}
    for database in after["databases"]:
        for text in _of_database(known.get(database["name"]), database):
            found.append(Change(f"{database['name']}: {text}"))
    known_problems = _told(problems(before)) if before else []
    new = [text for text in _told(problems(after)) if text not in known_problems]
    return found + [Change(text, milestone=True) for text in new]


def _of_database(before: DatabaseDocument | None, after: DatabaseDocument) -> Iterator[str]:
    if before is None or before["phase"] != after["phase"]:
        yield str(after["phase"])
    if before is None:
        return
    old, new = Copied.of(before), Copied.of(after)
    if new and (old is None or old.step != new.step):
        yield f"{new} copied"
    if _gates(before) != _gates(after) and after["phase"] in ("catching_up", "ready"):
        yield f"{_gates(after)} (lag {lag(after)})"


def _gates(database: DatabaseDocument) -> str:
    gates, lacking = database["gates"], waiting(database)
    passed = f"{len(gates) - len(lacking)} of {len(gates)} gates pass"
    if lacking:
        return f"{passed}; not yet: " + ", ".join(gate["name"] for gate in lacking)
    return passed + ("; not yet for the stable time" if database["stable_at"] else "")


def problems(mapping: MappingDocument) -> list[ProblemDocument]:
    """Every open problem of the mapping and its databases, notes left out."""
    found = [*mapping["problems"]]
    for database in mapping["databases"]:
        found += database["problems"]
    return [problem for problem in found if problem["severity"] != "note"]


def _told(found: list[ProblemDocument]) -> list[str]:
    """Tell each problem once: one of a server is a problem of every database."""
    return list(dict.fromkeys(map(_problem, found)))


def _problem(problem: ProblemDocument) -> str:
    fix = f"; fix: {problem['fix']}" if problem["fix"] else ""
    return f"problem: {problem['object']}: {problem['reason']}{fix}"


def failure(mapping: MappingDocument) -> list[str]:
    """Say why the migration cannot go on by itself; nothing if it can."""
    blocking = _told([p for p in problems(mapping) if p["severity"] == "blocks"])
    stuck = [
        f"{database['name']} is {database['phase']}: {database['reason']}"
        for database in mapping["databases"]
        if database["phase"] in ("failed", "blocked")
    ]
    if mapping["phase"] in ("failed", "blocked") and not (blocking or stuck):
        return [f"the migration is {mapping['phase']}"]
    return stuck + blocking


def obstacles(mapping: MappingDocument) -> list[str]:
    """Say what the migration still waits for: for when the wait was too long."""
    found = _told(problems(mapping))
    for database in mapping["databases"]:
        found.append(f"{database['name']} is {database['phase']}: {database['reason']}")
        found += [f"  {gate['name']}: {gate['reason']}" for gate in waiting(database)]
    return found
