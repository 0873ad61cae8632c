"""One database on both sides, and the names of what is ours there."""

from dataclasses import dataclass

from pgmigrator.core.names import Names
from pgmigrator.postgres.connect import Endpoint


@dataclass(frozen=True, slots=True)
class DatabasePair:
    """A database that has the same name on the source and on the destination."""

    source: Endpoint
    destination: Endpoint
    database: str
    names: Names
    #: whether objects come into tablespaces of the same names; else all into the default one
    tablespaces: bool = True
