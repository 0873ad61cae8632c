"""docs/reference.md says what the code says, and the architecture page knows every phase."""

from pathlib import Path

from pgmigrator.core.model import Phase
from pgmigrator.surface import reference

DOCS = Path(__file__).parents[2] / "docs"


def test_the_reference_is_what_the_code_says() -> None:
    assert (DOCS / "reference.md").read_text("utf-8") == reference.markdown()


def test_every_phase_is_explained() -> None:
    page = (DOCS / "architecture.md").read_text("utf-8")
    assert [phase for phase in Phase if f"| `{phase}` |" not in page] == []
