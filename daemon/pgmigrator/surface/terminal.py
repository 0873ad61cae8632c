"""Tables for people: coloured on a terminal, aligned text elsewhere."""

from collections.abc import Sequence

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from pgmigrator.surface.status_text import Grid, aligned, filled

_STYLES = {"good": "green", "bad": "red", "unknown": "bright_black"}


def show(grids: Sequence[Grid], console: Console) -> None:
    """Print tables the way the output wants them."""
    if console.is_terminal:
        console.print(rendered(grids))
    else:
        console.file.write(aligned(grids))
        console.file.flush()


def rendered(grids: Sequence[Grid]) -> Group:
    """Make tables for a terminal."""
    return Group(*map(_table, filled(grids)))


def _table(grid: Grid) -> Table:
    table = Table(title=grid.title, title_justify="left", title_style="bold")
    for name in grid.header:
        table.add_column(name, overflow="fold")
    marks = grid.marks or ("",) * len(grid.rows)
    for row, mark in zip(grid.rows, marks, strict=True):
        # Text: brackets in a name are no markup
        table.add_row(*map(Text, row), style=_STYLES.get(mark))
    return table
