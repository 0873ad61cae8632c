"""Which tables belong where: what to publish, to stop publishing, to subscribe, to wait for.

The publication lists every plain table and leaf partition on its own; a second one, of INSERT and
TRUNCATE only, those without a usable identity if the settings say so. A table that was subscribed
and left its publication has missed changes: it never returns by itself.
"""

from collections.abc import Iterable
from dataclasses import replace

from pgmigrator.core.facts import Baseline, DestinationTable, Publication, Sequence, SourceTable
from pgmigrator.core.model import Measured, Observation, RowCounts
from pgmigrator.core.names import TableName
from pgmigrator.core.partitions import misplacing

#: tables that one transaction publishes: bounds the locks held at once
SLICE = 500

Tables = tuple[tuple[int, TableName], ...]


def destination_tables(obs: Observation) -> dict[TableName, DestinationTable]:
    """Return the destination's tables by name; none while it is unknown."""
    return {table.name: table for table in obs.destination.tables} if obs.destination else {}


def our_publication(obs: Observation) -> Publication | None:
    """Return the publication of our name if it bears our comment; any other is somebody else's."""
    return _if_ours(obs.source.publication if obs.source else None, obs)


def our_insert_only(obs: Observation) -> Publication | None:
    """Return our publication of inserts only, likewise."""
    return _if_ours(obs.source.insert_only if obs.source else None, obs)


def _if_ours(found: Publication | None, obs: Observation) -> Publication | None:
    if found is None or obs.names is None:
        return None
    return found if found.comment == obs.names.publication_comment else None


def our_publications(obs: Observation) -> dict[str, Publication]:
    """Return those of ours that are on the source, by name."""
    if obs.names is None:
        return {}
    found = (our_publication(obs), our_insert_only(obs))
    return {n: p for n, p in zip(obs.names.publications, found, strict=True) if p is not None}


def published(obs: Observation) -> dict[int, TableName]:
    """Return what our publications publish now, by source oid."""
    found = our_publication(obs)
    return published_by_inserts(obs) | (dict(found.tables) if found else {})


def published_by_inserts(obs: Observation) -> dict[int, TableName]:
    """Return what is published without its updates and deletes, by source oid."""
    found = our_insert_only(obs)
    return dict(found.tables) if found else {}


def left_on_source(obs: Observation) -> tuple[str, ...]:
    """Name our slot and our publications that are on the source now."""
    if obs.source is None or obs.names is None:
        return ()
    ours = (
        (obs.names.subscription, obs.source.slot),
        (obs.names.publication, our_publication(obs)),
        (obs.names.insert_only_publication, our_insert_only(obs)),
    )
    return tuple(name for name, found in ours if found is not None)


def losing_identity(obs: Observation) -> Tables:
    """Published tables on which the application's UPDATE and DELETE fail right now."""
    if obs.source is None:
        return ()
    found = our_publication(obs)
    return tuple(
        (table.oid, table.name)
        for table in obs.source.tables
        if found and table.oid in found.tables and not table.identity_usable
    )


def insert_only_wanted(obs: Observation) -> bool:
    """Tell whether tables without identity go into the publication of inserts only.

    The subscription follows it from its creation on or never; without counters nothing would prove
    that inserts are enough.
    """
    if obs.source is None or obs.destination is None or obs.names is None:
        return False
    subscription = obs.destination.subscription
    return (
        obs.policy.tables_without_identity == "insert_only"
        and obs.source.counting_since != ""
        and (subscription is None or obs.names.insert_only_publication in subscription.publications)
    )


def insert_only_lost(obs: Observation) -> bool:
    """Tell whether the subscription follows a publication of inserts only that is not there."""
    subscription = obs.destination.subscription if obs.destination else None
    return (
        subscription is not None
        and obs.names is not None
        and obs.names.insert_only_publication in subscription.publications
        and our_insert_only(obs) is None
    )


def counting_stopped(obs: Observation) -> bool:
    """Tell whether the source does not count, though counts from before would be compared."""
    return (
        obs.source is not None
        and not obs.source.counting_since
        and any(table.baseline for table in destination_tables(obs).values())
    )


def baselines(obs: Observation) -> dict[int, Baseline]:
    """Return what the source has counted of tables that are published by their inserts alone."""
    if obs.source is None:
        return {}
    ours, since = published_by_inserts(obs), obs.source.counting_since
    return {t.oid: Baseline(t.changes, since) for t in obs.source.tables if t.oid in ours}


def replicable(table: SourceTable, obs: Observation) -> bool:
    """Tell whether a table can be replicated, one way or the other."""
    return table.identity_usable or insert_only_wanted(obs)


def to_publish(obs: Observation, *, insert_only: bool = False) -> Tables:
    """Tables fit for a publication that they are not in, at most one slice of them.

    Fit is a table with a usable identity (for `insert_only`: without) whose rows belong into its
    counterpart, which exists, is not subscribed, is known to be empty (an initial copy must not
    meet rows), and is not about to be emptied.
    """
    if obs.source is None or obs.destination is None:
        return ()
    if insert_only and not insert_only_wanted(obs):
        return ()
    ours = published(obs)
    there = destination_tables(obs)
    drifted = drifted_tables(obs)
    fit = [
        (table.oid, table.name)
        for table in obs.source.tables
        if table.identity_usable is not insert_only
        and table.oid not in ours
        and not misplacing(table, obs)
        and _is_fit(table, there.get(table.name))
        # right after the restore nothing was compared yet; later, only what matches
        and (drifted is None or str(table.name) not in drifted)
    ]
    return tuple(fit[:SLICE])


def _is_fit(table: SourceTable, counterpart: DestinationTable | None) -> bool:
    return (
        counterpart is not None
        and counterpart.state == ""
        and counterpart.has_rows is False
        and counterpart.source_oid in (None, table.oid)
        and not counterpart.resync
    )


def not_known_empty(obs: Observation) -> tuple[TableName, ...]:
    """Tables that wait for their initial copy and may hold a row: nobody looked, or they do."""
    awaited = (
        {table.name for table in obs.source.tables if replicable(table, obs)} if obs.source else ()
    )
    ours = set(published(obs).values())
    return tuple(
        name
        for name, table in destination_tables(obs).items()
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
    return frozenset(item.object for item in obs.schema.value if item.kind in ("table", "column"))


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


def to_subscribe(obs: Observation) -> tuple[TableName, ...]:
    """Published tables that the subscription does not have yet, and could."""
    there = destination_tables(obs)
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
        for name, table in destination_tables(obs).items()
        if table.state and name in exists and name not in ours
    )


def followed(obs: Observation) -> tuple[DestinationTable, ...]:
    """Subscribed tables that are published still: those that phases and gates wait for."""
    ours = set(published(obs).values())
    return tuple(
        table for name, table in destination_tables(obs).items() if table.state and name in ours
    )


def with_counts(
    before: Measured[RowCounts] | None, more: RowCounts, wanted: frozenset[TableName]
) -> Measured[RowCounts] | None:
    """Add a count of what an earlier one left out; it stays as old as it is.

    A table of those `wanted` that could not be counted now is not counted at all: what is known of
    it may be from before its copy.
    """
    if before is None:
        return None
    counts = before.value
    added = replace(
        more,
        tables=(counts.tables - wanted) | more.tables,
        deltas=(*(delta for delta in counts.deltas if delta.table not in wanted), *more.deltas),
        differing={
            **{n: s for n, s in counts.differing.items() if n not in wanted},
            **more.differing,
        },
    )
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


def storage(obs: Observation) -> dict[int, str]:
    """Return the storage of the source's tables, by oid."""
    return {table.oid: table.storage for table in obs.source.tables} if obs.source else {}


def rewritten(obs: Observation) -> dict[TableName, tuple[str, str]]:
    """Streaming tables whose rows may have changed on one side unseen by replication.

    ALTER TABLE may compute each row anew, or give it a value from a default. TRUNCATE and VACUUM
    FULL look the same from outside: whether rows differ is only told by comparing them. Returns
    their storage on both sides.
    """
    here = {table.name: table.storage for table in obs.source.tables} if obs.source else {}
    now = {
        table: (here.get(table.name, ""), table.storage)
        for table in followed(obs)
        if table.state == "r"
    }
    return {table.name: pair for table, pair in now.items() if table.compared != pair}


def comparable(obs: Observation) -> frozenset[TableName]:
    """Rewritten tables whose columns are known to be alike on both sides."""
    return frozenset() if obs.schema is None else _not_drifted(rewritten(obs), obs)


def uncompared(obs: Observation) -> frozenset[TableName]:
    """Rewritten tables of which nothing tells yet whether their rows differ."""
    known = obs.row_counts.value.differing if obs.row_counts else {}
    unknown = (name for name, pair in rewritten(obs).items() if known.get(name) != pair)
    return _not_drifted(unknown, obs)


def _not_drifted(tables: Iterable[TableName], obs: Observation) -> frozenset[TableName]:
    drifted = drifted_tables(obs) or frozenset()
    return frozenset(name for name in tables if str(name) not in drifted)


def to_copy(obs: Observation) -> tuple[TableName, ...]:
    """Tables of the publication whose copy is awaited or under way."""
    ours = set(published(obs).values())
    return tuple(
        name
        for name, table in destination_tables(obs).items()
        if name in ours and table.state != "r"
    )


def uncopied(obs: Observation) -> tuple[SourceTable, ...]:
    """Source tables that are not subscribed, and that no setting leaves out."""
    if obs.source is None:
        return ()
    there = destination_tables(obs)
    left_out = excluded(obs)
    return tuple(
        table
        for table in obs.source.tables
        if ((counterpart := there.get(table.name)) is None or counterpart.state == "")
        and table.name not in left_out
    )


def excluded(obs: Observation) -> frozenset[TableName]:
    """Tables that the settings leave out: created on the destination, and empty there."""
    if obs.source is None or obs.policy.tables_without_identity != "exclude":
        return frozenset()
    ours = set(published(obs))
    return frozenset(
        table.name
        for table in obs.source.tables
        if not table.identity_usable and table.oid not in ours
    )


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
