"""The cutover guide of one mapping: the very commands, in order, and how to go back.

It never shows a password or a token, only where they come from, and no command that puts one into a
process list. Steps that change the source are the operator's own and are marked as such.
"""

from collections.abc import Sequence

from pgmigrator.core.report import DatabaseReport, MappingReport, ServerReport, TableState
from pgmigrator.surface import guide_steps as steps
from pgmigrator.surface.guide_facts import Facts, GuideContext
from pgmigrator.surface.quoting import cell
from pgmigrator.surface.status import instant

_STEPS = (
    steps.prepare,
    steps.look,
    steps.stop_writers,
    steps.drain,
    steps.switch,
    steps.redirect,
    steps.verify,
    steps.complete,
)


def render(
    mapping: MappingReport,
    databases: Sequence[DatabaseReport],
    context: GuideContext,
    now: float,
) -> str:
    """Write the guide as Markdown, for some or all databases of a mapping.

    :param mapping: fresh, as of `now` (epoch seconds).
    """
    facts = Facts(
        mapping=mapping.name,
        databases=tuple(database.name for database in databases),
        every=len(databases) == len(mapping.databases),
        context=context,
    )
    word, table = _light(databases)
    if facts.every and mapping.blocking:
        reasons = (f"{each.problem.reason} ({each.problem.fix})" for each in mapping.blocking)
        word, table = "NOT READY", "\n\n".join((*reasons, table))
    numbered = (f"## {i}. {step(facts)}" for i, step in enumerate(_STEPS, start=1))
    return "\n\n".join(
        (
            f"# Cutover of {mapping.name}: {_server(mapping.source)} to "
            f"{_server(mapping.destination)}",
            f"**{word}** at {instant(now)}. This page shows the state of that moment: "
            "ask for it again before you act.",
            table,
            *numbered,
            f"## What does not move by nature\n\n{steps.stays_behind()}",
            *_left_to_you(databases),
            *_excluded(databases),
            f"## Going back\n\n{steps.go_back(facts)}",
            f"## When something is refused\n\n{steps.refused(facts)}\n",
        )
    )


#: checks of what the switch changes or leaves behind: the notes that a cutover is planned by
_TO_PLAN = ("held_triggers", "publications", "subscriptions", "logical_slots", "scheduled_jobs")


def _left_to_you(databases: Sequence[DatabaseReport]) -> list[str]:
    """List what changes at the switch, and what is to be made anew by hand."""
    rows = [
        f"| {' | '.join(map(cell, (database.name, found.object, found.reason, found.fix)))} |"
        for database in databases
        for found in (each.problem for each in database.problems)
        if found.check in _TO_PLAN
    ]
    if not rows:
        return []
    table = "\n".join(("| Database | What | Why | What to do |", "|---|---|---|---|", *rows))
    return [f"## What changes at the switch, or is yours to move\n\n{table}"]


def _excluded(databases: Sequence[DatabaseReport]) -> list[str]:
    """List the tables that the settings exclude: no gate and no drain waits for them."""
    found = [
        f"| {cell(database.name)} | {cell(str(table.name))} |"
        for database in databases
        for table in database.tables
        if table.state is TableState.EXCLUDED
    ]
    if not found:
        return []
    table = "\n".join(("| Database | Table |", "|---|---|", *found))
    text = "They stay empty on the destination. Carry their rows over by hand, or do without them."
    return [f"## Tables that the settings exclude\n\n{text}\n\n{table}"]


def _server(server: ServerReport) -> str:
    return f"{server.instance} ({server.version or 'version unknown'})"


def _light(databases: Sequence[DatabaseReport]) -> tuple[str, str]:
    if not databases:
        return ("NOT READY", "No database is known yet.")
    ready = all(database.ready for database in databases)
    rows = [row for database in databases for row in _rows(database)]
    table = ["| Database | Phase | Ready | What blocks | Fix |", "|---|---|---|---|---|", *rows]
    return ("READY" if ready else "NOT READY", "\n".join(table))


def _rows(database: DatabaseReport) -> list[str]:
    """One row per gate that blocks, or one that says what goes on."""
    blocking = [
        (f"{gate.name} is {gate.status}: {gate.reason}", gate.fix) for gate in database.blocking
    ]
    light = "yes" if database.ready else "no"
    return [
        f"| {cell(database.name)} | {database.phase} | {light} | {cell(what)} | {cell(fix)} |"
        for what, fix in blocking or [("" if database.ready else database.reason, "")]
    ]
