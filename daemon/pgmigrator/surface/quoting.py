"""Names inside SQL, connection strings, shell lines and Markdown: quoted, whatever they contain."""

import shlex
from collections.abc import Iterable


def literal(text: str) -> str:
    r"""Quote an SQL literal so that standard_conforming_strings does not matter.

    >>> print(literal("o'brien"), literal("a\\b"))
    'o''brien' E'a\\b'
    """
    escaped = text.replace("'", "''")
    return "E'" + escaped.replace("\\", "\\\\") + "'" if "\\" in text else f"'{escaped}'"


def conninfo(**parts: str | None) -> str:
    """Write a libpq connection string; what is None or empty is left out.

    >>> conninfo(host="db", dbname="my shop", sslmode=None)
    "host=db dbname='my shop'"
    """
    return " ".join(f"{key}={_conninfo_value(text)}" for key, text in parts.items() if text)


def psql(**parts: str | None) -> str:
    """Write the shell line that connects to a database."""
    return f"psql {shlex.quote(conninfo(**parts))}"


def code(language: str, lines: str | Iterable[str]) -> str:
    """Fence code so that no name in it can end the fence."""
    text = lines if isinstance(lines, str) else "\n".join(lines)
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"


def cell(text: str) -> str:
    """Keep a text inside one cell of a Markdown table.

    >>> print(cell("a|b"))
    a\\|b
    """
    return " ".join(text.split()).replace("|", "\\|")


def _conninfo_value(text: str) -> str:
    if not set(text) & set(" '\\\t\n"):
        return text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
