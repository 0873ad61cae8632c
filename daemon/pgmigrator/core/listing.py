"""Which databases a mapping's source has, and what is known of those that cannot be looked into."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from pgmigrator.core.model import Observation, Phase, Problem, Severity
from pgmigrator.core.names import quote_identifier

#: what to look at when a server does not answer
ADDRESS = (
    "correct HOST, PORT, USER and PASSWORD of the instance (PGMIGRATOR_INSTANCES__<NAME>__...), and"
    " pg_hba.conf there"
)
#: the source may be gone by then, and a database that is new there is none of the migration's
_OVER = frozenset({Phase.SWITCHED, Phase.COMPLETED})


@dataclass(frozen=True, slots=True)
class Listing:
    """The source's databases; those that the settings exclude are left alone."""

    #: they hold user objects, or may: those that refuse us are among them
    databases: tuple[str, ...] = ()
    #: of these, the ones of which it is not known because they could not be read
    refused: frozenset[str] = frozenset()
    #: what an interrupted DROP DATABASE left: nobody can connect to them any more
    invalid: tuple[str, ...] = ()
    #: they allow no connections
    closed: tuple[str, ...] = ()
    #: those that others are made from, but for the server's own two
    templates: tuple[str, ...] = ()
    #: why the list could not be read, so that databases may be missing; "" if it was
    error: str = ""


def doubted(listing: Listing, obs: Observation) -> Observation:
    """Leave a database alone that refused us when the list was read, and lets us in by now.

    It may hold nothing: the next list says whether it is the mapping's at all.
    """
    if obs.database not in listing.refused or obs.source is None or obs.marker is not None:
        return obs
    error = "it refused us a moment ago: whether it holds anything is looked at next"
    return replace(obs, source=None, source_error=error)


def problems(mapping: str, listing: Listing, phases: Collection[Phase]) -> tuple[Problem, ...]:
    """Say what is wrong with the list itself; `phases` are those of the databases known."""
    found = [
        Problem(
            check="invalid_database",
            severity=Severity.DEGRADES,
            object=database,
            reason="a DROP DATABASE of it was interrupted on the source: nobody can connect to it"
            " any more, and it cannot be migrated",
            fix=f"on the source: DROP DATABASE {quote_identifier(database)}; or leave it out with"
            f" {_variable(mapping, 'EXCLUDE_DATABASES')}",
        )
        for database in listing.invalid
    ]
    found += [
        Problem(
            check="closed_database",
            severity=Severity.DEGRADES,
            object=database,
            reason="the source allows no connections to it: it is not migrated",
            fix=f"on the source: ALTER DATABASE {quote_identifier(database)} ALLOW_CONNECTIONS"
            f" true; or leave it out with {_variable(mapping, 'EXCLUDE_DATABASES')}",
        )
        for database in listing.closed
    ]
    found += [
        Problem(
            check="template_database",
            severity=Severity.NOTE,
            object=database,
            reason="it is a template, which is not migrated unless it is asked for by its name",
            fix=f"to migrate it, name it with all others in {_variable(mapping, 'DATABASES')}: it"
            " cannot be copied meanwhile, and arrives as a template; else leave it out"
            f" with {_variable(mapping, 'EXCLUDE_DATABASES')}, which ends this note",
        )
        for database in listing.templates
    ]
    if phases and (not listing.error or _OVER.issuperset(phases)):
        return tuple(found)
    named = f"name the databases in {_variable(mapping, 'DATABASES')}"
    if not listing.error:
        reason = "no database with objects in it was found on the source yet"
        fix = f"nothing, if they are still to come; or {named}"
    else:
        reason = listing.error
        fix = f"make the source answer: {ADDRESS}"
    if phases:
        fix += f"; or {named}"
        reason = f"the source's databases could not be listed, some may be missing: {reason}"
    found.append(
        Problem(
            check="databases",
            severity=Severity.BLOCKS,
            object=mapping,
            reason=reason,
            fix=fix,
        )
    )
    return tuple(found)


def _variable(mapping: str, name: str) -> str:
    return f"PGMIGRATOR_MAPPINGS__{mapping.upper()}__{name}"
