"""What `pgmigrator check` prints: for machines by database, for people by weight.

A finding about a server is the same in every database: people read it once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from pgmigrator.core.model import Problem, Severity
from pgmigrator.core.preflight import CHECKS
from pgmigrator.surface.status_text import Entry, Listing, listed, some

#: the weights, in the order in which people want them: severity, style, how one says it, what for
WEIGHTS = (
    (Severity.BLOCKS, "bad", "block", "Blocks: nothing is created before it is mended"),
    (
        Severity.DEGRADES,
        "unknown",
        "degrade",
        "Degrades: begins without it, but the light stays off",
    ),
    (Severity.NOTE, "", "to note", "Notes: know them before the cutover"),
)
Found = Mapping[str, Sequence[Problem]]


def document(found: Found) -> dict[str, list[dict[str, str]]]:
    """Return the findings of each database as JSON has them."""
    sides: dict[str, str] = {check.id: check.side for check in CHECKS}
    return {
        name: [asdict(problem) | {"side": sides.get(problem.check, "both")} for problem in problems]
        for name, problems in found.items()
    }


def listings(found: Found) -> list[Listing]:
    """Return one listing for each weight, the heaviest first."""
    every = [(name, problem) for name, problems in found.items() for problem in problems]
    return [
        Listing(
            title,
            listed(
                (name, Entry(f"{each.object} ({each.check})", each.reason, each.fix, mark))
                for name, each in every
                if each.severity is severity
            ),
        )
        for severity, mark, _, title in WEIGHTS
    ]


def summary(found: Found) -> str:
    """Say in one line how many findings there are of each weight."""
    every = {problem for problems in found.values() for problem in problems}
    weights = [problem.severity for problem in every]
    counts = [f"{weights.count(severity)} {word}" for severity, _, word, _ in WEIGHTS]
    clean = [name for name, problems in found.items() if not problems]
    without = f"; no findings: {some(clean)}" if clean else ""
    return f"{', '.join(counts)}{without}"
