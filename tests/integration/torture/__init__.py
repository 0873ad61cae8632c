"""A database with one of everything: made on a source, and compared with what arrived."""

import difflib
import os
import re
import subprocess
from pathlib import Path

import psycopg

from pgmigrator.postgres.archive import BOOKKEEPING_OPTIONS, without_option
from tests.fixtures.databases import create_database
from tests.fixtures.providers import Postgres

HERE = Path(__file__).parent
DATABASE = 'torture "x". ☃'

#: What differs between the dumps of a source and of what arrived, and why: nothing else may.
EXPLAINED = (
    # the server that was dumped names itself
    re.compile(r"^-- Dumped from database version .*$", re.M),
    # 18 names not-null constraints; where it shortens the name, the dump says it
    re.compile(r"(?<= )CONSTRAINT \S+_not_null (?=NOT NULL)"),
)
#: our marker, and time-outs that are off for our own role: both until `complete`
_OURS = re.compile(
    r"^ALTER (DATABASE .* SET \"?pgmigrator\b|ROLE postgres IN DATABASE ).*;$", re.MULTILINE
)
#: ALWAYS and REPLICA triggers are ordinary ones until the switch
HELD = re.compile(r"^ALTER TABLE \S+ ENABLE (ALWAYS|REPLICA) TRIGGER .*;$", re.M)
#: views are written with fewer qualifiers since 16
_VIEW = re.compile(r"^CREATE (OR REPLACE |MATERIALIZED |RECURSIVE )*VIEW .*?;$", re.M | re.S)
#: before a column: of a table, or of a recursive term
_QUALIFIER = re.compile(r"\b(orders|totals|customer|recursive|people)\.(?=[a-z])")
#: the roles of a policy are in the order of their oids
_POLICY_ROLES = re.compile(r"(?<= TO )(\S+(?:, \S+)+)(?= (?:USING|WITH))")


def create(server: Postgres) -> None:
    """Create the roles and the database, with rows in every table that is replicated."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute((HERE / "roles.sql").read_bytes())
    create_database(server, DATABASE)
    with psycopg.connect(server.dsn(DATABASE), autocommit=True) as connection:
        connection.execute((HERE / "schema.sql").read_bytes())
        connection.execute((HERE / "data.sql").read_bytes())


def schema_of(bin_dir: Path, server: Postgres, database: str, *, switched: bool) -> list[str]:
    """Return the lines of a schema dump, without what is explained."""
    command = (
        str(bin_dir / "pg_dump"),
        "--schema-only",
        "--create",
        "--restrict-key=x",
        "--no-publications",
        "--no-subscriptions",
        "--exclude-schema=pgmigrator",
        f"--dbname={server.dsn(database)}",
    )
    text = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ
    ).stdout
    for option in BOOKKEEPING_OPTIONS:
        text = without_option(text, option)
    for explained in (*EXPLAINED, _OURS, *(() if switched else (HELD,))):
        text = explained.sub("", text)
    text = _VIEW.sub(lambda view: _QUALIFIER.sub("", view[0]), text)
    text = _POLICY_ROLES.sub(lambda roles: ", ".join(sorted(roles[1].split(", "))), text)
    return [line for line in text.splitlines() if line]


def differences(
    bin_dir: Path,
    source: Postgres,
    destination: Postgres,
    database: str = DATABASE,
    *,
    switched: bool = False,
) -> list[str]:
    """Return the lines that only one of both dumps has."""
    theirs = schema_of(bin_dir, source, database, switched=switched)
    ours = schema_of(bin_dir, destination, database, switched=switched)
    return [
        line
        for line in difflib.unified_diff(theirs, ours, "source", "destination", lineterm="", n=0)
        if not line.startswith("@@")
    ]
