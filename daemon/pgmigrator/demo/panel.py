"""The live display: databases with progress bars and lag, gates, and the application's writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rich import box
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pgmigrator.demo.progress import Copied, lag, waiting
from pgmigrator.surface.documents import DatabaseDocument, MappingDocument, TableDocument
from pgmigrator.surface.status_text import size

BAR_WIDTH = 16
REASONS_SHOWN = 3
#: from the switch on, gates no longer count
WITHOUT_GATES = ("switched", "completed")
_PHASE_STYLES = {
    "ready": "bold green",
    "completed": "bold green",
    "switched": "green",
    "failed": "bold red",
    "blocked": "bold red",
    "unknown": "yellow",
}
_GATE_MARKS = {"pass": ("✔", "green"), "fail": ("✘", "red"), "unknown": ("?", "bright_black")}
_SEVEREST_FIRST = ("fail", "unknown", "pass")


@dataclass(frozen=True)
class Writes:
    """What the application does: where it writes, and how many transactions so far."""

    side: str
    committed: int
    rolled_back: int
    per_second: float
    errors: int


@dataclass(frozen=True)
class View:
    """Everything that is shown at one moment."""

    mapping: MappingDocument
    writes: Writes
    #: by database, those that are being copied
    tables: Mapping[str, list[TableDocument]] = field(default_factory=dict)


def panel(view: View) -> RenderableType:
    """Draw the whole display."""
    phase = view.mapping["phase"]
    title = Text.assemble("migration ", (phase, _PHASE_STYLES.get(phase, "bold cyan")))
    parts: list[RenderableType] = [_databases(view)]
    measured = any(database["gates"] for database in view.mapping["databases"])
    if measured and phase not in WITHOUT_GATES:
        parts += [Text(""), _gates(view.mapping["databases"]), *_reasons(view.mapping["databases"])]
    parts += [Text(""), _writes(view.writes)]
    return Panel(
        Group(*parts), title=title, title_align="left", box=box.ROUNDED, border_style="bright_black"
    )


def _databases(view: View) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bright_black", expand=True)
    table.add_column("database", overflow="ellipsis", no_wrap=True, ratio=1)
    table.add_column("phase", no_wrap=True)
    table.add_column("tables", no_wrap=True, justify="right")
    table.add_column("copied", no_wrap=True)
    table.add_column("", no_wrap=True, justify="right")
    table.add_column("lag", no_wrap=True, justify="right", min_width=14)
    for database in view.mapping["databases"]:
        copied = Copied.of(database)
        table.add_row(
            Text(database["name"], style="bold"),
            Text(database["phase"], style=_PHASE_STYLES.get(database["phase"], "cyan")),
            f"{copied.tables}/{copied.of_tables}" if copied else "-",
            _bar(copied.completed_bytes, copied.of_bytes) if copied else "",
            size(copied.of_bytes) if copied else "",
            lag(database),
        )
        for each in view.tables.get(database["name"], []):
            table.add_row(
                Text(f"  {each['schema']}.{each['table']}", style="bright_black"),
                "",
                "",
                _bar(each["completed_bytes"] or 0, each["estimated_bytes"]),
                Text(size(each["estimated_bytes"]), style="bright_black"),
                "",
            )
    return table


def _bar(completed: int, total: int) -> ProgressBar:
    return ProgressBar(
        total=max(total, 1),
        completed=min(completed, total) if total else 0,
        width=BAR_WIDTH,
        finished_style="green",
        complete_style="cyan",
    )


def _gates(databases: list[DatabaseDocument]) -> Columns:
    """Every gate once, with its worst status over the databases."""
    worst: dict[str, str] = {}
    for database in databases:
        for gate in database["gates"]:
            status = str(gate["status"])
            found = worst.get(gate["name"], status)
            worst[gate["name"]] = min(found, status, key=_SEVEREST_FIRST.index)
    cells = [_gate(name, status) for name, status in worst.items()]
    return Columns(cells, equal=True, column_first=True, padding=(0, 2, 0, 0))


def _gate(name: str, status: str) -> Text:
    mark, style = _GATE_MARKS[status]
    return Text.assemble((f"{mark} {name}", style))


def _reasons(databases: Iterable[DatabaseDocument]) -> list[Text]:
    """Why the light is not green, for the first few gates."""
    lines = [
        f"{gate['name']} of {database['name']}: {gate['reason']}"
        for database in databases
        for gate in waiting(database)
    ]
    lines += [f"{each['name']}: {each['reason']}" for each in databases if each["stable_at"]]
    return [
        Text(line, style="bright_black", no_wrap=True, overflow="ellipsis")
        for line in lines[:REASONS_SHOWN]
    ]


def _writes(writes: Writes) -> Text:
    errors = (f"{writes.errors or 'no'} errors", "bold red" if writes.errors else "green")
    return Text.assemble(
        (f"writes to the {writes.side}: ", "bright_black"),
        f"{writes.committed:,} commits, {writes.per_second:.0f}/s, ",
        f"{writes.rolled_back:,} rollbacks, ",
        errors,
        no_wrap=True,
        overflow="ellipsis",
    )
