"""Collations: what orders text here may order it otherwise there."""

from collections.abc import Iterable, Iterator, Mapping

from pgmigrator.core.conditions import CollationVersion
from pgmigrator.core.model import Observation
from pgmigrator.core.partitions import misplacing, of_locale, versions_there
from pgmigrator.core.preflight.finding import (
    BLOCKS,
    DEGRADES,
    NOTE,
    Check,
    Found,
    check,
    ended,
)

_PLAIN = ("c:C", "c:POSIX", "c:C.")


def _in_use(obs: Observation) -> tuple[CollationVersion, ...]:
    conditions = obs.source.conditions if obs.source else None
    return conditions.collations if conditions and not ended(obs) else ()


@check("destination", BLOCKS, NOTE, before=True)
def locales(obs: Observation) -> Iterator[Found]:
    """The destination has the locales that the database and its columns use."""
    there = versions_there(obs)
    for collation in _in_use(obs) if there else ():
        provider, _, name = collation.locale.partition(":")
        if provider == "i" and not _has_icu(there):
            yield (
                BLOCKS,
                collation.object,
                f"its locale {name} is of ICU, and the destination was built without ICU",
                "use a destination that was built with ICU",
            )
        elif provider == "c" and not _is_listed(collation.locale, there):
            yield (
                NOTE,
                collation.object,
                f"the destination does not list the locale {name}: without it the database cannot"
                " be created there",
                f"on the destination's host: install the locale {name} (locale-gen), restart the"
                " server, and SELECT pg_import_system_collations('pg_catalog');",
            )


def _has_icu(there: Mapping[str, str]) -> bool:
    """Tell whether ICU orders anything: a server without it lists `unicode`, of no version."""
    return any(version for locale, version in there.items() if locale.startswith("i:"))


def _is_listed(locale: str, there: Iterable[str]) -> bool:
    return locale.startswith(_PLAIN) or _plain(locale) in map(_plain, there)


def _plain(locale: str) -> str:
    """Write en_US.UTF-8 and en_US.utf8 alike."""
    return locale.lower().replace("-", "")


@check("both", NOTE)
def collation_versions(obs: Observation) -> Iterator[Found]:
    """The libraries that order text are of the version that indexes were built with."""
    there = versions_there(obs)
    for collation in _in_use(obs):
        if collation.recorded and collation.actual and collation.recorded != collation.actual:
            yield (
                NOTE,
                f"{collation.object} on the source",
                f"its indexes were built with version {collation.recorded} of its library, which"
                f" now is {collation.actual}: they may miss rows, and unique ones hold duplicates"
                " that the destination refuses",
                "on the source: rebuild what uses it (REINDEX), then ALTER"
                f" {collation.object.upper().partition(' ')[0]}"
                f" {collation.object.partition(' ')[2]} REFRESH "
                + ("COLLATION VERSION;" if collation.object.startswith("database") else "VERSION;"),
            )
        other = of_locale(there, collation.locale)
        if collation.actual and other and collation.actual != other:
            yield (
                NOTE,
                collation.object,
                f"{collation.locale.partition(':')[2]} is of version {collation.actual} on the"
                f" source and {other} on the destination: text may be ordered otherwise after the"
                " switch (its indexes are built anew, and right)",
                "nothing, if no program relies on the order; or use a destination whose operating"
                " system has the source's version",
            )


@check("source", DEGRADES)
def leaf_partitions(obs: Observation) -> Iterator[Found]:
    """The rows of each leaf partition belong to the same leaf on the destination."""
    assert obs.source is not None
    for table in obs.source.tables if not ended(obs) else ():
        if reason := misplacing(table, obs):
            yield (
                DEGRADES,
                f"table {table.name}",
                f"it is not migrated: {reason}",
                "partition it by a column that means the same on both servers (on the source), or"
                " carry its rows over by hand at the cutover",
            )


CHECKS: tuple[Check, ...] = (locales, collation_versions, leaf_partitions)
