"""docs/check.md says what the command prints, and links to what exists."""

import re
from pathlib import Path

from pgmigrator.core.model import Problem, Severity
from pgmigrator.surface.findings import document

PAGE = (Path(__file__).parents[2] / "docs" / "check.md").read_text("utf-8")


def test_every_member_of_a_finding_is_explained() -> None:
    problem = Problem(check="a", severity=Severity.NOTE, object="b", reason="c", fix="d")
    ((members,),) = document({"orders/shop": [problem]}).values()
    explained = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## JSON")[2], re.MULTILINE)
    assert sorted(explained) == sorted(members)


def test_every_severity_is_explained() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE.partition("## JSON")[0], re.MULTILINE) == [
        severity.value for severity in Severity
    ]
