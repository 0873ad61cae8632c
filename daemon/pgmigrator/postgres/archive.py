"""Archives of pg_dump: made from the source, and taken apart into entries of the table of contents.

Entries carry source OIDs, and the verbose script of pg_restore gives each one's own SQL: what is
left to do is found by OID, never by parsing names.
"""

import asyncio
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from pgmigrator.core.left_out import is_left_out
from pgmigrator.errors import MigratorError, Refused
from pgmigrator.postgres.children import Tools, failure, run, run_offline
from pgmigrator.postgres.connect import Connection, Endpoint, fetch, session
from pgmigrator.postgres.queries import query

DUMP = (
    "--format=custom",
    "--schema-only",
    "--no-publications",
    "--no-subscriptions",
    "--lock-wait-timeout=2s",
)
ATTEMPTS = 5
#: our dump may take this part of the source's lock table: an application's INSERT needs it too
LOCK_TABLE_SHARE = 4

_HEADER = (
    r"^--\n-- TOC entry (?P<id>\d+) \(class (?P<class_oid>\d+) OID (?P<oid>\d+)\)\n"
    r"(?:-- Dependencies: (?P<dependencies>[\d ]+)\n)?"
    r"-- Name: (?P<name>.*); Type: (?P<type>[A-Z ]+); Schema: (?P<schema>.*); Owner: .*\n"
    r"(?:-- Data Pos: \d+\n)?--\n\n"
)
_END = r"^(?P<end>(?:-- Completed on .*\n\n)?--\n-- PostgreSQL database dump complete\n)"
#: texts and names of users, in which nothing counts as SQL; a server writes \ twice in E'...'
_QUOTED = "|".join(
    (
        r"--.*",
        r"'[^']*(?:''[^']*)*'",
        r'"[^"]*(?:""[^"]*)*"',
        r"(?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$(?s:.*?)\$(?P=tag)\$",
    )
)
#: a function's body may look like a header: what stands in it would be run as a superuser
_ENTRIES = re.compile(f"{_HEADER}|{_END}|{_QUOTED}", re.MULTILINE)
_STATEMENT_END = re.compile(f"{_QUOTED}|(?P<end>;)", re.MULTILINE)
_NAME = r'(?:"(?:[^"]|"")*"|[^\s".;()]+)'
_COLUMN_OPTIONS = re.compile(
    rf"(?P<column>\s*ALTER (?:FOREIGN )?TABLE (?:ONLY )?{_NAME}(?:\.{_NAME})?"
    rf" ALTER COLUMN {_NAME}) SET \((?P<options>[^()]*)\);"
)
_OWNER = re.compile(r"\s*ALTER [A-Z ]+ (?s:.)* OWNER TO " + _NAME + r";\s*")
#: Column options that are a server's own book-keeping: 15.20 and its siblings note there which
#: version of a row type a column came with, and only their own pg_dump hides it.
BOOKKEEPING_OPTIONS = ("pg_attver",)
#: what stands before an entry's header, and holds until it is set again
_SETTINGS = re.compile(
    r"""(?:^SET\ default_tablespace\ =\ (?P<default_tablespace>''|\w+|"(?:[^"]|"")*");\n\n)?
        (?:^SET\ default_table_access_method\ =\ (?P<default_table_access_method>.*);\n\n)?\Z""",
    re.MULTILINE | re.VERBOSE,
)
#: which of them an entry needs
_NEEDS = {
    "TABLE": ("default_tablespace", "default_table_access_method"),
    "MATERIALIZED VIEW": ("default_tablespace", "default_table_access_method"),
    "INDEX": ("default_tablespace",),
    "CONSTRAINT": ("default_tablespace",),
}
#: what ends the head of a function, and a setting in it
_BODY = re.compile(r"\n    (?:AS|BEGIN ATOMIC|RETURN)\b")
_SET = re.compile(r"""\n    SET "?(?P<name>\w+)"? TO '?(?P<value>[^\n]*?)'?(?=\n)""")
_LOCKED = re.compile(r"statement timeout|lock timeout|could not obtain lock")


class _TablesLocked(MigratorError):
    """The dump waited too long for a table lock, and gave up rather than hold up others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of an archive's table of contents with its SQL."""

    id: int
    #: (catalog oid, oid) of the object on the source; (0, 0) for what has none
    key: tuple[int, int]
    type: str
    #: as pg_restore prints them: line breaks are replaced, for people only
    schema: str
    name: str
    dependencies: frozenset[int]
    #: the SQL, in the database's encoding; it sets for its own transaction what it needs
    statement: bytes

    def __str__(self) -> str:
        """Name the object for people."""
        return f"{self.type} {self.schema} {self.name}"

    def parts(self) -> tuple[bytes, ...]:
        """Return the definition, and apart from it the statement that gives it to its owner."""
        *definition, last = statements(_text(self.statement))
        if definition and _OWNER.fullmatch(last):
            return _bytes("".join(definition)), _bytes(last)
        return (self.statement,)

    def without(self, option: str) -> "Entry":
        """Leave out a column option; the same entry if it sets none of that name."""
        text = _text(self.statement)
        return replace(self, statement=_bytes(without_option(text, option).strip()))

    def resets(self, option: str) -> str:
        """Return the statements that take a column option away where it is set."""
        found = filter(None, map(_COLUMN_OPTIONS.fullmatch, statements(_text(self.statement))))
        return " ".join(
            f"{each['column'].strip()} RESET ({option});"
            for each in found
            if any(one.startswith(f"{option}=") for one in each["options"].split(", "))
        )

    def without_settings(self, left_out: str) -> "Entry":
        """Leave out the settings of a function that `left_out` (see core/left_out.py) describes."""
        if self.type not in ("FUNCTION", "PROCEDURE"):
            return self
        text = _text(self.statement)
        body = _BODY.search(text)
        until = body.start() + 1 if body else len(text)

        def kept(setting: re.Match[str]) -> str:
            stored = f"{setting['name']}={setting['value']}"
            return "" if is_left_out(stored, left_out) else setting[0]

        return replace(self, statement=_bytes(_SET.sub(kept, text[:until]) + text[until:]))


@dataclass(frozen=True, slots=True)
class Archive:
    """A dump's file, and the settings of functions that come to no destination of this version."""

    file: Path
    #: see core/left_out.py
    left_out: str


async def dump(source: Endpoint, database: str, directory: Path, tools: Tools) -> Path:
    """Dump a database's schema into a new file of a private directory, and return the file.

    The archive can contain secrets (user mappings): keep it private, remove it. Only one dump may
    run per source at a time.

    :raises Refused: tables stay locked, or pg_dump failed, or the dump would lock too many tables.
    """
    async with session(source, database, "Dump") as connection:
        await _check_lock_table(connection, database)
        encoding = connection.info.parameter_status("server_encoding")
    file = directory / "schema.dump"
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(_TablesLocked),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random(0.5, 3),
        retry_error_callback=lambda _: None,
    ):
        with attempt:
            await _dump_once(source, database, file, tools, encoding=encoding)
            return file
    raise Refused(
        f'database "{database}" of {source.side} {source.name}: tables are locked by others, the'
        " dump gave way: look for long ALTER TABLE, LOCK or VACUUM FULL; it is tried again"
    )


async def _dump_once(
    source: Endpoint, database: str, file: Path, tools: Tools, *, encoding: str | None
) -> None:
    options = {"default_transaction_read_only": "on"}
    if encoding == "SQL_ASCII":  # in UTF8 it would refuse what is no UTF-8
        options["client_encoding"] = encoding
    ended = await run(
        tools,
        "pg_dump",
        (*DUMP, f"--file={file}"),
        endpoint=source,
        database=database,
        action="Dump",
        options=options,
    )
    if ended.status and _LOCKED.search(ended.stderr):
        raise _TablesLocked("tables are locked")
    if ended.status:
        raise failure("pg_dump", source, ended)


async def _check_lock_table(connection: Connection, database: str) -> None:
    [row] = await fetch(connection, query("lock_table"))
    limit = row["lock_table_size"] // LOCK_TABLE_SHARE
    if row["tables"] > limit:
        raise Refused(
            f'database "{database}" has {row["tables"]} tables; dumping it would lock more than a'
            f" quarter of the source's lock table ({limit} locks), and applications need the rest:"
            " raise max_locks_per_transaction on the source to"
            f" {row['tables'] * LOCK_TABLE_SHARE // row['lock_slots'] + 1} (restart)"
        )


async def entries(
    tools: Tools, archive: Archive, section: str, *, tablespaces: bool = True
) -> tuple[Entry, ...]:
    """Return the entries of an archive's pre-data or post-data, in order of dependency.

    Each is created in its own tablespace, or with `tablespaces=False` in the session's default one.
    """
    file = archive.file.with_suffix(f".{section}.sql")
    options = ("--verbose", f"--section={section}", f"--file={file}")
    where = () if tablespaces else ("--no-tablespaces",)
    await run_offline(tools, "pg_restore", (*options, *where, str(archive.file)))
    found = await asyncio.to_thread(parse, file.read_bytes())  # it takes seconds for many tables
    return tuple(entry.without_settings(archive.left_out) for entry in found)


def parse(script: bytes) -> tuple[Entry, ...]:
    """Take a verbose script of pg_restore apart."""
    text = _text(script)
    found = [match for match in _ENTRIES.finditer(text) if match["id"] or match["end"]]
    matches = [match for match in found if match["id"]]
    ends = [match.start() for match in found[1:]] + [len(text)]
    settings = _settings(text[: matches[0].start()])[1] if matches else {}
    entries_ = []
    for match, until in zip(matches, ends, strict=False):
        body, of_next = _settings(text[match.end() : until])
        for option in BOOKKEEPING_OPTIONS:
            body = without_option(body, option)
        needed = (name for name in _NEEDS.get(match["type"], ()) if name in settings)
        before = "".join(f"SET LOCAL {name} = {settings[name]};\n" for name in needed)
        entries_.append(
            Entry(
                id=int(match["id"]),
                key=(int(match["class_oid"]), int(match["oid"])),
                type=match["type"],
                schema=match["schema"],
                name=match["name"],
                dependencies=frozenset(map(int, (match["dependencies"] or "").split())),
                statement=_bytes(before + body.strip()),
            )
        )
        settings = settings | of_next
    return tuple(entries_)


def statements(text: str) -> list[str]:
    """Part a text behind each semicolon that is SQL; no character is lost.

    A function with a body in SQL (BEGIN ATOMIC) is parted inside of its body.
    """
    ends = [match.end() for match in _STATEMENT_END.finditer(text) if match["end"]]
    parts = [text[start:end] for start, end in pairwise((0, *ends))]
    return [*parts, rest] if (rest := text[ends[-1] if ends else 0 :]).strip() else parts


def without_option(text: str, option: str) -> str:
    """Leave out one option of columns, whatever its value.

    >>> without_option("ALTER TABLE ONLY s.t ALTER COLUMN c SET (a=1, b=2);", "a")
    'ALTER TABLE ONLY s.t ALTER COLUMN c SET (b=2);'
    """
    if f"{option}=" not in text:
        return text
    return "".join(_without(statement, option) for statement in statements(text))


def _without(statement: str, option: str) -> str:
    found = _COLUMN_OPTIONS.fullmatch(statement)
    if found is None:
        return statement
    kept = [one for one in found["options"].split(", ") if not one.startswith(f"{option}=")]
    return f"{found['column']} SET ({', '.join(kept)});" if kept else ""


def _text(script: bytes) -> str:
    return script.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _settings(text: str) -> tuple[str, dict[str, str]]:
    """Part what ends a text for the entry after it: which settings hold from there on."""
    found = _SETTINGS.search(text)
    assert found is not None  # at least the end
    return text[: found.start()], {k: v for k, v in found.groupdict().items() if v is not None}


def not_valid(statement: bytes) -> bytes:
    """Make an ADD CONSTRAINT leave the existing rows unchecked.

    >>> not_valid(b"ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES b(a);")
    b'ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES b(a) NOT VALID;'
    """
    body = statement.rstrip().removesuffix(b";")
    return body + (b";" if body.endswith(b" NOT VALID") else b" NOT VALID;")
