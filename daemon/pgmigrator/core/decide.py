"""The state machine: one observation in, a phase and the actions that would be right out.

`RULES` are tried in order and the first answer wins; those for the furthest evidence come first. A
rule offers its actions by preference; `decide` picks the first that may start now. The same
observation always gives the same decision.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pgmigrator.core import actions as a
from pgmigrator.core import follow, insert_only, plan
from pgmigrator.core.drift_sql import is_trigger_mode
from pgmigrator.core.marker import Marker, Step
from pgmigrator.core.model import (
    Observation,
    Phase,
    Problem,
    SchemaItem,
    SchemaKind,
    Severity,
    SourceFacts,
)
from pgmigrator.core.renamed import renamed
from pgmigrator.core.report import Throttle

#: counts that differ are repeated, and tables that were left out are counted, this soon
RECOUNT_AFTER_SECONDS = 10.0

#: these protect the source and start whatever else is under way
URGENT = frozenset({"DropFromPublication", "DropSlot"})
#: these may start while one of those is under way
BESIDE = {"SynchronizeSequences": frozenset({"VerifyRowCounts", "RestoreRest", "RestoreTables"})}
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


@dataclass(frozen=True, slots=True)
class Decision:
    """What the observation means, and what to do about it."""

    phase: Phase
    reason: str
    #: what would be right, in order of preference
    offers: tuple[a.Action, ...] = ()
    #: what to start now; None: nothing
    action: a.Action | None = None
    #: what to start beside it: sequences are followed in every tick, whatever else is to be done
    beside: a.Action | None = None


Rule = Callable[[Observation, tuple[Problem, ...]], Decision | None]


def decide(obs: Observation, problems: tuple[Problem, ...]) -> Decision:
    """Return the phase of a database and at most one action to start (and one beside it)."""
    decision = next(answer for rule in RULES if (answer := rule(obs, problems)) is not None)
    # without names nothing can be told to be ours
    offers = _urgent(obs) + decision.offers if obs.names is not None else ()
    action = next((offer for offer in offers if may_start(offer, obs)), None)
    beside = None
    if action is not None:
        then = replace(obs, running=obs.running | {action.kind})
        companions = (offer for offer in offers if offer.kind in BESIDE and may_start(offer, then))
        beside = next(companions, None)
    return replace(decision, offers=offers, action=action, beside=beside)


def may_start(action: a.Action, obs: Observation) -> bool:
    """Tell whether an action may start beside what is under way."""
    if action.kind in obs.running:
        return False
    if action.kind in URGENT:
        return True  # while it waits, the application's statements fail or the disk fills
    if action.kind in obs.waiting:
        return False
    return obs.running <= BESIDE.get(action.kind, frozenset())


def _urgent(obs: Observation) -> tuple[a.Action, ...]:
    """What protects the source, in every phase in which something of ours is there."""
    found: list[a.Action] = []
    if _keeps_too_much_wal(obs):
        found.append(a.DropSlot())
    if lost := plan.losing_identity(obs):
        found.append(a.DropFromPublication(lost))
    return tuple(found)


def _keeps_too_much_wal(obs: Observation) -> bool:
    return (
        obs.source is not None
        and obs.source.slot is not None
        and obs.source.slot.wal_status != "lost"
        and obs.source.slot.retained_bytes + obs.source.slot.sync_retained_bytes
        > obs.policy.max_retained_wal_bytes
    )


def _passed(obs: Observation, step: Step) -> bool:
    return obs.marker is not None and step in obs.marker.steps


# --- the rules -----------------------------------------------------------------------------------


def destination_unknown(obs: Observation, _: tuple[Problem, ...]) -> Decision | None:
    """Without the destination there is no marker, and so no phase."""
    if obs.destination is None:
        return Decision(Phase.UNKNOWN, obs.destination_error or "the destination was not read")
    if obs.destination.newer_marker:
        return Decision(Phase.UNKNOWN, obs.destination.newer_marker)
    return None


def completed(obs: Observation, _: tuple[Problem, ...]) -> Decision | None:
    """Everything of ours is gone, or will be once the source answers again."""
    if not _passed(obs, Step.COMPLETED):
        return None
    if plan.left_on_source(obs):
        return Decision(
            Phase.COMPLETED, "removing what was left on the source", (a.RemoveReplication(),)
        )
    return Decision(Phase.COMPLETED, "the migration is complete")


def completing(obs: Observation, _: tuple[Problem, ...]) -> Decision | None:
    """`completing` and `abandoned` only ever lead to removal."""
    if not (_passed(obs, Step.COMPLETING) or _passed(obs, Step.ABANDONED)):
        return None
    return Decision(
        Phase.SWITCHED, "removing everything of ours from the source", (a.RemoveReplication(),)
    )


def switched(obs: Observation, _: tuple[Problem, ...]) -> Decision | None:
    """After the switch the destination belongs to the application: we only watch the source."""
    if not _passed(obs, Step.SWITCHED):
        return None
    offers: list[a.Action] = []
    if obs.destination and obs.destination.subscription and obs.destination.subscription.enabled:
        offers.append(a.DisableSubscription())
    if obs.policy.complete and insert_only.quiet(obs):
        offers.append(a.BeginCompletion())
    return Decision(
        Phase.SWITCHED, "switched; waiting for the operator's `complete`", tuple(offers)
    )


def source_unknown(obs: Observation, _: tuple[Problem, ...]) -> Decision | None:
    """Everything before the switch needs both sides."""
    if obs.source is None:
        return Decision(Phase.UNKNOWN, obs.source_error or "the source was not read")
    return None


def servers_changed(obs: Observation, _: tuple[Problem, ...]) -> Decision | None:
    """After a failover or a restore, confirmed LSNs prove nothing."""
    if not _passed(obs, Step.SUBSCRIBED) or not (changes := server_changes(obs)):
        return None
    return Decision(Phase.FAILED, "; ".join(changes))


def server_changes(obs: Observation) -> tuple[str, ...]:
    """Say which server is no longer the one that was subscribed, and how it shows."""
    marker, source, destination = obs.marker, obs.source, obs.destination
    if marker is None or source is None or destination is None:
        return ()
    changes = []
    for side, then, now in (
        ("source", marker.source, source.server.identity),
        ("destination", marker.destination, destination.server.identity),
    ):
        if then.system_identifier != now.system_identifier:
            changes.append(f"the {side} is another server than the one that was copied")
        elif then.timeline != now.timeline:
            changes.append(
                f"the {side} went from timeline {then.timeline} to {now.timeline}:"
                " a failover or restore may have lost writes on one side only"
            )
    if obs.destination_doubt:
        changes.append(obs.destination_doubt)
    return tuple(changes)


def pieces_lost(obs: Observation, _: tuple[Problem, ...]) -> Decision | None:
    """Once `subscribed` stands, nothing of the replication is ever created again by itself."""
    if not _passed(obs, Step.SUBSCRIBED) or obs.source is None or obs.destination is None:
        return None
    lost = []
    if obs.destination.subscription is None:
        lost.append("the subscription was dropped")
    if obs.source.slot is None:
        lost.append("the replication slot is gone")
    elif obs.source.slot.wal_status == "lost":
        lost.append("the replication slot was invalidated: WAL that it needed is gone")
    if obs.names is not None and plan.our_publication(obs) is None:
        lost.append("the publication was dropped, or replaced by one that is not ours")
    elif obs.names is not None and plan.insert_only_lost(obs):
        name = obs.names.insert_only_publication
        lost.append(f"publication {name} was dropped, or replaced by one that is not ours")
    return Decision(Phase.FAILED, "; ".join(lost)) if lost else None


def copying(obs: Observation, problems: tuple[Problem, ...]) -> Decision | None:
    """The initial copy runs until each followed table streams."""
    if not _passed(obs, Step.SUBSCRIBED) or _passed(obs, Step.COPIED):
        return None
    broken = {p.object for p in problems if p.severity is not Severity.NOTE}
    left = [
        table
        for table in plan.followed(obs)
        if table.state != "r" and f"table {table.name}" not in broken
    ]
    if left:
        return Decision(Phase.COPYING, f"{len(left)} tables are still to be copied", _mend(obs))
    return Decision(Phase.COPYING, "every table is copied", (*_mend(obs), a.MarkCopied()))


def indexing(obs: Observation, _: tuple[Problem, ...]) -> Decision | None:
    """Indexes, constraints and the rest come after the copy, while changes stream."""
    if not _passed(obs, Step.COPIED) or _passed(obs, Step.INDEXED):
        return None
    return Decision(
        Phase.INDEXING,
        "indexes, constraints, triggers and statistics are being built",
        (*_mend(obs), a.RestoreRest(), *_sequences(obs)),
    )


def streaming(obs: Observation, _: tuple[Problem, ...]) -> Decision | None:
    """Changes stream; the gates tell whether the light is green."""
    if not _passed(obs, Step.INDEXED):
        return None
    offers: list[a.Action] = [*_mend(obs)]
    if _something_to_restore(obs):
        offers.append(a.RestoreRest())
    # before the sequences: a busy application leaves them behind in every tick
    offers.extend(_count(obs))
    offers.extend(_sequences(obs))
    return Decision(Phase.CATCHING_UP, "changes stream to the destination", tuple(offers))


def blocked(obs: Observation, problems: tuple[Problem, ...]) -> Decision | None:
    """A finding that blocks: nothing (more) is created."""
    blocking = [problem for problem in problems if problem.severity is Severity.BLOCKS]
    if not blocking:
        return None
    reason = "; ".join(f"{problem.object}: {problem.reason}" for problem in blocking[:3])
    return Decision(Phase.SCHEMA if obs.marker else Phase.BLOCKED, reason)


def beginning(obs: Observation, _: tuple[Problem, ...]) -> Decision | None:
    """Nothing of ours is there yet: roles first, then the database."""
    if obs.marker is not None or obs.destination is None:
        return None
    if obs.roles is None or obs.environment.route_error is None:
        return Decision(Phase.PREFLIGHT, "the checks are not through yet")
    if roles := _roles(obs):
        return Decision(Phase.PREFLIGHT, "creating the roles", roles)
    if obs.destination.database is None:
        return Decision(Phase.PREFLIGHT, "creating the database", (a.CreateDatabase(),))
    return Decision(Phase.PREFLIGHT, "adopting the empty database", (a.AdoptDatabase(),))


def schema(obs: Observation, _: tuple[Problem, ...]) -> Decision:
    """From the marked, empty database to the subscription."""
    return Decision(Phase.SCHEMA, *_next_schema_step(obs, obs.marker))


def _next_schema_step(obs: Observation, marker: Marker | None) -> tuple[str, tuple[a.Action, ...]]:
    assert obs.source is not None
    assert obs.destination is not None
    assert marker is not None
    if obs.roles is None or obs.environment.route_error is None:
        return "the checks are not through yet", ()
    if Step.SCHEMA_DONE not in marker.steps:
        if obs.destination.has_user_objects and marker.created:
            return "an unfinished schema is dropped", (a.DropUnfinishedDatabase(),)
        return "restoring the schema", (a.RestoreSchema(),)
    return _next_replication_step(obs, obs.source)


def _next_replication_step(
    obs: Observation, source: SourceFacts
) -> tuple[str, tuple[a.Action, ...]]:
    if obs.schema is None:
        return "the schemas are being compared", ()
    if uncertain := plan.not_known_empty(obs):
        return f"not copying into what may hold rows: {', '.join(map(str, uncertain[:3]))}", ()
    if publish := _next_publication_step(obs, source):
        return "publishing tables", (publish,)
    if not admitted(obs):
        return "waits until another database of the mapping is copied (MAX_PARALLEL_TABLES)", ()
    if source.slot is None:
        waits = "; waits for " + ", ".join(source.open_writers[:3])
        return "creating the slot" + (waits if source.open_writers else ""), (a.CreateSlot(),)
    if source.slot.wal_status == "lost":
        return "the slot was invalidated before it was used; it is made anew", (a.DropSlot(),)
    return "creating the subscription", (a.CreateSubscription(),)


def throttles(obs: Observation) -> frozenset[Throttle]:
    """Say why the copy of this database waits now, although nothing is wrong with it."""
    waits = _passed(obs, Step.SCHEMA_DONE) and not _passed(obs, Step.SUBSCRIBED)
    if not waits or obs.marker is None or obs.marker.ended or admitted(obs):
        return frozenset()
    return frozenset({Throttle.MAX_PARALLEL_TABLES})


def _next_publication_step(obs: Observation, source: SourceFacts) -> a.Action | None:
    there = {False: source.publication, True: source.insert_only}
    for inserts in (False, True) if plan.insert_only_wanted(obs) else (False,):
        missing = plan.to_publish(obs, insert_only=inserts)
        if there[inserts] is None:
            return a.CreatePublication(missing, insert_only=inserts)
        if missing:
            return a.AddToPublication(missing, insert_only=inserts)
    return None


def admitted(obs: Observation) -> bool:
    """Tell whether this database may copy now: each copies as many tables as sync workers allow."""
    if obs.destination is None:
        return False
    workers = obs.destination.server.setting("max_sync_workers_per_subscription")
    at_once = obs.policy.max_parallel_tables // max(workers, 1)
    return obs.environment.copying_databases < at_once


def _mend(obs: Observation) -> tuple[a.Action, ...]:
    """What keeps a running subscription whole: on, and following new roles and tables."""
    assert obs.destination is not None
    offers: list[a.Action] = []
    if not obs.destination.start_remembered:
        offers.append(a.RememberStart())
    subscription = obs.destination.subscription
    if subscription and not subscription.enabled and "VerifyRowCounts" not in obs.running:
        offers.append(a.EnableSubscription())
    if plan.counting_stopped(obs):
        offers.append(a.ForgetCounts())
    # before the tables, which may belong to them
    return (*offers, *_roles(obs), *_follow(obs))


def _roles(obs: Observation) -> tuple[a.CreateRoles, ...]:
    """Create what the destination lacks, at the start as later; what it has is left as it is."""
    lacking = obs.roles is not None and any(not each.exists for each in obs.roles.value)
    return (a.CreateRoles(),) if lacking else ()


def _follow(obs: Observation) -> tuple[a.Action, ...]:
    """What follows the source's tables: those that come, go, or are replaced."""
    offers: list[a.Action] = []
    if names := follow.to_rename(obs):
        offers.append(a.RenameTables(names))
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


def _sequences(obs: Observation) -> tuple[a.Action, ...]:
    return (a.SynchronizeSequences(),) if plan.sequences_behind(obs) else ()


def _comes_with_its_table(item: SchemaItem) -> bool:
    """A CHECK is part of CREATE TABLE, unless it is not validated: no restore brings it later."""
    return " CHECK (" in item.definition and not item.definition.endswith(" NOT VALID")


def _something_to_restore(obs: Observation) -> bool:
    """What comes after the data is missing here, or the planner knows nothing."""
    if any(table.state == "r" and not table.has_statistics for table in plan.followed(obs)):
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


def _count(obs: Observation) -> tuple[a.VerifyRowCounts, ...]:
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
    if left_out and obs.at - counts.last_at > RECOUNT_AFTER_SECONDS:
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


RULES: tuple[Rule, ...] = (
    destination_unknown,
    completed,
    completing,
    switched,
    source_unknown,
    servers_changed,
    pieces_lost,
    streaming,
    indexing,
    copying,
    blocked,
    beginning,
    schema,
)
