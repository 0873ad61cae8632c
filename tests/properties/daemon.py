"""The daemon's tick over the simulator, with what must hold in every one of them."""

from dataclasses import dataclass, field, replace

from pgmigrator.core import history as h
from pgmigrator.core.decide import Decision, decide, may_start
from pgmigrator.core.gates import evaluate
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation, Phase
from pgmigrator.core.preflight import find_problems
from pgmigrator.core.report import GateStatus
from pgmigrator.core.safety import assert_safe
from pgmigrator.core.settling import settled
from tests.properties import simulator

ONCE = {"CreatePublication", "CreateSlot", "CreateSubscription", "CreateDatabase", "RestoreSchema"}


def decided(obs: Observation) -> Decision:
    """Decide, and let nothing through that is not safe."""
    decision = decide(obs, find_problems(obs))
    for offer in decision.offers:
        assert_safe(offer, obs if may_start(offer, obs) else replace(obs, running=frozenset()))
    if decision.action is not None and decision.beside is not None:
        then = obs.running | {decision.action.kind}
        assert_safe(decision.beside, replace(obs, running=then))
    assert decision.beside is None or decision.beside in decision.offers
    startable = [offer for offer in decision.offers if may_start(offer, obs)]
    assert decision.action == (startable[0] if startable else None)
    return decision


@dataclass
class Daemon:
    """One life of the daemon; `world` outlives it."""

    world: Observation
    #: the application draws from its sequences in one tick out of so many
    draws_every: int = 2
    history: h.History = field(init=False)
    phases: list[Phase] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start anew."""
        self.restart()

    def restart(self) -> None:
        """Forget everything but the catalogs."""
        self.world = simulator.restarted(self.world)
        self.history = h.History(started_at=self.world.at)

    def see(self, obs: Observation) -> Decision:
        """Observe, decide and conclude; check what must hold in every tick."""
        self.history = h.observe(self.history, obs)
        obs = replace(
            obs,
            conflicts=h.conflicts_to_note(self.history, obs),
            settled=settled(self.history.differing, obs),
        )
        decision = decided(obs)
        problems = find_problems(obs)
        gates = evaluate(obs, self.history, problems)
        passing = all(gate.status is GateStatus.PASS for gate in gates)
        self.history = h.conclude(self.history, decision.phase, passing, problems, obs)
        steps = obs.marker.steps if obs.marker else frozenset()
        if self.history.ready:
            assert passing
            assert Step.INDEXED in steps
            assert not steps & {Step.SWITCHED, Step.COMPLETING, Step.ABANDONED, Step.COMPLETED}
        if decision.action is not None and decision.action.kind in ONCE:
            assert Step.SUBSCRIBED not in steps
        self.phases.append(self.history.phase)
        return decision

    def tick(self, dies_at: int | None = None) -> int:
        """Run one tick; `dies_at` steps into its action the daemon dies, and starts anew.

        Returns the number of steps that its action has.
        """
        decision = self.see(self.world)
        worlds = [self.world]
        if decision.action is not None:
            self.actions.append(decision.action.kind)
            worlds += simulator.steps(decision.action, self.world)
        if decision.beside is not None:
            self.actions.append(decision.beside.kind)
            worlds.append(simulator.apply(decision.beside, worlds[-1]))
        if dies_at is None:
            self.world = worlds[-1]
        else:
            self.world = worlds[min(dies_at, len(worlds) - 1)]
            self.restart()
        draws = len(self.phases) % self.draws_every == 0
        self.world = simulator.later(self.world, sequences_move=draws)
        return len(worlds)

    def run(self, until: Phase, limit: int = 60) -> None:
        """Tick until a phase is reached."""
        for _ in range(limit):
            self.tick()
            if self.phases[-1] is until:
                return
        raise AssertionError(f"no {until} after {limit} ticks: {self.phases}, {self.actions}")
