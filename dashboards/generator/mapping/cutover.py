"""Row "Cutover": when the light changed, the last drain, and what came after the switch."""

from typing import Any

from dashboards.generator import words
from dashboards.generator.databases import moment, number
from dashboards.generator.panels import Panel


def row() -> list[Any]:
    """Build the row."""
    return [_ready_since(), _drain(), _switched_at(), _late_writes()]


def _ready_since() -> Any:
    return moment(
        Panel(
            title="Light last changed",
            description="When the green light last went on or off since the daemon started.",
            width=6,
            unit="dateTimeFromNow",
            empty="never, or NO DATA",
        ),
        "cutover_ready_transition_timestamp_seconds",
    )


def _drain() -> Any:
    return number(
        Panel(
            title="Last drain took",
            description="How long the last drain took to prove that everything had arrived: about"
            " as long as the write pause of a cutover.",
            width=6,
            unit="s",
            empty="no drain yet, or NO DATA",
        ),
        "drain_duration_seconds",
    )


def _switched_at() -> Any:
    return moment(
        Panel(
            title="Switched",
            description="When the operator switched. From then on the destination is the truth, and"
            " the slot keeps WAL on the source until `complete`.",
            width=6,
            unit="dateTimeFromNow",
            empty="not yet, or NO DATA",
            runbook="PgMigratorSwitchedNotCompleted",
        ),
        "switched_timestamp_seconds",
    )


def _late_writes() -> Any:
    return number(
        Panel(
            title="Late writes",
            description="Transactions on the source after the switch: the destination does not have"
            " them. Find the writer.",
            width=6,
            unit="short",
            steps=((None, words.PASS), (1, words.FAIL)),
            empty="not switched, or NO DATA",
            runbook="PgMigratorLateWrites",
        ),
        "late_writes",
    )
