"""Leaf partitions whose rows belong to other leaves on the destination: they cannot be replicated.

A leaf is published on its own and checks each row against its bounds. Where these depend on oids,
or on a collation that another version of its library orders otherwise, copy and apply would fail.
"""

from collections.abc import Mapping

from pgmigrator.core.facts import SourceTable
from pgmigrator.core.model import Observation


def misplacing(table: SourceTable, obs: Observation) -> str:
    """Say why the table's rows cannot be replicated into its counterpart; "" if they can."""
    if table.partition_reason:
        return f"{table.partition_reason}: its rows belong to other partitions on another server"
    if not table.partition_collations:
        return ""
    here, there = _versions_here(obs), versions_there(obs)
    for locale in table.partition_collations:
        if here is None or locale not in here:
            return f"it is partitioned by text; the version of its collation {locale} is not known"
        version = here[locale]
        other = of_locale(there, locale)
        if version and version != other:
            return (
                f"it is partitioned by text, ordered by {locale} of version {version}; the"
                f" destination has {other or 'none that is known'}"
            )
    return ""


def of_locale(there: Mapping[str, str], locale: str) -> str:
    """Return the destination's version of a locale; all those of libc share one."""
    if locale in there:
        return there[locale]
    libc = {version for name, version in there.items() if name.startswith("c:") and version}
    return libc.pop() if locale.startswith("c:") and len(libc) == 1 else ""


def _versions_here(obs: Observation) -> Mapping[str, str] | None:
    conditions = obs.source.conditions if obs.source else None
    return None if conditions is None else {c.locale: c.actual for c in conditions.collations}


def versions_there(obs: Observation) -> Mapping[str, str]:
    """Return the version of each locale that the destination has; empty: not known."""
    conditions = obs.destination.conditions if obs.destination else None
    found = conditions.available_collations if conditions else ()
    return {collation.locale: collation.actual for collation in found}
