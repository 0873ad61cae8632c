"""What `pgmigrator check` prints: for machines by database, for people by weight.

A finding about a server is the same in every database: people read it once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from pgmigrator.core.model import Problem, Severity
from pgmigrator.core.preflight import CHECKS
from pgmigrator.surface.status_text import Grid

#: the weights, in the order in which people want them: severity, style, how one says it, what for
WEIGHTS = (
    (Severity.BLOCKS, "bad", "block", "Blocks: nothing is created before it is mended"),
    (
        Severity.DEGRADES,
        "unknown",
        "degrade",
        "Degrades: begins without it, but the light stays off",
    ),
    (Severity.NOTE, "", "notes", "Notes: know them before the cutover"),
)
#: databases that are named; the others are counted
NAMED_MAX = 3

Found = Mapping[str, Sequence[Problem]]


def document(found: Found) -> dict[str, list[dict[str, str]]]:
    """Return the findings of each database as JSON has them."""
    sides: dict[str, str] = {check.id: check.side for check in CHECKS}
    return {
        name: [asdict(problem) | {"side": sides.get(problem.check, "both")} for problem in problems]
        for name, problems in found.items()
    }


def grids(found: Found) -> list[Grid]:
    """Return one table for each weight, the heaviest first."""
    return [
        Grid(title, ("DATABASES", "OBJECT", "WHY", "FIX", "CHECK"), rows, (mark,) * len(rows))
        for severity, mark, _, title in WEIGHTS
        if (rows := tuple(_rows(found, severity)))
    ]


def summary(found: Found) -> str:
    """Say in one line how many findings there are of each weight."""
    every = {problem for problems in found.values() for problem in problems}
    counts = [
        f"{sum(problem.severity is severity for problem in every)} {word}"
        for severity, _, word, _ in WEIGHTS
    ]
    clean = [name for name, problems in found.items() if not problems]
    without = f"; no findings: {_some(clean)}" if clean else ""
    return f"{', '.join(counts)}{without}"


def _rows(found: Found, severity: Severity) -> Iterator[tuple[str, ...]]:
    where: dict[Problem, list[str]] = {}
    for name, problems in found.items():
        for problem in problems:
            if problem.severity is severity:
                where.setdefault(problem, []).append(name)
    for problem, names in where.items():
        # what a server says may have lines
        reason, fix = (" ".join(text.split()) for text in (problem.reason, problem.fix))
        yield _some(names), problem.object, reason, fix, problem.check


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more
