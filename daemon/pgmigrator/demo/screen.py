"""What somebody who runs the demo sees: a live display on a terminal, else one line per change."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pgmigrator.demo.panel import View, panel
from pgmigrator.demo.progress import changes
from pgmigrator.surface.documents import MappingDocument

REFRESH_PER_SECOND = 8


class Screen:
    """Lines with the time since the start; on a terminal, the live display below them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started_at_s = time.monotonic()
        self._spinner = Spinner("dots", style="cyan")
        self._before: MappingDocument | None = None
        self._panel: RenderableType | None = None
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(
                get_renderable=self._drawing,
                console=console,
                refresh_per_second=REFRESH_PER_SECOND,
                transient=True,
            )

    def __enter__(self) -> Self:
        """Begin the live display."""
        (self._live or nullcontext()).__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it; the lines stay."""
        (self._live or nullcontext()).__exit__(kind, error, traceback)

    def doing(self, text: str) -> None:
        """Say what is being done now, and takes a while."""
        self._spinner.update(text=Text(text))
        if self._live is None:
            self._line("", text)

    def say(self, text: str) -> None:
        """Say what has been reached."""
        self._line("✔ " if self._live else "", text)

    def show(self, view: View) -> None:
        """Show where the migration stands: what is new, and on a terminal everything."""
        for change in changes(self._before, view.mapping):
            if change.milestone or self._live is None:
                self._line("• " if self._live else "", change.text)
        self._before = view.mapping
        self._panel = panel(view)

    def text(self, text: str) -> None:
        """Print text as it is, to be read and copied."""
        self._console.print(Text(text), soft_wrap=True)

    def summarize(self, title: str, lines: Sequence[tuple[str, str]]) -> None:
        """Show names and values, once the live display has ended."""
        if self._live is None:
            width = max(len(name) for name, _ in lines) + 2
            self.text("\n".join(["", title, *(f"{name:<{width}}{value}" for name, value in lines)]))
            return
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for name, value in lines:
            table.add_row(Text(name, style="bright_black"), Text(value, style="bold"))
        self._console.print(
            Panel(
                table,
                title=Text(title, style="bold green"),
                title_align="left",
                box=box.ROUNDED,
                border_style="green",
                expand=False,
            )
        )

    def fail(self, reasons: Sequence[str], details: Sequence[str]) -> None:
        """Show why the demo failed, once the live display has ended."""
        self._console.print(
            Text(f"the demo failed: {reasons[0]}", style="bold red"), soft_wrap=True
        )
        for reason in reasons[1:]:
            self._console.print(Text(f"  {reason}", style="red"), soft_wrap=True)
        for line in details:
            self._console.print(Text(f"  {line}", style="bright_black"), soft_wrap=True)

    def _line(self, mark: str, text: str) -> None:
        elapsed = f"{time.monotonic() - self._started_at_s:6.1f} s  "
        line = Text.assemble((elapsed, "bright_black"), (mark, "green"), text)
        self._console.print(line, soft_wrap=True)

    def _drawing(self) -> RenderableType:
        return self._spinner if self._panel is None else Group(self._panel, self._spinner)
