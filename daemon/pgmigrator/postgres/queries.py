"""The queries of `sql/`, by file name: SQL that a DBA can paste."""

from functools import cache
from importlib.resources import files


@cache
def query(name: str) -> str:
    """Return the text of `sql/<name>.sql`."""
    return files("pgmigrator.postgres").joinpath("sql", f"{name}.sql").read_text("utf-8")
