"""Text for people: coloured on a terminal, aligned elsewhere.

Tables are for words and numbers. What a person pastes is never in a column, nor broken by us: the
terminal itself wraps a line that is too long, and copying gives it whole.
"""

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pgmigrator.surface.pasting import Line, lines, printable
from pgmigrator.surface.status_text import (
    INDENT,
    Entry,
    Grid,
    Listing,
    Part,
    aligned,
    filled,
)

#: a longer word may be broken
WORD_MAX = 20

_STYLES = {"good": "green", "bad": "red", "unknown": "bright_black"}


def show(parts: Sequence[Part], console: Console) -> None:
    """Print text the way the output wants it."""
    if not console.is_terminal:
        console.file.write(aligned(parts))
        console.file.flush()
        return
    for i, part in enumerate(filled(parts)):
        if i:
            console.print()
        if isinstance(part, Grid):
            console.print(_table(part))
            continue
        console.print(_title(part))
        for entry in part.entries:
            _show(entry, console)


def _show(entry: Entry, console: Console) -> None:
    console.print(_head(entry), soft_wrap=True)
    for line in lines(entry.reason):
        if line.statement:
            _print_whole(line, console)
        else:
            console.print(_wrapped(line.text))
    for line in entry.fix_lines():
        _print_whole(line, console)


def watched(parts: Sequence[Part]) -> Group:
    """Make what is drawn again and again: without fixes, which nobody can copy from there."""
    drawn: list[RenderableType] = []
    for part in filled(parts):
        if isinstance(part, Grid):
            drawn.append(_table(part))
        else:
            drawn.append(_title(part))
            for entry in part.entries:
                reason = " ".join(line.text for line in lines(entry.reason))
                drawn += [_head(entry), _wrapped(reason)]
    if any(isinstance(part, Listing) and any(e.fix for e in part.entries) for part in parts):
        drawn.append(Text("`pgmigrator status` without --watch shows how to mend what is named"))
    return Group(*drawn)


def _title(listing: Listing) -> Text:
    return Text(listing.title, style="bold")


def _head(entry: Entry) -> Text:
    # Text: brackets in a name are no markup
    return Text(printable(entry.head), style=_STYLES.get(entry.mark, ""))


def _wrapped(text: str) -> Padding:
    return Padding(Text(text), (0, 0, 0, len(INDENT)))


def _print_whole(line: Line, console: Console) -> None:
    style = "bold" if line.statement else ""
    console.print(Text(INDENT + line.text, style=style), soft_wrap=True)


def _table(grid: Grid) -> Table:
    table = Table(title=grid.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for name, *cells in zip(grid.header, *grid.rows, strict=True):
        # narrow terminals break lines between words
        words = [word for text in (name, *cells) for word in text.split()]
        longest = min(max(map(cell_len, words)), WORD_MAX)
        table.add_column(name, overflow="fold", min_width=longest)
    marks = grid.marks or ("",) * len(grid.rows)
    for row, mark in zip(grid.rows, marks, strict=True):
        table.add_row(*map(Text, row), style=_STYLES.get(mark))
    return table
