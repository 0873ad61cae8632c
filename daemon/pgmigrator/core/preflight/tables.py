"""Tables and sequences: what cannot be replicated, what left, what came later."""

from collections.abc import Iterator
from shlex import quote

from pgmigrator.core import follow, plan, roots
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation
from pgmigrator.core.names import TableName, quote_identifier, quote_literal, renaming
from pgmigrator.core.preflight.finding import (
    DEGRADES,
    NOTE,
    Check,
    Found,
    check,
    ended,
    resync_command,
    source_server,
)


@check("source", DEGRADES)
def large_objects(obs: Observation) -> Iterator[Found]:
    """Logical replication never carries large objects."""
    assert obs.source is not None
    if obs.source.large_objects and not ended(obs):
        yield (
            DEGRADES,
            obs.database,
            f"it holds {obs.source.large_objects} large objects, which are not replicated",
            "move them into bytea columns, or remove them if they are orphans (vacuumlo)",
        )


@check("source", DEGRADES, NOTE)
def unlogged_tables(obs: Observation) -> Iterator[Found]:
    """The rows of unlogged tables stay behind; a crash would lose them too."""
    assert obs.source is not None
    if ended(obs):
        return
    for name in obs.source.unlogged_tables:
        filled = name in obs.source.unlogged_with_rows
        yield (
            DEGRADES if filled else NOTE,
            f"table {name}",
            f"it is unlogged: its {'' if filled else 'future '}rows are not migrated",
            f"if they matter, on both sides: ALTER TABLE {name} SET LOGGED; it is then replicated."
            f" If not, on the source: TRUNCATE {name};",
        )


@check("source", DEGRADES)
def publication_is_whole(obs: Observation) -> Iterator[Found]:
    """Our publications still publish what they were made for."""
    if obs.names is None or ended(obs):
        return
    found = (plan.our_publication(obs), plan.our_insert_only(obs))
    for name, publication in zip(obs.names.publications, found, strict=True):
        if publication is not None and not publication.whole:
            yield (
                DEGRADES,
                f"publication {name}",
                "somebody altered it: it does not publish what it was made for any more, and"
                " changes may be lost",
                _make_whole(obs, name, inserts=name != obs.names.publication)
                + " The problems that are shown then say how each table is copied anew",
            )


def _make_whole(obs: Observation, publication: str, *, inserts: bool) -> str:
    """Take its tables out first: which changes they missed is forgotten once it is whole."""
    actions = "insert, truncate" if inserts else "insert, update, delete, truncate"
    empty = (
        "DO $$ BEGIN EXECUTE (SELECT format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname,"  # noqa: S608
        " string_agg(r.prrelid::regclass::text, ', ')) FROM pg_publication p JOIN"
        " pg_publication_rel r ON r.prpubid = p.oid WHERE p.pubname ="
        f" '{publication}' GROUP BY p.pubname); END $$;"
    )
    generated = (
        ", publish_generated_columns = none" if source_server(obs).version_num >= 180000 else ""
    )
    return (
        f"on the source, in this database: {empty} ALTER PUBLICATION"
        f" {quote_identifier(publication)} SET (publish = '{actions}', publish_via_partition_root"
        f" = false{generated});"
    )


@check("source", DEGRADES)
def tables_left_publication(obs: Observation) -> Iterator[Found]:
    """A table that left the publication has missed changes since."""
    if ended(obs):
        return
    for name in plan.left_publication(obs):
        yield (
            DEGRADES,
            f"table {name}",
            "it was replicated and is not published any more: its changes since are missing",
            f"copy it anew: {resync_command(obs, name)}",
        )


@check("both", DEGRADES)
def rows_differ(obs: Observation) -> Iterator[Found]:
    """Tables that were rewritten since their copy hold the same rows on both sides, by hash."""
    if ended(obs) or obs.row_counts is None:
        return
    for name in sorted(obs.row_counts.value.differing):
        yield (
            DEGRADES,
            f"table {name}",
            "as many rows as on the source, but not the same ones: DDL that replication does not"
            " carry has changed them (ALTER TABLE ... USING, a column dropped or with a DEFAULT)",
            f"copy it anew: {resync_command(obs, name)}",
        )


@check("source", DEGRADES)
def tables_swapped(obs: Observation) -> Iterator[Found]:
    """A table of the same name is not the same table."""
    if ended(obs):
        return
    there = plan.destination_tables(obs)
    for name in follow.swapped(obs):
        fix = "it is copied anew by itself; if that fails, a problem says why"
        if there[name].source_oid is None:
            fix = f"nobody noted where its rows came from: on the destination, DROP TABLE {name};"
        elif not follow.holds_no_other_rows(there[name]):
            fix = _if_worthless(name)
        yield (
            DEGRADES,
            f"table {name}",
            "the source has another table under this name than the one that was copied",
            fix,
        )


@check("destination", DEGRADES)
def tables_resynced(obs: Observation) -> Iterator[Found]:
    """No table waits for being copied anew, as an operator asked for."""
    assert obs.destination is not None
    if ended(obs):
        return
    for table in obs.destination.tables:
        if table.resync:
            yield (
                DEGRADES,
                f"table {table.name}",
                "it is to be copied anew: that was asked for, or another table had its name",
                "wait; if that fails, a problem says why",
            )


@check("source", DEGRADES)
def tables_gone(obs: Observation) -> Iterator[Found]:
    """Every table that was replicated is still on the source."""
    assert obs.source is not None
    assert obs.destination is not None
    if ended(obs):
        return
    exists = {table.name for table in obs.source.tables} | {i.old for i in follow.renamed(obs)}
    for table in obs.destination.tables:
        if not (table.created or table.filled) or table.name in exists:
            continue
        fix = "it is dropped there by itself; if that fails, a problem says why"
        if table.created and not follow.holds_no_other_rows(table):
            fix = _if_worthless(table.name)
        elif not table.created:
            fix = f"we did not create it: on the destination, DROP TABLE {table.name};"
        yield DEGRADES, f"table {table.name}", "the source has dropped or renamed it", fix


@check("source", DEGRADES)
def tables_renamed(obs: Observation) -> Iterator[Found]:
    """Every table has the same name on both sides."""
    if ended(obs):
        return
    there = plan.destination_tables(obs)
    for _, old, new, anew in follow.renamed(obs):
        fix = "it is renamed here by itself; if that fails, a problem says why"
        if not there[old].created:
            fix = f"we did not create it: on the destination, {_rename(old, new, anew=anew)}"
        yield DEGRADES, f"table {new}", _renamed_from(old), fix
    for _, old, new, _ in roots.renamed(obs):
        fix = "it is renamed here by itself; if that fails, a problem says why"
        yield DEGRADES, f"partitioned table {new}", _renamed_from(old), fix


def _renamed_from(old: TableName) -> str:
    return f"the source has renamed it: the destination has it as {old} still"


def _rename(old: TableName, new: TableName, *, anew: bool) -> str:
    """Return the statements that rename it, in our bookkeeping too."""
    schema, name = quote_literal(new.schema), quote_literal(new.name)
    before = f"({quote_literal(old.schema)}, {quote_literal(old.name)})"
    note = (
        f"UPDATE pgmigrator.tables SET schema_name = {schema}, table_name = {name}"  # noqa: S608
        f"{', resync = true' if anew else ''} WHERE (schema_name, table_name) = {before}"
    )
    return "; ".join(("BEGIN", *renaming(old, new), note, "COMMIT;"))


def _if_worthless(name: TableName) -> str:
    return (
        "it holds rows that did not come from the source: on the destination, if they are worth"
        f" nothing, TRUNCATE ONLY {name};"
    )


@check("destination", DEGRADES)
def tables_not_followed(obs: Observation) -> Iterator[Found]:
    """A table that came later, or that the restore could not create, is not on the destination."""
    if ended(obs) or obs.marker is None or Step.SUBSCRIBED not in obs.marker.steps:
        return
    assert obs.destination is not None
    there = {table.name: table for table in obs.destination.tables}
    renamed = {item.new for item in follow.renamed(obs)}
    for table in plan.uncopied(obs):
        if table.name in renamed or not plan.replicable(table, obs):
            continue
        counterpart = there.get(table.name)
        if counterpart is None:
            yield (
                DEGRADES,
                f"table {table.name}",
                "it is new on the source: the destination does not have it yet",
                "it is created there by itself, once it has stood for some ticks and the changes"
                " before it are applied; if that fails, a problem says why",
            )
        elif counterpart.has_rows:
            yield (
                DEGRADES,
                f"table {table.name}",
                "its counterpart on the destination holds rows that did not come from here",
                f"on the destination, if they are worth nothing: TRUNCATE {table.name};",
            )


@check("destination", DEGRADES)
def sequences_missing(obs: Observation) -> Iterator[Found]:
    """Every sequence of the source is on the destination."""
    if ended(obs) or obs.marker is None or Step.SUBSCRIBED not in obs.marker.steps:
        return
    for name in plan.sequences_missing(obs):
        fix = f"create it there as `pg_dump --schema-only --table={quote(str(name))}` shows it"
        yield DEGRADES, f"sequence {name}", "the destination does not have it", fix


CHECKS: tuple[Check, ...] = (
    large_objects,
    unlogged_tables,
    publication_is_whole,
    tables_left_publication,
    rows_differ,
    tables_swapped,
    tables_resynced,
    tables_gone,
    tables_renamed,
    tables_not_followed,
    sequences_missing,
)
