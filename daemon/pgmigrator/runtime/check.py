"""`pgmigrator check`: preflight once, for every database, changing nothing."""

import asyncio

from pgmigrator.core.model import Observation, Problem, Severity
from pgmigrator.core.preflight import find_problems
from pgmigrator.runtime import build
from pgmigrator.settings import Settings

_ADDRESS = "correct HOST, PORT, USER and PASSWORD of the instance, and pg_hba.conf there"
#: a pooler refuses the settings that our sessions begin with
_POOLER = "a pooler answers there: set HOST and PORT of the instance to those of the server itself"


async def check(settings: Settings, databases: tuple[str, ...]) -> dict[str, list[Problem]]:
    """Return the findings of each database, by "mapping/database"; unreachable is a finding.

    `databases` narrows the databases; empty means all.
    """
    found: dict[str, list[Problem]] = {}
    for mapping, observations in (await look(settings)).items():
        for obs in observations:
            if not databases or obs.database in databases:
                found[f"{mapping}/{obs.database}"] = list(findings(obs))
        if not observations:
            found[mapping] = [_nothing_found(mapping)]
    return found


async def look(settings: Settings) -> dict[str, list[Observation]]:
    """Observe every database of every mapping once, and let go of the servers."""
    runners = build.runners(settings, build.Hooks())
    try:
        # twice if there are several: only then does each know what the others bring
        for _ in range(min(len(runners), 2)):
            observed = await asyncio.gather(*(runner.look() for runner in runners.values()))
    finally:
        await asyncio.gather(*(runner.close() for runner in runners.values()))
    return dict(zip(runners, observed, strict=True))


def findings(obs: Observation) -> tuple[Problem, ...]:
    """Return what the checks say, or which server did not answer."""
    silent = tuple(
        Problem(
            check="reachable",
            severity=Severity.BLOCKS,
            object=side,
            reason=error or "it was not read",
            fix=_POOLER if "startup parameter" in error else _ADDRESS,
        )
        for side, facts, error in (
            ("source", obs.source, obs.source_error),
            ("destination", obs.destination, obs.destination_error),
        )
        if facts is None
    )
    return silent or find_problems(obs)


def _nothing_found(mapping: str) -> Problem:
    return Problem(
        check="databases",
        severity=Severity.BLOCKS,
        object=mapping,
        reason="the source does not answer, or has no database with objects in it",
        fix=f"see the log, or set PGMIGRATOR_MAPPINGS__{mapping.upper()}__DATABASES",
    )
