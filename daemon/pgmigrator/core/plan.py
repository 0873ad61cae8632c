"""Which tables belong where: what to publish, to stop publishing, to subscribe, to wait for.

The publication lists every plain table and leaf partition on its own. A table that was subscribed
and left the publication has missed changes: it never returns by itself.
"""

from dataclasses import replace

from pgmigrator.core.model import (
    DestinationTable,
    Measured,
    Observation,
    Publication,
    RowCounts,
    Sequence,
    SourceTable,
)
from pgmigrator.core.names import TableName
from pgmigrator.core.partitions import misplacing

#: tables that one transaction publishes: bounds the locks held at once
SLICE = 500

Tables = tuple[tuple[int, TableName], ...]


def _destination_tables(obs: Observation) -> dict[TableName, DestinationTable]:
    return {table.name: table for table in obs.destination.tables} if obs.destination else {}


def our_publication(obs: Observation) -> Publication | None:
    """Return the publication of our name if it bears our comment; any other is somebody else's."""
    found = obs.source.publication if obs.source else None
    if found is None or obs.names is None:
        return None
    return found if found.comment == obs.names.publication_comment else None


def published(obs: Observation) -> dict[int, TableName]:
    """Return what our publication publishes now, by source oid."""
    found = our_publication(obs)
    return dict(found.tables) if found else {}


def left_on_source(obs: Observation) -> tuple[bool, bool]:
    """Tell whether our slot and our publication are on the source now."""
    if obs.source is None or obs.names is None:
        return (False, False)
    publication = obs.source.publication
    ours = publication is not None and publication.comment == obs.names.publication_comment
    return (obs.source.slot is not None, ours)


def losing_identity(obs: Observation) -> Tables:
    """Published tables on which the application's UPDATE and DELETE fail right now."""
    if obs.source is None:
        return ()
    ours = published(obs)
    return tuple(
        (table.oid, table.name)
        for table in obs.source.tables
        if table.oid in ours and not table.identity_usable
    )


def to_publish(obs: Observation) -> Tables:
    """Tables fit for the publication that it lacks, at most one slice of them.

    Fit is a table with a usable identity whose rows belong into its counterpart, which exists, was
    never subscribed, and is known to be empty (an initial copy must not meet rows).
    """
    if obs.source is None or obs.destination is None:
        return ()
    ours = published(obs)
    there = _destination_tables(obs)
    drifted = drifted_tables(obs)
    fit = [
        (table.oid, table.name)
        for table in obs.source.tables
        if table.identity_usable
        and table.oid not in ours
        and not misplacing(table, obs)
        and _is_fit(there.get(table.name))
        # right after the restore nothing was compared yet; later, only what matches
        and (drifted is None or str(table.name) not in drifted)
    ]
    return tuple(fit[:SLICE])


def _is_fit(counterpart: DestinationTable | None) -> bool:
    return counterpart is not None and counterpart.state == "" and counterpart.has_rows is False


def not_known_empty(obs: Observation) -> tuple[TableName, ...]:
    """Tables that wait for their initial copy and may hold a row: nobody looked, or they do."""
    awaited = (
        {table.name for table in obs.source.tables if table.identity_usable} if obs.source else ()
    )
    ours = set(published(obs).values())
    return tuple(
        name
        for name, table in _destination_tables(obs).items()
        if table.state == ""
        and (
            (name in ours and table.has_rows is not False)
            or (name in awaited and table.has_rows is None)
        )
    )


def drifted_tables(obs: Observation) -> frozenset[str] | None:
    """Tables whose columns or identity differ between the sides; None: not compared."""
    if obs.schema is None:
        return None
    return frozenset(item.table for item in obs.schema.value if item.kind in ("table", "column"))


def adopted_is_restored(obs: Observation) -> bool:
    """Tell whether an adopted database holds what its restore brings, though not marked so.

    It is restored all or nothing: a daemon that dies right after that leaves exactly this.
    """
    marker = obs.marker
    return (
        marker is not None
        and not marker.created
        and obs.schema is not None
        and all(item.missing for item in obs.schema.value)
        and not drifted_tables(obs)
    )


def out_of_step(obs: Observation) -> dict[TableName, int | None]:
    """Source tables that the destination lacks, or holds the rows of another in place of.

    With their oid on the source.
    """
    if obs.source is None or obs.destination is None:
        return {}
    there = _destination_tables(obs)
    replaced = {*swapped(obs)}
    return {
        table.name: table.oid
        for table in obs.source.tables
        if table.name not in there or table.name in replaced
    }


def to_restore(obs: Observation) -> Tables:
    """Tables that came later on the source, stand for some ticks, and are to be created here.

    A new partition narrows what its DEFAULT partition takes: rows that the source held there before
    must have come and gone, so apply has to be past its creation. One that is published already (it
    was renamed) is awaited by apply itself.
    """
    if obs.source is None or obs.destination is None:
        return ()
    there = _destination_tables(obs)
    awaited = published(obs)
    missing = [
        (table.oid, table.name)
        for table in obs.source.tables
        if table.name not in there
        and table.name in obs.settled
        and (table.oid in awaited or is_applied(obs, obs.settled[table.name]))
    ]
    return tuple(missing[:SLICE])


def is_applied(obs: Observation, lsn: int) -> bool:
    """Tell whether the slot has confirmed an LSN."""
    slot = obs.source.slot if obs.source else None
    return slot is not None and slot.confirmed_flush_lsn >= lsn


def unrestored(obs: Observation) -> tuple[TableName, ...]:
    """Published tables that the destination lacks: a REFRESH would fail as a whole."""
    if obs.destination is None:
        return ()
    there = _destination_tables(obs)
    return tuple(name for name in published(obs).values() if name not in there)


def to_subscribe(obs: Observation) -> tuple[TableName, ...]:
    """Published tables that the subscription does not have yet, and could."""
    there = _destination_tables(obs)
    return tuple(
        name
        for name in published(obs).values()
        if (counterpart := there.get(name)) is not None and counterpart.state == ""
    )


def left_publication(obs: Observation) -> tuple[TableName, ...]:
    """Subscribed tables that the source still has by that name, but does not publish."""
    if obs.source is None:
        return ()
    ours = set(published(obs).values())
    exists = {table.name for table in obs.source.tables}
    return tuple(
        name
        for name, table in _destination_tables(obs).items()
        if table.state and name in exists and name not in ours
    )


def swapped(obs: Observation) -> tuple[TableName, ...]:
    """Subscribed tables whose source is now another table of the same name."""
    if obs.source is None:
        return ()
    oids = {table.name: table.oid for table in obs.source.tables}
    return tuple(
        name
        for name, table in _destination_tables(obs).items()
        # a subscribed table that our bookkeeping does not know may come from any other
        if (table.state or table.source_oid is not None)
        and name in oids
        and oids[name] != table.source_oid
    )


def followed(obs: Observation) -> tuple[DestinationTable, ...]:
    """Subscribed tables that are published still: those that phases and gates wait for."""
    ours = set(published(obs).values())
    return tuple(
        table for name, table in _destination_tables(obs).items() if table.state and name in ours
    )


def with_counts(before: Measured[RowCounts] | None, more: RowCounts) -> Measured[RowCounts] | None:
    """Add a count of what an earlier one left out; it stays as old as it is."""
    if before is None:
        return None
    counts = before.value
    differing = tuple(delta for delta in counts.deltas if delta.table not in more.tables)
    added = replace(more, tables=counts.tables | more.tables, deltas=(*differing, *more.deltas))
    same = (counts.source_started_at, counts.destination_started_at) == (
        more.source_started_at,
        more.destination_started_at,
    )
    return replace(before, value=added) if same else before


def uncounted(obs: Observation) -> frozenset[TableName]:
    """Followed tables that the last count does not cover: it may be of the rows before a copy."""
    counts = obs.row_counts.value if obs.row_counts else None
    return frozenset(
        table.name
        for table in followed(obs)
        if counts is None
        or table.name not in counts.tables
        or table.synchronized_lsn is None
        or table.synchronized_lsn >= counts.lsn
    )


def to_copy(obs: Observation) -> tuple[TableName, ...]:
    """Tables of the publication whose copy is awaited or under way."""
    ours = set(published(obs).values())
    return tuple(
        name
        for name, table in _destination_tables(obs).items()
        if name in ours and table.state != "r"
    )


def uncopied(obs: Observation) -> tuple[SourceTable, ...]:
    """Source tables that are not subscribed, and that no setting leaves out."""
    if obs.source is None:
        return ()
    there = _destination_tables(obs)
    return tuple(
        table
        for table in obs.source.tables
        if ((counterpart := there.get(table.name)) is None or counterpart.state == "")
        and not _is_excluded(table, obs)
    )


def _is_excluded(table: SourceTable, obs: Observation) -> bool:
    return not table.identity_usable and obs.policy.tables_without_identity == "exclude"


def sequences_behind(obs: Observation) -> tuple[Sequence, ...]:
    """Source sequences whose counterpart exists and stands behind (or, if it cycles, elsewhere)."""
    if obs.source is None or obs.destination is None:
        return ()
    there = {sequence.name: sequence for sequence in obs.destination.sequences}
    return tuple(
        sequence
        for sequence in obs.source.sequences
        if (counterpart := there.get(sequence.name)) is not None and _behind(sequence, counterpart)
    )


def _behind(source: Sequence, destination: Sequence) -> bool:
    if source.cycle:
        return source.position() != destination.position()
    return source.position() > destination.position()


def sequences_missing(obs: Observation) -> tuple[TableName, ...]:
    """Source sequences that the destination lacks."""
    if obs.source is None or obs.destination is None:
        return ()
    there = {sequence.name for sequence in obs.destination.sequences}
    return tuple(s.name for s in obs.source.sequences if s.name not in there)
