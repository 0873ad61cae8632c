"""docs/reference.md: every gate, check, invariant and source statement, from the code itself.

`python -m pgmigrator.surface.reference > docs/reference.md`; a test compares the two.
"""

import inspect
import sys
from collections.abc import Callable, Iterable

from pgmigrator.core.allowlist import ALLOWED
from pgmigrator.core.gates import GATES
from pgmigrator.core.preflight import CHECKS
from pgmigrator.core.preflight.finding import Check
from pgmigrator.core.safety import CLAIMS


def markdown() -> str:
    """Write the page."""
    sections = (
        (
            "Gates",
            "The green light needs all of them at once, for the stable time. A gate that was not"
            " measured is unknown, and unknown never passes.",
            _named(GATES),
        ),
        (
            "Checks",
            "Each finding says how it weighs: `blocks` (nothing is created), `degrades` (the object"
            " is left out and the light stays off) or `note`; which object it is about, why it"
            " matters, and the exact fix. In brackets: the side to be mended, and how a finding may"
            " weigh.",
            map(_checked, CHECKS),
        ),
        (
            "Invariants",
            "Stated independently of the decisions and tested right before each action.",
            (meaning for meaning, _ in CLAIMS),
        ),
        (
            "Statements on a source",
            "All that the daemon may ever run there beyond reading, in sessions that are otherwise"
            " read-only (`core/allowlist.py`).",
            (what for what, _ in ALLOWED),
        ),
    )
    parts = ["# Reference\n\nGenerated from the code: `python -m pgmigrator.surface.reference`.\n"]
    for title, text, entries in sections:
        parts.append(f"## {title}\n\n{text}\n\n" + "".join(f"- {entry}\n" for entry in entries))
    return "\n".join(parts)


def _named(functions: Iterable[Callable[..., object]]) -> Iterable[str]:
    for function in functions:
        first, *_ = (inspect.getdoc(function) or "").split("\n")
        yield f"`{function.__name__}`: {first}"


def _checked(check: Check) -> str:
    weights = ", ".join(severity.value for severity in check.severities)
    return f"`{check.id}` ({check.side}; {weights}): {check.meaning}"


if __name__ == "__main__":
    sys.stdout.write(markdown())
