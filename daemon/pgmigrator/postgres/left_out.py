"""Settings that the destination's version does not take: asked of both servers."""

from pgmigrator.core.left_out import pattern
from pgmigrator.postgres.connect import Connection, fetch
from pgmigrator.postgres.queries import query

#: unlike pg_settings, it answers everybody, whatever the setting
_UNKNOWN = """
SELECT name FROM unnest(%(names)s::text[]) name WHERE pg_settings_get_flags(name) IS NULL
"""


async def left_out(source: Connection, destination: Connection) -> str:
    """Return the pattern of what is left out of this database's settings and of those of roles."""
    rows = await fetch(source, query("stored_names"))
    names = {"names": [row["name"] for row in rows]}
    unknown = await fetch(destination, _UNKNOWN, names) if rows else []
    return pattern([row["name"] for row in unknown], destination.info.server_version)
