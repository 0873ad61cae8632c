"""Fixes and reasons as lines: each SQL statement stands on its own, whole, ready to be pasted.

Text for people mixes prose and SQL ("on the source: ALTER SYSTEM ...; then restart the server").
Lines are only ever broken between the two, outside of every quote; a statement itself, line breaks
in its strings included, is never touched.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_VERBS = (
    "ALTER|ANALYZE|CALL|COMMENT|COMMIT|CREATE|DELETE|DO|DROP|GRANT|IMPORT|INSERT|REASSIGN|REFRESH|"
    "REINDEX|RESET|REVOKE|ROLLBACK|SECURITY|SELECT|SET|TRUNCATE|UPDATE|VACUUM"
)
#: where a statement may begin: in front, after another one, or after words that lead to it
_LEADS = r"^|(?<=[:;,.]\s)|(?<=\band\s)|(?<=\bthen\s)|(?<=\bor\s)"
_BEGINS = re.compile(rf"(?:{_LEADS})(?=(?:{_VERBS})\s)")
_QUOTED = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | (?P<tag>\$\w*\$).*?(?P=tag)""", re.VERBOSE | re.DOTALL
)
_ESCAPED = re.compile(r"E'(?:[^'\\]|''|\\.)*'", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text; a statement may have line breaks of its own."""

    text: str
    statement: bool = False


def lines(text: str) -> Iterator[Line]:
    """Split text into prose and statements.

    >>> [each.text for each in lines("on the source: SELECT 'a;b'; then reload")]
    ['on the source:', "SELECT 'a;b';", 'then reload']
    """
    rest, start = 0, 0
    while found := _BEGINS.search(text, start):
        end = _end(text, found.start())
        if end is None:
            start = found.start() + 1
            continue
        yield from _prose(text[rest : found.start()])
        yield Line(printable(text[found.start() : end], keep="\n\t"), statement=True)
        rest = start = end
    yield from _prose(text[rest:])


def printable(text: str, keep: str = "") -> str:
    """Replace what could move the cursor of a terminal: names come from servers."""
    return "".join(c if c.isprintable() or c in keep else " " for c in text)


def _prose(text: str) -> Iterator[Line]:
    if words := " ".join(printable(text).split()):
        yield Line(words)


def _end(text: str, start: int) -> int | None:
    """Return the end of the statement that begins there; None: nothing ends it."""
    at = start
    while at < len(text):
        if text[at] == ";":
            return at + 1
        escapes = text[at] == "E" and not text[at - 1 : at].isalnum()
        quoted = (_ESCAPED if escapes else _QUOTED).match(text, at)
        at = quoted.end() if quoted else at + 1
    return None
