"""Which function of `postgres/` does which action.

`HANDLERS` is the one place: an action without a handler cannot be decided (tested).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from pgmigrator.core import actions as a
from pgmigrator.core import plan
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Measured
from pgmigrator.errors import Refused
from pgmigrator.postgres import (
    bookkeeping,
    database,
    destination,
    partitions,
    publication,
    remove,
    rename,
    renew,
    restore,
    retire,
    roles,
    sequences,
    subscription,
    verify,
)
from pgmigrator.postgres.children import Tools, find_tools
from pgmigrator.postgres.connect import session
from pgmigrator.postgres.failures import Failure
from pgmigrator.postgres.pair import DatabasePair
from pgmigrator.runtime.work import Work

#: counting rows uses at most one part in so many of the time, and at least so often is it done
COUNT_SHARE = 20
COUNT_INTERVAL_SECONDS = 60.0


class Restore(Protocol):
    """Restores a part of the source's schema, dumped under the lock."""

    async def __call__(
        self, pair: DatabasePair, tools: Tools, *, created: bool, dump_lock: asyncio.Lock
    ) -> tuple[Failure, ...]:
        """Return what the destination refused."""


async def create_roles(work: Work, _: a.CreateRoles) -> None:
    """See the action."""
    async with work.roles_lock:
        refused = await roles.create(work.source, work.destination, work.role_policy)
    work.unit.roles_made(refused, time.time())
    work.observer.expire(work.obs.database)


async def create_database(work: Work, _: a.CreateDatabase) -> None:
    """See the action."""
    await database.create(
        work.source,
        work.destination,
        work.obs.database,
        work.names.temporary_database,
        work.new_marker(created=True),
        tablespace=work.obs.policy.keeps_tablespaces,
    )


async def adopt_database(work: Work, _: a.AdoptDatabase) -> None:
    """See the action."""
    await database.adopt(
        work.source, work.destination, work.obs.database, work.new_marker(created=False)
    )


async def drop_unfinished_database(work: Work, _: a.DropUnfinishedDatabase) -> None:
    """See the action."""
    # nobody is connected to a database that is dropped: observation waits too
    async with work.unit.pause:
        await work.observer.leave(work.obs.database)
        await database.drop_unfinished(work.destination, work.obs.database)


async def restore_schema(work: Work, _: a.RestoreSchema) -> None:
    """See the action."""
    if not (work.there.has_user_objects and plan.adopted_is_restored(work.obs)):
        work.unit.restore_failures["schema"] = await _restore(work, restore.restore_schema)
    # whoever adds a table from here on, it is not ours
    await work.mark(Step.SCHEMA_DONE, created=work.here)
    work.observer.expire(work.obs.database)


async def create_publication(work: Work, action: a.CreatePublication) -> None:
    """See the action."""
    await publication.create(
        work.source, work.obs.database, work.names, action.tables, insert_only=action.insert_only
    )


async def add_to_publication(work: Work, action: a.AddToPublication) -> None:
    """See the action."""
    await publication.add_tables(
        work.source, work.obs.database, work.names, action.tables, insert_only=action.insert_only
    )


async def drop_from_publication(work: Work, action: a.DropFromPublication) -> None:
    """See the action."""
    await publication.drop_tables(work.source, work.obs.database, work.names, action.tables)


async def create_slot(work: Work, _: a.CreateSlot) -> None:
    """See the action."""
    await publication.create_slot(work.source, work.obs.database, work.names)


async def create_subscription(work: Work, _: a.CreateSubscription) -> None:
    """See the action."""
    here, there = work.here, work.there
    assert there.marker is not None
    await subscription.create(
        work.source,
        work.destination,
        work.obs.database,
        work.names,
        there.marker,
        plan.our_publications(work.obs),
        plan.baselines(work.obs),
        plan.storage(work.obs),
        (here.server.identity, there.server.identity),
        (here.server.started_at, there.server.started_at),
    )


async def refresh_subscription(work: Work, _: a.RefreshSubscription) -> None:
    """See the action."""
    new = set(plan.to_subscribe(work.obs))
    tables = [(oid, name) for oid, name in plan.published(work.obs).items() if name in new]
    # refreshed from a publication that is gone meanwhile, the subscription would be emptied
    await publication.assert_publishes(
        work.source, work.obs.database, work.names, set(plan.published(work.obs))
    )
    await subscription.refresh(
        work.destination,
        work.obs.database,
        work.names,
        tables,
        plan.baselines(work.obs),
        plan.storage(work.obs),
    )


async def enable_subscription(work: Work, _: a.EnableSubscription) -> None:
    """See the action."""
    await subscription.enable(work.destination, work.obs.database, work.names, enabled=True)


async def remember_start(work: Work, _: a.RememberStart) -> None:
    """See the action."""
    async with (
        session(work.destination, work.obs.database, "mark") as connection,
        connection.transaction(),
    ):
        starts = work.here.server.started_at, work.there.server.started_at
        await destination.remember_starts(connection, starts)


async def remember_conflicts(work: Work, _: a.RememberConflicts) -> None:
    """See the action."""
    assert work.obs.conflicts is not None
    async with (
        session(work.destination, work.obs.database, "mark") as connection,
        connection.transaction(),
    ):
        await bookkeeping.remember_conflicts(connection, work.obs.conflicts)


async def forget_counts(work: Work, _: a.ForgetCounts) -> None:
    """See the action."""
    await subscription.forget_counts(work.destination, work.obs.database)


async def disable_subscription(work: Work, _: a.DisableSubscription) -> None:
    """See the action."""
    await subscription.enable(work.destination, work.obs.database, work.names, enabled=False)


async def mark_copied(work: Work, _: a.MarkCopied) -> None:
    """See the action."""
    await work.mark(Step.COPIED)


async def restore_rest(work: Work, _: a.RestoreRest) -> None:
    """See the action."""
    failures = await _restore(work, restore.restore_rest)
    work.unit.rest_restored(failures, time.time())
    await work.mark(Step.INDEXED)
    work.observer.expire(work.obs.database)


async def _restore(work: Work, restore_part: Restore) -> tuple[Failure, ...]:
    """Dump the source's schema as it is now, and restore a part of it."""
    tools = find_tools(work.postgres_bin_dir, work.there.server.version_num // 10000)
    assert work.obs.marker is not None
    return await restore_part(
        work.pair, tools, created=work.obs.marker.created, dump_lock=work.dump_lock
    )


async def restore_tables(work: Work, action: a.RestoreTables) -> None:
    """See the action."""
    tools = find_tools(work.postgres_bin_dir, work.there.server.version_num // 10000)
    failures = await restore.restore_tables(
        work.pair, tools, action.tables, dump_lock=work.dump_lock
    )
    _conclude(work, failures)


async def withdraw_tables(work: Work, action: a.WithdrawTables) -> None:
    """See the action."""
    await publication.drop_tables(
        work.source,
        work.obs.database,
        work.names,
        action.tables,
        insert_only=action.insert_only,
    )


def _on_tables(
    follow: Callable[[DatabasePair, Any], Awaitable[tuple[Failure, ...]]],
) -> Callable[[Work, Any], Awaitable[None]]:
    """Make the handler of an action that does something to each of its tables here."""

    async def handler(work: Work, action: Any) -> None:
        _conclude(work, await follow(work.pair, action.tables))

    return handler


def _conclude(work: Work, failures: tuple[Failure, ...]) -> None:
    """Fail as a whole, the rest being done: it is tried again, less and less often."""
    work.observer.expire(work.obs.database)
    if failures:
        raise Refused("; ".join(f"{failed.object}: {failed.reason}" for failed in failures))


async def synchronize_sequences(work: Work, _: a.SynchronizeSequences) -> None:
    """See the action."""
    behind = plan.sequences_behind(work.obs)
    async with session(work.destination, work.obs.database, "sequences") as connection:
        await sequences.synchronize(connection, behind)


async def verify_row_counts(work: Work, action: a.VerifyRowCounts) -> None:
    """See the action; it takes the turn of the sequences, and so sets them first."""
    await synchronize_sequences(work, a.SynchronizeSequences())
    started = time.time()
    wanted = action.only or {table.name for table in plan.followed(work.obs)}
    tables = [(o, n) for o, n in plan.published(work.obs).items() if n in wanted]
    counts = await verify.count_rows(
        work.pair, tables, pause=work.unit.pause, rows_of=plan.comparable(work.obs)
    )
    async with session(work.destination, work.obs.database, "mark") as connection:
        await bookkeeping.remember_equal(connection, counts.equal)
    spent = time.time() - started
    if action.only:
        work.unit.row_counts = plan.with_counts(work.obs.row_counts, counts, action.only)
    else:
        valid = 2 * max(COUNT_INTERVAL_SECONDS, spent * COUNT_SHARE) + spent
        work.unit.row_counts = Measured(counts, started, valid)


async def begin_completion(work: Work, _: a.BeginCompletion) -> None:
    """See the action."""
    await work.mark(Step.COMPLETING)


async def remove_replication(work: Work, _: a.RemoveReplication) -> None:
    """See the action."""
    # a tick that peeks for late writes would hold the slot
    async with work.unit.pause:
        await remove.remove(work.pair, source_known=work.obs.source is not None)


async def drop_slot(work: Work, _: a.DropSlot) -> None:
    """See the action; a destination that answers is told first, so that nobody reads the slot."""
    if work.obs.destination is not None and work.obs.destination.subscription is not None:
        await subscription.enable(work.destination, work.obs.database, work.names, enabled=False)
    marker = work.obs.marker
    subscribed = marker is not None and Step.SUBSCRIBED in marker.steps
    sync_slots = work.observer.sync_slots(work.obs.database)
    await publication.drop_slots(
        work.source, work.obs.database, work.names, sync_slots, subscribed=subscribed
    )


HANDLERS: dict[type[a.Action], Callable[[Work, Any], Awaitable[None]]] = {
    a.CreateRoles: create_roles,
    a.CreateDatabase: create_database,
    a.AdoptDatabase: adopt_database,
    a.DropUnfinishedDatabase: drop_unfinished_database,
    a.RestoreSchema: restore_schema,
    a.CreatePublication: create_publication,
    a.AddToPublication: add_to_publication,
    a.DropFromPublication: drop_from_publication,
    a.CreateSlot: create_slot,
    a.CreateSubscription: create_subscription,
    a.RefreshSubscription: refresh_subscription,
    a.EnableSubscription: enable_subscription,
    a.RememberStart: remember_start,
    a.RememberConflicts: remember_conflicts,
    a.ForgetCounts: forget_counts,
    a.DisableSubscription: disable_subscription,
    a.MarkCopied: mark_copied,
    a.RestoreRest: restore_rest,
    a.RestoreTables: restore_tables,
    a.WithdrawTables: withdraw_tables,
    a.EmptyTables: _on_tables(renew.empty_tables),
    a.DetachPartitions: _on_tables(partitions.detach_partitions),
    a.AttachPartitions: _on_tables(partitions.attach_partitions),
    a.RenameTables: _on_tables(rename.rename_tables),
    a.RenamePartitioned: _on_tables(rename.rename_partitioned),
    a.DropTables: _on_tables(retire.drop_tables),
    a.SynchronizeSequences: synchronize_sequences,
    a.VerifyRowCounts: verify_row_counts,
    a.BeginCompletion: begin_completion,
    a.RemoveReplication: remove_replication,
    a.DropSlot: drop_slot,
}
