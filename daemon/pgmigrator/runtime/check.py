"""`pgmigrator check`: preflight once, for every database, changing nothing."""

import asyncio
from dataclasses import dataclass

import structlog

from pgmigrator.core.listing import ADDRESS
from pgmigrator.core.model import Observation, Phase, Problem, Severity
from pgmigrator.core.preflight import find_problems
from pgmigrator.runtime import build
from pgmigrator.settings import Settings

log = structlog.get_logger()

#: a pooler refuses the settings that our sessions begin with
_POOLER = "a pooler answers there: set HOST and PORT of the instance to those of the server itself"

#: the one encoding that has no way to UTF8; 19 and newer do not have it at all
_MULE = (
    "leave it out with EXCLUDE_DATABASES, and move it with pg_dump -E and the encoding of its text"
    " (EUC_JP, LATIN1, KOI8R...), which a database in another encoding takes"
)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a mapping found."""

    observations: list[Observation]
    #: what is wrong with the list of its databases
    problems: tuple[Problem, ...]


async def check(settings: Settings, databases: tuple[str, ...]) -> dict[str, list[Problem]]:
    """Return the findings of each database, by "mapping/database"; unreachable is a finding.

    `databases` narrows the databases; empty means all.
    """
    found: dict[str, list[Problem]] = {}
    for mapping, seen in (await look(settings)).items():
        for obs in seen.observations:
            if not databases or obs.database in databases:
                found[f"{mapping}/{obs.database}"] = list(_findings_alone(obs))
        if seen.problems and not (databases and seen.observations):
            found[mapping] = list(seen.problems)
    return found


async def look(settings: Settings) -> dict[str, Look]:
    """Observe every database of every mapping once, and let go of the servers."""
    runners = build.runners(settings, build.Hooks())
    try:
        # twice if there are several: only then does each know what the others bring
        for _ in range(min(len(runners), 2)):
            observed = await asyncio.gather(*(runner.look() for runner in runners.values()))
    finally:
        await asyncio.gather(*(runner.close() for runner in runners.values()))
    return {
        name: Look(observations, runner.list_problems(Phase.PREFLIGHT for _ in observations))
        for (name, runner), observations in zip(runners.items(), observed, strict=True)
    }


def _findings_alone(obs: Observation) -> tuple[Problem, ...]:
    """Return the findings of one database; what goes wrong there leaves those of the others."""
    try:
        return findings(obs)
    except Exception as error:
        log.exception("not checked", mapping=obs.mapping, database=obs.database)
        problem = Problem(
            check="checked",
            severity=Severity.BLOCKS,
            object=obs.database,
            reason=f"the checks failed: {type(error).__name__}, see the log",
            fix="report this; until then leave the database out with EXCLUDE_DATABASES",
        )
        return (problem,)


def _fix(error: str) -> str:
    if "startup parameter" in error:
        return _POOLER
    return _MULE if "MULE_INTERNAL" in error else ADDRESS


def findings(obs: Observation) -> tuple[Problem, ...]:
    """Return what the checks say, or which server did not answer."""
    silent = tuple(
        Problem(
            check="reachable",
            severity=Severity.BLOCKS,
            object=side,
            reason=error or "it was not read",
            fix=_fix(error) if facts is None else "mend what it says, and check again",
        )
        for side, facts, error in (
            ("source", obs.source, obs.source_error),
            ("destination", obs.destination, obs.destination_error),
        )
        if facts is None or error
    )
    if obs.source is None or obs.destination is None:
        return silent
    return (*silent, *find_problems(obs))
