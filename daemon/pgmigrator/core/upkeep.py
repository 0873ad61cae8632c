"""What a database is offered while changes stream to it: upkeep, what follows the source, counts.

The rules of the phases (decide.py) ask for it. Each function names actions by preference; none
knows what is under way or waits.
"""

from pgmigrator.core import actions as a
from pgmigrator.core import extension_rows, follow, plan, roots
from pgmigrator.core.drift_sql.lines import is_trigger_mode
from pgmigrator.core.model import Observation, SchemaItem, SchemaKind
from pgmigrator.core.renamed import renamed

#: counts that differ are repeated this soon
RECOUNT_AFTER_SECONDS = 10.0
#: Tables that were left out, or rewritten since, are counted this soon: a table that is truncated
#: again and again is compared before what was known of it is too old.
COUNT_MORE_AFTER_SECONDS = 5.0
#: what RestoreRest brings again by itself if it is missing
POST_DATA = frozenset(
    {
        SchemaKind.CONSTRAINT,
        SchemaKind.INDEX,
        SchemaKind.TRIGGER,
        SchemaKind.RULE,
        SchemaKind.POLICY,
        SchemaKind.STATISTICS,
        SchemaKind.EVENT_TRIGGER,
    }
)


def mend(obs: Observation) -> tuple[a.Action, ...]:
    """What keeps a running subscription whole: on, and following new roles and tables."""
    assert obs.destination is not None
    offers: list[a.Action] = []
    if not obs.starts_remembered:
        offers.append(a.RememberStart())
    if obs.conflicts is not None:
        offers.append(a.RememberConflicts())
    subscription = obs.destination.subscription
    # a count pauses it only where no observation looks
    if subscription and not subscription.enabled:
        offers.append(a.EnableSubscription())
    if plan.counting_stopped(obs):
        offers.append(a.ForgetCounts())
    # before the tables, which may belong to them
    return (*offers, *roles(obs), *_follow(obs))


def roles(obs: Observation) -> tuple[a.CreateRoles, ...]:
    """Create what the destination lacks, at the start as later; what it has is left as it is."""
    lacking = obs.roles is not None and any(not each.exists for each in obs.roles.value)
    return (a.CreateRoles(),) if lacking else ()


def _follow(obs: Observation) -> tuple[a.Action, ...]:
    """What follows the source's tables: those that come, go, or are replaced."""
    offers: list[a.Action] = []
    if names := follow.to_rename(obs):
        offers.append(a.RenameTables(names))
    if partitioned := roots.to_rename(obs):
        offers.append(a.RenamePartitioned(partitioned))
    if alone := follow.to_detach(obs):
        offers.append(a.DetachPartitions(alone))
    for inserts in (False, True):
        if stale := follow.to_withdraw(obs, insert_only=inserts):
            offers.append(a.WithdrawTables(stale, insert_only=inserts))
    if obs.schema is not None and plan.our_publication(obs) is not None:
        offers.extend(_additions(obs))
    if _may_refresh(obs):
        offers.append(a.RefreshSubscription())
    return (*offers, *_follow_at_leisure(obs))


def _follow_at_leisure(obs: Observation) -> tuple[a.Action, ...]:
    """What may have to wait for apply."""
    offers: list[a.Action] = []
    if idle := follow.to_empty(obs):
        offers.append(a.EmptyTables(idle))
    if gone := follow.to_drop(obs):
        offers.append(a.DropTables(gone))
    if joined := follow.to_attach(obs):
        offers.append(a.AttachPartitions(joined))
    if came := follow.to_restore(obs):
        offers.append(a.RestoreTables(came))
    return tuple(offers)


def _additions(obs: Observation) -> tuple[a.Action, ...]:
    fit = ((inserts, plan.to_publish(obs, insert_only=inserts)) for inserts in (False, True))
    return tuple(a.AddToPublication(new, insert_only=inserts) for inserts, new in fit if new)


def _may_refresh(obs: Observation) -> bool:
    wanted = plan.to_subscribe(obs)
    lost = {*plan.left_publication(obs)} - follow.to_renew(obs)
    return (
        bool(wanted or follow.to_unsubscribe(obs))
        and plan.our_publication(obs) is not None
        and not lost
        and not {*plan.published(obs).values()} & follow.to_renew(obs)
        and not follow.unrestored(obs)
        and not {*wanted} & {*plan.not_known_empty(obs)}
    )


def sequences(obs: Observation) -> tuple[a.Action, ...]:
    """Set what stands behind the source's."""
    return (a.SynchronizeSequences(),) if plan.sequences_behind(obs) else ()


def _comes_with_its_table(item: SchemaItem) -> bool:
    """A CHECK is part of CREATE TABLE, unless rows may break it: no restore brings it later."""
    return " CHECK (" in item.definition and not item.definition.endswith(
        (" NOT VALID", " NOT ENFORCED")
    )


def something_to_restore(obs: Observation) -> bool:
    """What comes after the data is missing here, or the planner knows nothing."""
    if any(table.state == "r" and not table.has_statistics for table in plan.followed(obs)):
        return True
    if extension_rows.to_copy(obs):
        return True
    # indexes come after the copy
    other_names = renamed(obs.schema.value) if obs.schema else {}
    left = (plan.drifted_tables(obs) or frozenset()) | {str(name) for name in plan.to_copy(obs)}
    return obs.schema is not None and any(
        (item.missing or is_trigger_mode(item.definition))
        and item.kind in POST_DATA
        and item.object not in left
        and item not in other_names
        and not _comes_with_its_table(item)
        for item in obs.schema.value
    )


def count(obs: Observation) -> tuple[a.VerifyRowCounts, ...]:
    """Count what is due: all of it on its schedule, and soon what the last count left out."""
    if obs.source is None or obs.destination is None:
        return ()
    if any(table.state != "r" for table in plan.followed(obs)) or not _keeps_up(obs):
        return ()
    if obs.row_counts is None or not counts_are_of_these_servers(obs):
        return (a.VerifyRowCounts(),)
    counts = obs.row_counts.value
    age = obs.at - obs.row_counts.at
    if age > obs.row_counts.valid_seconds / 2 or (counts.deltas and age > RECOUNT_AFTER_SECONDS):
        return (a.VerifyRowCounts(),)
    left_out = plan.uncounted(obs) | (plan.uncompared(obs) & plan.comparable(obs))
    if left_out and obs.at - counts.last_at > COUNT_MORE_AFTER_SECONDS:
        return (a.VerifyRowCounts(left_out),)
    return ()


def _keeps_up(obs: Observation) -> bool:
    """Counting waits until apply has reached a snapshot of now: that must not be far."""
    slot = obs.source.slot if obs.source else None
    if obs.source is None or slot is None:
        return False
    lag_bytes = obs.source.server.flush_lsn - slot.confirmed_flush_lsn
    return lag_bytes <= obs.policy.max_lag_bytes


def counts_are_of_these_servers(obs: Observation) -> bool:
    """A comparison proves nothing beyond a restart of either server."""
    if obs.row_counts is None or obs.source is None or obs.destination is None:
        return False
    counts = obs.row_counts.value
    return (
        counts.source_started_at == obs.source.server.started_at
        and counts.destination_started_at == obs.destination.server.started_at
    )
