"""Which roles a database has to do with: one that is not as it must be stops no other database.

Read on the source (`postgres/sql/tied_roles.sql`): who owns something in the database,
is granted something, has a setting there, is a member of such a role, or may do anything anywhere.
Where anybody may read or call something, it is every role.
"""

from pgmigrator.core.model import Observation


def concerns(role: str, obs: Observation) -> bool:
    """Tell whether the database has to do with a role of the source; if that is unknown, it has."""
    return obs.tied_roles is None or role in obs.tied_roles
