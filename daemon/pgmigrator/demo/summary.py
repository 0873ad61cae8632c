"""The end of the demo in numbers."""

from dataclasses import dataclass

from pgmigrator.surface.status_text import size


@dataclass(frozen=True)
class Summary:
    """What was moved, how long it took and what it cost the application."""

    rows: int
    moved_bytes: int
    tables: int
    sequences: int
    #: from the start of the daemon to the green light
    green_seconds: float
    #: from the last acknowledged commit on the source to the first on the destination
    pause_seconds: float
    committed: int
    rolled_back: int

    def lines(self) -> list[tuple[str, str]]:
        """Name and value of each line.

        A demo that got here found no difference, no error and no trace: anything else fails it.
        """
        return [
            ("moved", f"{self.rows:,} rows, {size(self.moved_bytes)}"),
            ("time to green", f"{self.green_seconds:.1f} s"),
            ("write pause", f"{self.pause_seconds:.2f} s"),
            ("differences", f"none, in {self.tables} tables and {self.sequences} sequences"),
            (
                "application",
                f"{self.committed:,} commits, {self.rolled_back:,} rollbacks, no errors",
            ),
            ("source", "no trace: dumps identical, no slot or publication"),
        ]
