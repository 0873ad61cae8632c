"""What is said, and in which colour: never by colour alone, and no data is never green."""

from collections.abc import Mapping

from grafana_foundation_sdk.models import dashboard as m

from pgmigrator.core.model import Phase
from pgmigrator.surface.catalogue import WAL_STATUSES

# Okabe and Ito: these stay apart for the colour-blind
PASS, WARN, FAIL, UNKNOWN = "#009E73", "#E69F00", "#D55E00", "#999999"
BLUE, SKY, PURPLE, YELLOW = "#0072B2", "#56B4E9", "#CC79A7", "#F0E442"

NO_DATA = "NO DATA"
#: number -> word and colour
Words = Mapping[int, tuple[str, str]]

LIGHT: Words = {0: ("NOT READY", WARN), 1: ("READY", PASS), 2: ("SWITCHED", BLUE)}
GATE: Words = {0: ("FAIL", FAIL), 1: ("unknown", UNKNOWN), 2: ("pass", PASS)}
SERVER: Words = {0: ("UNREACHABLE", FAIL), 1: ("reached", PASS)}
TARGET: Words = {0: ("DOWN", FAIL), 1: ("up", PASS)}
LEASE: Words = {0: ("waiting", SKY), 1: ("held", PASS)}
IN_USE: Words = {0: ("NOT IN USE", WARN), 1: ("in use", PASS)}
WAITING: Words = {0: ("no", UNKNOWN), 1: ("WAITS", WARN)}
WAL: Words = dict(
    enumerate(
        zip(("reserved", "extended", "UNRESERVED", "LOST"), (PASS, SKY, WARN, FAIL), strict=True)
    )
)
PHASES: Words = dict(
    enumerate(
        zip(
            Phase,
            (UNKNOWN, SKY, WARN, SKY, BLUE, BLUE, YELLOW, PASS, PURPLE, PURPLE, FAIL),
            strict=True,
        )
    )
)
assert len(WAL) == len(WAL_STATUSES)


def mappings(words: Words, empty: str = NO_DATA) -> list[m.ValueMapping]:
    """Show the word instead of the number, and `empty` when there is none.

    Grafana prefers a mapping of null to the text that a panel has for no data at all: both are one.
    """
    known = {
        str(number): m.ValueMappingResult(text=text, color=color, index=index)
        for index, (number, (text, color)) in enumerate(words.items())
    }
    nothing = m.ValueMappingResult(text=empty, color=UNKNOWN, index=len(known))
    return [
        m.ValueMap(options=known),
        m.SpecialValueMap(
            options=m.DashboardSpecialValueMapOptions(
                match=m.SpecialValueMatch.NULL_AND_NAN, result=nothing
            )
        ),
    ]


def texts(shown: Mapping[str, str]) -> list[m.ValueMapping]:
    """Show one text instead of another."""
    return [
        m.ValueMap(
            options={
                key: m.ValueMappingResult(text=text, index=index)
                for index, (key, text) in enumerate(shown.items())
            }
        )
    ]


def colors(shown: Mapping[str, str]) -> list[m.ValueMapping]:
    """Give words their colours."""
    return [
        m.ValueMap(
            options={
                key: m.ValueMappingResult(text=key, color=color, index=index)
                for index, (key, color) in enumerate(shown.items())
            }
        )
    ]
