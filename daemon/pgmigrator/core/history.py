"""What several ticks tell together: lag in time, risen counters, predictions, "since when".

A `History` is immutable and lives in memory only. After a restart it starts anew, which never makes
anything look better: what needs two samples is unknown until there are two.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pgmigrator.core import copies, plan, settling
from pgmigrator.core.facts import Conflicts, DestinationFacts
from pgmigrator.core.model import Copies, Observation, Phase, Problem
from pgmigrator.core.names import TableName
from pgmigrator.core.report import OpenProblem
from pgmigrator.core.restart import Track, track, track_source
from pgmigrator.core.settling import Sighting

#: samples kept for the lag in seconds; older ones are thinned out
MAX_SAMPLES = 600
#: the window over which rates (copy, WAL) are taken, in seconds
RATE_WINDOW_SECONDS = 120.0
FORGET_CONFLICTS = "DELETE FROM pgmigrator.conflicts;"


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter of the server that a crash sets back to zero; we count on."""

    total: int = 0
    last_raw: int | None = None
    #: epoch seconds; None: has not risen since the daemon started
    risen_at: float | None = None

    def observe(self, raw: int, at: float) -> "Counter":
        """Add what a new reading says; the first is the baseline of what others counted."""
        if self.last_raw is None:
            return Counter(max(raw, self.total), raw, None)
        gain = raw - self.last_raw if raw >= self.last_raw else raw
        return Counter(self.total + gain, raw, at if gain else self.risen_at)

    def rose_within(self, seconds: float, at: float) -> bool:
        """Tell whether it has risen in the last seconds before `at`."""
        return self.risen_at is not None and at - self.risen_at < seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the ticks so far have shown about one database."""

    started_at: float
    phase: Phase = Phase.UNKNOWN
    phase_since: float = 0.0
    #: (time, source flush LSN), oldest first
    lsn_samples: tuple[tuple[float, int], ...] = ()
    #: None: unknown
    lag_seconds: float | None = None
    #: (time, retained bytes)
    wal_samples: tuple[tuple[float, int], ...] = ()
    #: (time, completed bytes)
    copy_samples: tuple[tuple[float, int], ...] = ()
    counters: Mapping[str, Counter] = field(default_factory=dict)
    #: when somebody last reset the counters on purpose (a crash leaves this empty)
    counters_reset_at: float | None = None
    #: whoever deletes the note says that the rows are repaired
    conflicts_noted: bool = False
    #: the source's positions in the tick before
    previous_sequences: Mapping[TableName, tuple[int, bool]] | None = None
    current_sequences: Mapping[TableName, tuple[int, bool]] | None = None
    source: Track | None = None
    destination: Track | None = None
    #: when each streaming table was last seen with the rows that were copied or compared
    proven_at: Mapping[TableName, float] = field(default_factory=dict)
    copies: Copies = field(default_factory=Copies)
    #: tables that came, went or were replaced on the source
    differing: Mapping[TableName, Sighting] = field(default_factory=dict)
    foreign_writer_at: float | None = None
    concluded_at: float | None = None
    passing_since: float | None = None
    ready: bool = False
    ready_since: float | None = None
    ready_changed_at: float | None = None
    problems: Mapping[str, float] = field(default_factory=dict)

    @property
    def conflicts(self) -> dict[str, int]:
        """What was counted of each kind of conflict, confl_* column -> count, if anything was."""
        return {
            name: counter.total
            for name, counter in self.counters.items()
            if name.startswith("confl_") and counter.total
        }


def observe(history: History, obs: Observation) -> History:
    """Take one more observation into account."""
    history = _lag(history, obs)
    history = _wal(history, obs)
    history = _copies(history, _counters(history, obs), obs)
    history = _destination(history, obs)
    history = replace(history, source=track_source(history.source, obs))
    history = _proven(history, obs)
    history = replace(history, differing=settling.observe(history.differing, obs))
    if obs.source is not None:
        positions = {s.name: s.position() for s in obs.source.sequences}
        history = replace(
            history,
            previous_sequences=history.current_sequences,
            current_sequences=positions,
        )
    return history


def _lag(history: History, obs: Observation) -> History:
    """Lag is the age of the oldest sampled LSN that the slot has not confirmed."""
    if obs.source is None or obs.source.slot is None:
        return replace(history, lsn_samples=(), lag_seconds=None)
    confirmed = obs.source.slot.confirmed_flush_lsn
    samples = (*history.lsn_samples, (obs.at, obs.source.server.flush_lsn))
    passed = [sample for sample in samples if sample[1] <= confirmed]
    waiting = [sample for sample in samples if sample[1] > confirmed]
    if confirmed > obs.source.server.flush_lsn:
        lag: float | None = None  # ahead of the source: it means nothing
    elif not waiting:
        lag = 0.0
    elif passed:
        lag = obs.at - waiting[0][0]
    else:
        # No sample is confirmed yet: after a restart the true lag may be any age.
        lag = None
    kept = passed[-1:] + _thin(waiting)
    return replace(history, lsn_samples=tuple(kept), lag_seconds=lag)


def _thin(samples: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Halve what is too much, keeping the oldest and the newest."""
    return samples if len(samples) <= MAX_SAMPLES else [*samples[:-1:2], samples[-1]]


def _window(
    samples: tuple[tuple[float, int], ...], at: float, value: int
) -> tuple[tuple[float, int], ...]:
    recent = [sample for sample in samples if at - sample[0] <= RATE_WINDOW_SECONDS]
    return (*recent, (at, value))


def _wal(history: History, obs: Observation) -> History:
    if obs.source is None or obs.source.slot is None:
        return replace(history, wal_samples=())
    slot = obs.source.slot
    retained = slot.retained_bytes + slot.sync_retained_bytes
    return replace(history, wal_samples=_window(history.wal_samples, obs.at, retained))


def _counters(history: History, obs: Observation) -> History:
    if obs.destination is None or obs.destination.subscription is None:
        return history
    subscription = obs.destination.subscription
    raw = {
        "apply": subscription.apply_error_count,
        "sync": subscription.sync_error_count,
        **subscription.conflicts,
    }
    reset = (
        subscription.stats_reset_at is not None
        and subscription.stats_reset_at != history.counters_reset_at
    )
    acknowledged = history.conflicts_noted and obs.destination.conflicts is None
    known = {} if reset or acknowledged else {**_noted(obs.destination), **history.counters}
    counters = {
        name: known.get(name, Counter()).observe(value, obs.at) for name, value in raw.items()
    }
    return replace(
        history,
        counters=counters,
        counters_reset_at=subscription.stats_reset_at,
        conflicts_noted=obs.destination.conflicts is not None,
    )


def _copies(before: History, history: History, obs: Observation) -> History:
    then, now = (each.counters.get("sync") for each in (before, history))
    failures = now.total - then.total if now and then else 0
    seen = copies.observe(history.copies, obs, failures=failures, first=then is None)
    return replace(history, copies=seen)


def _noted(there: DestinationFacts) -> dict[str, Counter]:
    """What was noted before the counters were zeroed, unless that was on purpose."""
    noted, subscription = there.conflicts, there.subscription
    if noted is None or subscription is None:
        return {}
    if subscription.stats_reset_at not in (None, noted.reset_at):
        return {}
    return {name: Counter(count) for name, count in noted.counts.items()}


def conflicts_to_note(history: History, obs: Observation) -> Conflicts | None:
    """Return the conflicts if a kind of them is not noted, or the counters were reset since."""
    if obs.destination is None or obs.destination.subscription is None:
        return None
    noted = obs.destination.conflicts or Conflicts({}, None)
    reset_at = obs.destination.subscription.stats_reset_at
    if reset_at is None:
        reset_at = noted.reset_at  # a crash forgets that too
    known = noted.counts.keys() == history.conflicts.keys() and noted.reset_at == reset_at
    return None if known else Conflicts(history.conflicts, reset_at)


def _destination(history: History, obs: Observation) -> History:
    if obs.destination is None:
        return history
    return replace(
        history,
        destination=track(
            history.destination,
            obs.destination.server,
            obs.at,
            remembered=obs.destination.start_remembered,
            side="destination",
        ),
        foreign_writer_at=obs.at if obs.destination.foreign_writers else history.foreign_writer_at,
    )


def _proven(history: History, obs: Observation) -> History:
    if obs.source is None or obs.destination is None:
        return history
    rewritten = plan.rewritten(obs)
    kept = {name: at for name, at in history.proven_at.items() if name in rewritten}
    now = {t.name: obs.at for t in plan.followed(obs) if t.state == "r" and t.name not in rewritten}
    return replace(history, proven_at=kept | now)


def conclude(
    history: History, phase: Phase, all_pass: bool, problems: tuple[Problem, ...], obs: Observation
) -> History:
    """Settle phase, green light and "since" for this tick."""
    # what was not looked at meanwhile may have been anything
    unwatched = (
        history.concluded_at is not None
        and obs.at - history.concluded_at > obs.policy.fresh_seconds
    )
    since = None if unwatched else history.passing_since
    passing_since = (since or obs.at) if all_pass else None
    ready = (
        phase is Phase.CATCHING_UP
        and passing_since is not None
        and obs.at - passing_since >= obs.policy.stable_seconds
    )
    if ready:
        phase = Phase.READY
    return replace(
        history,
        phase=phase,
        phase_since=history.phase_since if phase is history.phase else obs.at,
        concluded_at=obs.at,
        passing_since=passing_since,
        ready=ready,
        ready_since=(history.ready_since or obs.at) if ready else None,
        ready_changed_at=obs.at if ready != history.ready else history.ready_changed_at,
        problems={key: history.problems.get(key, obs.at) for key in map(_key, problems)},
    )


def stable_at(history: History, obs: Observation) -> float | None:
    """Return when the light goes on if every gate goes on to pass (epoch seconds).

    None: it is on, or some gate does not pass.
    """
    if history.phase is not Phase.CATCHING_UP or history.passing_since is None:
        return None
    return history.passing_since + obs.policy.stable_seconds


def lost_sight(history: History, obs: Observation) -> History:
    """Settle this tick for a database of which nothing could be worked out."""
    return conclude(history, Phase.UNKNOWN, all_pass=False, problems=(), obs=obs)


def _key(problem: Problem) -> str:
    return f"{problem.check}:{problem.object}"


def open_problems(history: History, problems: tuple[Problem, ...]) -> tuple[OpenProblem, ...]:
    """Pair each problem with the time since which it is open."""
    return tuple(
        OpenProblem(problem=problem, since=history.problems[_key(problem)]) for problem in problems
    )


def with_copy_progress(history: History, obs: Observation, completed_bytes: int) -> History:
    """Remember the progress of the copy, for its rate."""
    return replace(history, copy_samples=_window(history.copy_samples, obs.at, completed_bytes))


def rate_per_second(samples: tuple[tuple[float, int], ...]) -> float | None:
    """Return the growth per second over the window; None: fewer than two samples."""
    if len(samples) < 2 or samples[-1][0] <= samples[0][0]:
        return None
    return (samples[-1][1] - samples[0][1]) / (samples[-1][0] - samples[0][0])


def wal_runway_seconds(history: History, obs: Observation) -> float | None:
    """Predict when the slot is lost or its limit is hit; None: not growing, or unknown."""
    if obs.source is None or obs.source.slot is None:
        return None
    slot = obs.source.slot
    left = obs.policy.max_retained_wal_bytes - slot.retained_bytes - slot.sync_retained_bytes
    if slot.safe_wal_bytes is not None:
        left = min(left, slot.safe_wal_bytes)
    growth = rate_per_second(history.wal_samples)
    if growth is None or growth <= 0:
        return None
    return max(left, 0) / growth


def sequences_behind_previous(history: History, obs: Observation) -> int | None:
    """Count destination sequences below the source's value of the tick before; None: unknown."""
    if history.previous_sequences is None or obs.destination is None or obs.source is None:
        return None
    there = {s.name: s.position() for s in obs.destination.sequences}
    behind = sum(
        name in there and there[name] < position
        for name, position in history.previous_sequences.items()
    )
    return behind + len(plan.sequences_missing(obs))
