"""What people read on a terminal: SQL stays whole, however narrow it is, and is said once."""

import io
import re

import pytest
from rich.console import Console

from pgmigrator.core.model import Problem, Severity
from pgmigrator.core.preflight import find_problems
from pgmigrator.surface import findings, pasting, status, status_text, terminal
from tests.unit.builders import change
from tests.unit.surface_samples import database, mapping, report
from tests.unit.test_preflight import FIRES

NAME = '"public"."a_table_with_quite_a_long_name_that_no_column_would_hold"'
STATEMENT = f"ALTER TABLE {NAME} REPLICA IDENTITY FULL;"
HEAP = Problem(
    check="replica_identity",
    severity=Severity.DEGRADES,
    object=f"table {NAME}",
    reason="it is not migrated, since it has no primary key " + "and that is a pity " * 10,
    fix=f"on the source, and on the destination if it is there: {STATEMENT} (or add a primary key)",
)
#: what is left of a fix must not hold a statement that nobody can paste
SQL = re.compile(
    r"\b(ALTER|CREATE|DROP|GRANT|REVOKE|COMMENT ON|TRUNCATE) [A-Z]+ [\"a-z]|SELECT pg_"
)


def drawn(parts: list[status_text.Part], width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, highlight=False)
    terminal.show(parts, console)
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue()).splitlines()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_a_statement_is_one_line_on_every_terminal(width: int) -> None:
    found = drawn([*findings.listings({"orders/shop": [HEAP], "orders/b": [HEAP]})], width)
    assert [line.strip() for line in found if "REPLICA" in line] == [STATEMENT]
    assert any(NAME in line and "orders/shop, orders/b" in line for line in found)
    prose = [line for line in found if "pity" in line]
    assert prose
    assert all(len(line) <= width for line in prose)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_tables_break_between_words_only(width: int) -> None:
    words = " ".join(
        drawn(status_text.of_status(status.status(report(mapping(database())))), width)
    )
    assert {"512", "0.4", "100", "READY", "ready", "MAPPING", "DESTINATION"} <= {*words.split()}


def test_what_is_watched_leaves_out_fixes_and_says_so() -> None:
    off = status.status(report(mapping(database(ready=False))))
    console = Console(file=io.StringIO(), width=80)
    console.print(terminal.watched(status_text.of_status(off)))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "no_conflicts was looked at" in text
    assert "mend no_conflicts" not in text
    assert "without --watch" in text


def test_names_cannot_move_the_cursor() -> None:
    odd = Problem(
        check="x",
        severity=Severity.BLOCKS,
        object="table \x1b[2J",
        reason="no\x1b[1A reason",
        fix='run: DROP TABLE "\x1b[2Jline\nbreak";',
    )
    (listing, *_) = findings.listings({"orders/shop": [odd]})
    for text in (status_text.aligned([listing]), "\n".join(drawn([listing], 80))):
        assert "\x1b" not in text
        # a line break is part of the name
        assert 'DROP TABLE " [2Jline\nbreak";' in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("wait", ["wait"]),
        ("then SELECT pg_reload_conf();", ["then", "SELECT pg_reload_conf();"]),
        ("end it: COMMIT PREPARED 'a; b'; or ROLLBACK PREPARED 'a; b';", [
            "end it:", "COMMIT PREPARED 'a; b';", "or", "ROLLBACK PREPARED 'a; b';",
        ]),
        ("a: DROP TABLE \"x; y\"; SELECT $q$;$q$, E'\\';', 1;", [
            "a:", 'DROP TABLE "x; y";', "SELECT $q$;$q$, E'\\';', 1;",
        ]),
        ("look: SELECT what you like", ["look: SELECT what you like"]),
        ("a: COMMENT ON ROLE x IS 'two\n  lines';", ["a:", "COMMENT ON ROLE x IS 'two\n  lines';"]),
    ],
)  # fmt: skip
def test_prose_and_statements_are_parted(text: str, expected: list[str]) -> None:
    assert [line.text for line in pasting.lines(text)] == expected


def test_every_statement_of_a_check_can_be_pasted() -> None:
    left = {
        line.text
        for _, _, _, obs, changes in FIRES
        for problem in find_problems(change(obs, changes))
        for line in pasting.lines(problem.fix)
        # shell lines hold SQL of their own; ... is for the reader to fill in
        if not line.statement and SQL.search(line.text) and "psql" not in line.text
    }
    assert left == {"DROP ROLE app"}  # of a case's own making
