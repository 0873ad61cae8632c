"""Which roles a database has to do with: one that is not as it must be stops no other database.

Read on the source (`postgres/sql/tied_roles.sql`): who owns something in the database, is granted
something, has a setting there, is a member of such a role, or needs no grant. Where PUBLIC may do
something that leaves a trace or shows rows, it is every role. A role that no database of the
mapping has to do with is everybody's business: a light without it would be false.
"""

from pgmigrator.core.model import Observation


def concerns(role: str, obs: Observation) -> bool:
    """Tell whether a role of the source is this database's business; if that is unknown, it is."""
    elsewhere = obs.environment.tied_roles
    return obs.tied_roles is None or role in obs.tied_roles or role not in elsewhere
