"""The state machine: one observation in, a phase and the actions that would be right out.

`RULES` are tried in order and the first answer wins; those for the furthest evidence come first. A
rule offers its actions by preference; `decide` picks the first that may start now. The same
observation always gives the same decision.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pgmigrator.core import actions as a
from pgmigrator.core import copies, late, plan, upkeep
from pgmigrator.core.facts import SourceFacts
from pgmigrator.core.marker import Marker, Step
from pgmigrator.core.model import Observation, Phase, Problem, Severity
from pgmigrator.core.report import Throttle
from pgmigrator.core.ties import concerns

#: these protect the source and start whatever else is under way
URGENT = frozenset({"DropFromPublication", "DropSlot"})
#: may take hours
LONG = frozenset({"VerifyRowCounts", "RestoreRest", "RestoreTables"})
#: take a moment, and may start beside what may wait or take long: sequences, and notes of ours
BRIEF = frozenset({"RememberStart", "RememberConflicts", "ForgetCounts", "SynchronizeSequences"})
#: is simply begun anew: it gives way to what must not wait for hours
COUNTS = frozenset({"VerifyRowCounts"})
#: what waits for a count: it is due again and again, or comes in every tick
_PATIENT = COUNTS | {"RestoreRest"}


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
    #: what could start if no count were under way; None: no count is in the way of anything
    held_up: a.Action | None = None


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
        companions = (offer for offer in offers if offer.kind in BRIEF and may_start(offer, then))
        beside = next(companions, None)
    return replace(
        decision, offers=offers, action=action, beside=beside, held_up=_held_up(offers, obs)
    )


def _held_up(offers: tuple[a.Action, ...], obs: Observation) -> a.Action | None:
    if not obs.running & COUNTS:
        return None
    without = replace(obs, running=obs.running - COUNTS)
    waiting = (o for o in offers if o.kind not in _PATIENT | URGENT | BRIEF)
    return next((o for o in waiting if may_start(o, without)), None)


def may_start(action: a.Action, obs: Observation) -> bool:
    """Tell whether an action may start beside what is under way."""
    if action.kind in obs.running:
        return False
    if action.kind in URGENT:
        return True  # while it waits, the application's statements fail or the disk fills
    if action.kind in obs.waiting:
        return False
    return not obs.running or (action.kind in BRIEF and obs.running <= LONG | URGENT)


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
    if obs.policy.complete and late.quiet(obs) and not obs.environment.lingering_databases:
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
    if obs.doubt:
        changes.append(obs.doubt)
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
    hopeful = copies.hopeful(obs)
    left = [
        table
        for table in plan.followed(obs)
        if table.state != "r" and (f"table {table.name}" not in broken or table.name in hopeful)
    ]
    if left:
        return Decision(
            Phase.COPYING, f"{len(left)} tables are still to be copied", upkeep.mend(obs)
        )
    return Decision(Phase.COPYING, "every table is copied", (*upkeep.mend(obs), a.MarkCopied()))


def indexing(obs: Observation, _: tuple[Problem, ...]) -> Decision | None:
    """Indexes, constraints and the rest come after the copy, while changes stream."""
    if not _passed(obs, Step.COPIED) or _passed(obs, Step.INDEXED):
        return None
    return Decision(
        Phase.INDEXING,
        "indexes, constraints, triggers and statistics are being built",
        (*upkeep.mend(obs), a.RestoreRest(), *upkeep.sequences(obs)),
    )


def streaming(obs: Observation, _: tuple[Problem, ...]) -> Decision | None:
    """Changes stream; the gates tell whether the light is green."""
    if not _passed(obs, Step.INDEXED):
        return None
    offers: list[a.Action] = [*upkeep.mend(obs)]
    if upkeep.something_to_restore(obs):
        offers.append(a.RestoreRest())
    # before the sequences: a busy application leaves them behind in every tick
    offers.extend(upkeep.count(obs))
    offers.extend(upkeep.sequences(obs))
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
        return Decision(Phase.PREFLIGHT, _not_through(obs))
    roles = upkeep.roles(obs)
    # those of other databases may wait for a person: this one does not
    needed = [r.role for r in obs.roles.value if not r.exists and concerns(r.role, obs)]
    if needed:
        return Decision(Phase.PREFLIGHT, f"creating the roles: {', '.join(needed[:3])}", roles)
    if obs.destination.database is None:
        return Decision(Phase.PREFLIGHT, "creating the database", (*roles, a.CreateDatabase()))
    return Decision(Phase.PREFLIGHT, "adopting the empty database", (*roles, a.AdoptDatabase()))


def _not_through(obs: Observation) -> str:
    """Say that the checks are not through yet, and what keeps them."""
    return "; ".join(filter(None, ("the checks are not through yet", obs.source_error)))


def schema(obs: Observation, _: tuple[Problem, ...]) -> Decision:
    """From the marked, empty database to the subscription."""
    return Decision(Phase.SCHEMA, *_next_schema_step(obs, obs.marker))


def _next_schema_step(obs: Observation, marker: Marker | None) -> tuple[str, tuple[a.Action, ...]]:
    assert obs.source is not None
    assert obs.destination is not None
    assert marker is not None
    if obs.roles is None or obs.environment.route_error is None:
        return _not_through(obs), ()
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
