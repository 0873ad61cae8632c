"""Fails unless tests of every tier named ran, and not one was skipped.

Usage: none_skipped.py JUNIT_REPORT TIER...
"""

import sys
from pathlib import Path
from xml.etree import ElementTree


def complaints(report: Path, tiers: list[str]) -> list[str]:
    """Read pytest's JUnit report and say what is wrong with it."""
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 (we wrote it ourselves)
    places = [case.get("classname", "") for case in cases]
    skipped = [case for case in cases if case.find("skipped") is not None]
    return [
        *(f"skipped: {case.get('classname')}.{case.get('name')}" for case in skipped),
        *(
            f"no test ran: {tier}"
            for tier in tiers
            if not any(place.startswith(f"tests.{tier}.") for place in places)
        ),
    ]


if __name__ == "__main__":
    sys.exit("\n".join(complaints(Path(sys.argv[1]), sys.argv[2:])) or 0)
