"""The checks: each looks at one observation and names what is wrong, why, and the exact fix.

Adding a check is adding a function to one of these modules, and to its `CHECKS`. It declares its
side and how its findings may weigh; one that only matters before anything is created says so with
`before=True`, the others stay on for the whole migration. Blocking findings keep the database in
`blocked`, where nothing is created.
"""

from pgmigrator.core.model import Observation, Problem
from pgmigrator.core.preflight import (
    collations,
    conditions,
    course,
    databases,
    extensions,
    identity,
    partitioned,
    servers,
    settings,
    tables,
)
from pgmigrator.core.preflight.finding import Check

CHECKS: tuple[Check, ...] = (
    *servers.CHECKS,
    *databases.CHECKS,
    *extensions.CHECKS,
    *settings.CHECKS,
    *conditions.CHECKS,
    *partitioned.CHECKS,
    *collations.CHECKS,
    *identity.CHECKS,
    *tables.CHECKS,
    *course.CHECKS,
)


def find_problems(obs: Observation) -> tuple[Problem, ...]:
    """Run every check; without the source only what the marker says of it is known."""
    if obs.destination is None:
        return ()
    checks = CHECKS if obs.source is not None else course.WITHOUT_SOURCE
    return tuple(
        Problem(check=check.id, severity=severity, object=thing, reason=reason, fix=fix)
        for check in checks
        for severity, thing, reason, fix in check(obs)
    )
