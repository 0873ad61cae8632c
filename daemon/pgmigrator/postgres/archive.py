"""Archives of pg_dump: made from the source, and taken apart into entries of the table of contents.

Entries carry source OIDs, and the verbose script of pg_restore gives each one's own SQL: what is
left to do is found by OID, never by parsing names.
"""

import re
from dataclasses import dataclass
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

_ENTRY = re.compile(
    r"^--\n-- TOC entry (?P<id>\d+) \(class (?P<class_oid>\d+) OID (?P<oid>\d+)\)\n"
    r"(?:-- Dependencies: (?P<dependencies>[\d ]+)\n)?"
    r"-- Name: (?P<name>.*); Type: (?P<type>[A-Z ]+); Schema: (?P<schema>.*); Owner: .*\n"
    r"(?:-- Data Pos: \d+\n)?--\n\n",
    re.MULTILINE,
)
_END = re.compile(r"^(?:-- Completed on .*\n\n)?--\n-- PostgreSQL database dump complete\n", re.M)
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
#: where the text of a function begins in the archive: its length stands before it, in five bytes
_FUNCTION = re.compile(rb"\x00(.{4})(?=CREATE (?:FUNCTION|PROCEDURE) )", re.DOTALL)
_BODY = re.compile(rb"\n    (?:AS|BEGIN ATOMIC|RETURN)\b")
_SET = re.compile(rb"""\n    SET "?(?P<name>\w+)"? TO '?(?P<value>[^\n]*?)'?(?=\n)""")
_LISTED = re.compile(r"^(\d+); \d+ \d+ (.*)$", re.MULTILINE)
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


def leave_out(archive: Path, left_out: str) -> None:
    """Blank the settings of functions that `left_out` (see core/left_out.py) describes.

    The archive keeps its lengths and places: whatever reads it then finds them gone.
    """

    def blank(found: re.Match[bytes]) -> bytes:
        item = b"%s=%s" % (found["name"], found["value"])
        return b" " * len(found[0]) if is_left_out(item.decode("latin-1"), left_out) else found[0]

    content = archive.read_bytes()
    changed = bytearray(content)
    for function in _FUNCTION.finditer(content):
        end = function.end() + int.from_bytes(function[1], "little")
        body = _BODY.search(content, function.end(), end)
        until = body.start() + 1 if body else end
        changed[function.end() : until] = _SET.sub(blank, content[function.end() : until])
    if changed != content:
        archive.write_bytes(changed)


async def listed(tools: Tools, archive: Path, section: str) -> dict[int, str]:
    """Return what a section of an archive holds: id -> type, schema, name, owner."""
    file = archive.with_suffix(f".{section}.list")
    await run_offline(
        tools, "pg_restore", ("--list", f"--section={section}", f"--file={file}", str(archive))
    )
    text = file.read_text("utf-8", "surrogateescape")
    return {int(match[1]): match[2] for match in _LISTED.finditer(text)}


def placing(*, tablespaces: bool) -> tuple[str, ...]:
    """Return pg_restore's options for objects in their own tablespaces, or in the default."""
    return () if tablespaces else ("--no-tablespaces",)


async def entries(
    tools: Tools, archive: Path, section: str, *, tablespaces: bool = True
) -> tuple[Entry, ...]:
    """Return the entries of an archive's pre-data or post-data, in order of dependency.

    Each is created in its own tablespace, or with `tablespaces=False` in the session's default one.
    """
    file = archive.with_suffix(f".{section}.sql")
    options = ("--verbose", f"--section={section}", f"--file={file}")
    where = placing(tablespaces=tablespaces)
    await run_offline(tools, "pg_restore", (*options, *where, str(archive)))
    return parse(file.read_bytes())


def parse(script: bytes) -> tuple[Entry, ...]:
    """Take a verbose script of pg_restore apart."""
    text = script.decode("utf-8", "surrogateescape")
    matches = list(_ENTRY.finditer(text))
    end = _END.search(text)
    ends = [match.start() for match in matches[1:]] + [end.start() if end else len(text)]
    settings = _settings(text[: matches[0].start()])[1] if matches else {}
    found = []
    for match, until in zip(matches, ends, strict=False):
        body, of_next = _settings(text[match.end() : until])
        needed = (name for name in _NEEDS.get(match["type"], ()) if name in settings)
        before = "".join(f"SET LOCAL {name} = {settings[name]};\n" for name in needed)
        found.append(
            Entry(
                id=int(match["id"]),
                key=(int(match["class_oid"]), int(match["oid"])),
                type=match["type"],
                schema=match["schema"],
                name=match["name"],
                dependencies=frozenset(map(int, (match["dependencies"] or "").split())),
                statement=(before + body.strip()).encode("utf-8", "surrogateescape"),
            )
        )
        settings = settings | of_next
    return tuple(found)


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
