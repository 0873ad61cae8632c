"""Libraries that settings load at each login: tried before such a setting comes to the destination.

PostgreSQL takes any name when the setting is made, and then refuses each login that does not find
the library. So we log in that way: PostgreSQL splits the list, looks and forbids as it will for
everybody, and what it loads is gone with the session. LOAD would keep it in a session of ours.
"""

import re
from collections.abc import Collection, Iterable

import psycopg

from pgmigrator.core.preloads import LIBRARY_PATH, PRELOADS
from pgmigrator.postgres.connect import Endpoint, connect, redact, session

_SPECIAL = re.compile(r"([\s\\])")


def to_try(setting: str, others: Iterable[str]) -> tuple[str, ...]:
    """Return the settings to log in with before one is made; () if it loads nothing.

    `others` are made for the same sessions: one of them says where libraries are looked for.

    >>> to_try("local_preload_libraries=a", ["work_mem=1MB", "dynamic_library_path=/opt"])
    ('local_preload_libraries=a', 'dynamic_library_path=/opt')
    """
    if _name(setting) not in PRELOADS:
        return ()
    return setting, *(other for other in others if _name(other) == LIBRARY_PATH)


async def refusal(
    endpoint: Endpoint, database: str, action: str, settings: Collection[str]
) -> str | None:
    """Return why a session with these settings ("name=value") cannot be opened; None: it can.

    :raises Unreachable: none without them can, either.
    """
    options = {_name(each): _SPECIAL.sub(r"\\\1", each.partition("=")[2]) for each in settings}
    try:
        connection = await connect(endpoint, database, action, options=options)
    except psycopg.OperationalError as error:
        # libpq says neither the SQLSTATE nor whether the server said no
        async with session(endpoint, database, action):
            said = str(error).rpartition("FATAL:")[2]
            return redact(" ".join(said.split()), endpoint)
    await connection.close()
    return None


def _name(setting: str) -> str:
    return setting.partition("=")[0].lower()
