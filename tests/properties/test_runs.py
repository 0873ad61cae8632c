"""Whole runs over the simulator: they finish, in order, and heal from a death at any step."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from pgmigrator.core import actions as a
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Measured, Observation, Phase, RoleDifference
from pgmigrator.core.names import TableName
from tests.properties import simulator
from tests.properties.daemon import Daemon, decided
from tests.unit import builders as b

ROLE = RoleDifference(role="app", exists=False, reason="missing", fix="")
FRESH = b.change(b.fresh(), {"roles": Measured((ROLE,), b.NOW, 25.0)})
ADOPTED = b.change(b.fresh(), {"destination.database": b.database(20_000)})
LATER_TABLE = b.source_table(103, TableName("public", "later"))
ORDER: list[Phase] = [phase for phase in Phase if phase not in (Phase.BLOCKED, Phase.FAILED)]


def completed(daemon: Daemon) -> None:
    """Go on to the green light, switch, and let COMPLETE=true end it."""
    daemon.run(Phase.READY)
    daemon.world = simulator.switch(daemon.world)
    daemon.world = b.change(daemon.world, {"policy.complete": True})
    daemon.run(Phase.COMPLETED)
    nothing_is_left(daemon.world)


def nothing_is_left(world: Observation) -> None:
    assert world.source is not None
    assert world.destination is not None
    assert world.source.slot is None
    assert world.source.publication is None
    assert world.destination.subscription is None
    assert decided(world).offers == ()


@pytest.mark.parametrize("start", [FRESH, ADOPTED])
def test_an_undisturbed_run_finishes_in_order(start: Observation) -> None:
    daemon = Daemon(start)
    completed(daemon)
    order = [ORDER.index(phase) for phase in daemon.phases]
    assert order == sorted(order)
    again = {"SynchronizeSequences", "VerifyRowCounts"}
    once = [kind for kind in daemon.actions if kind not in again]
    assert len(once) == len(set(once)), once


def test_a_setting_left_behind_ends_nothing_before_the_switch() -> None:
    daemon = Daemon(b.change(FRESH, {"policy.complete": True}))
    daemon.run(Phase.READY)
    for _ in range(20):
        daemon.tick()
    assert daemon.phases[-1] is Phase.READY
    assert not {"BeginCompletion", "RemoveReplication"} & set(daemon.actions)


def interruptions(start: Observation) -> list[tuple[int, int]]:
    """Every tick of an undisturbed run to the light and beyond, and every step of its action."""
    daemon = Daemon(start)
    return [(tick, step) for tick in range(25) for step in range(daemon.tick())]


@pytest.mark.parametrize(
    ("start", "tick", "step"),
    [(start, *death) for start in (FRESH, ADOPTED) for death in interruptions(start)],
)
def test_a_death_at_any_step_heals(start: Observation, tick: int, step: int) -> None:
    daemon = Daemon(start)
    for _ in range(tick):
        daemon.tick()
    daemon.tick(dies_at=step)
    completed(daemon)


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("source_answers", [True, False])
def test_a_death_during_the_removal_heals(step: int, source_answers: bool) -> None:
    daemon = Daemon(b.switched(Step.COMPLETING))
    source = daemon.world.source
    if not source_answers:
        (partial, *_, done) = simulator.steps(
            a.RemoveReplication(), replace(daemon.world, source=None)
        )
        daemon.world = replace(done if step else partial, source=source)
    else:
        daemon.tick(dies_at=step)
    daemon.run(Phase.COMPLETED)
    daemon.tick()
    nothing_is_left(daemon.world)


@pytest.mark.parametrize("every", [1, 2, 3])
def test_a_daemon_that_dies_again_and_again_still_gets_there(every: int) -> None:
    daemon = Daemon(FRESH)
    for tick in range(60):
        daemon.tick(dies_at=tick if tick % every == 0 else None)
    completed(daemon)


def test_a_busy_application_does_not_starve_the_light() -> None:
    daemon = Daemon(FRESH, draws_every=1)
    daemon.run(Phase.READY)
    for _ in range(60):
        daemon.tick()
        assert daemon.phases[-1] is Phase.READY


@pytest.mark.parametrize(
    "restart",
    [
        {"destination.start_remembered": False, "destination.server.started_at": b.NOW},
        {"source.server.started_at": b.NOW},
    ],
    ids=["destination", "source"],
)
def test_a_restart_that_was_watched_heals(restart: dict[str, object]) -> None:
    daemon = Daemon(FRESH)
    daemon.run(Phase.READY)
    daemon.world = b.change(daemon.world, restart)
    daemon.tick()
    assert daemon.phases[-1] is Phase.CATCHING_UP
    daemon.run(Phase.READY)
    assert "RememberStart" in daemon.actions


def test_acting_again_after_success_changes_nothing() -> None:
    daemon, seen = Daemon(FRESH), set()
    for _ in range(25):
        action = decided(daemon.world).action
        if action is not None:
            after = simulator.apply(action, daemon.world)
            again = decided(after)
            assert action not in again.offers, action
            seen.add(action.kind)
        daemon.tick()
    assert len(seen) >= 10


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_blind_tick_puts_the_light_out_and_starts_nothing(side: str) -> None:
    daemon = Daemon(FRESH)
    daemon.run(Phase.READY)
    decision = daemon.see(b.change(daemon.world, {side: None}))
    assert decision.action is None
    assert (daemon.phases[-1], daemon.history.ready) == (Phase.UNKNOWN, False)
    daemon.tick()
    assert not daemon.history.ready
    daemon.run(Phase.READY)


def test_a_table_that_comes_later_fails_the_light_until_it_streams() -> None:
    daemon = Daemon(FRESH)
    daemon.run(Phase.READY)
    assert daemon.world.source is not None
    tables = daemon.world.source.tables
    daemon.world = simulator.look(b.change(daemon.world, {"source.tables": (*tables, LATER_TABLE)}))
    daemon.tick()
    assert daemon.phases[-1] is Phase.CATCHING_UP
    assert "RestoreTables" not in daemon.actions  # it may be gone in a moment
    completed(daemon)
    once = ["RestoreTables", "AddToPublication", "RefreshSubscription"]
    assert [kind for kind in daemon.actions if kind in once] == once


ANEW = ["RefreshSubscription", "EmptyTables", "AddToPublication", "RefreshSubscription"]


def renewed(daemon: Daemon, before: int) -> list[str]:
    """Go on to the green light, which must not show before the table is copied and counted."""
    kinds = {"WithdrawTables", "VerifyRowCounts", *ANEW}
    for _ in range(60):
        daemon.tick()
        done = [kind for kind in daemon.actions[before:] if kind in kinds]
        if daemon.phases[-1] is Phase.READY:
            return done
    raise AssertionError(done)


def replaced(world: Observation) -> Observation:
    """The source's first table is dropped, and another one takes its name."""
    gone = {"source.tables.0.oid": 999, "source.publication": b.publication((102, b.ITEMS))}
    return simulator.look(b.change(world, gone))


def resynced(world: Observation) -> Observation:
    return simulator.look(b.change(world, {"destination.tables.0.resync": True}))


@pytest.mark.parametrize("happens", [replaced, resynced])
def test_a_table_is_copied_anew_and_counted_before_the_light(
    happens: Callable[[Observation], Observation],
) -> None:
    daemon = Daemon(FRESH)
    daemon.run(Phase.READY)
    before = len(daemon.actions)
    daemon.world = happens(daemon.world)
    daemon.tick()
    assert daemon.phases[-1] is Phase.CATCHING_UP
    first = ["WithdrawTables"] if happens is resynced else []
    assert renewed(daemon, before) == [*first, *ANEW, "VerifyRowCounts"]


@pytest.mark.parametrize("happens", [replaced, resynced])
@pytest.mark.parametrize("tick", range(12))
@pytest.mark.parametrize("step", range(3))
def test_a_death_while_a_table_is_copied_anew_heals(
    happens: Callable[[Observation], Observation], tick: int, step: int
) -> None:
    daemon = Daemon(FRESH)
    daemon.run(Phase.READY)
    daemon.world = happens(daemon.world)
    for _ in range(tick):
        daemon.tick()
    daemon.tick(dies_at=step)
    completed(daemon)


def but_sequences(daemon: Daemon) -> list[str]:
    """What was done, but for what goes on beside it."""
    return [kind for kind in daemon.actions if kind != "SynchronizeSequences"]


def test_a_lost_identity_leaves_the_publication_at_once_and_never_returns() -> None:
    daemon = Daemon(FRESH)
    daemon.run(Phase.READY)
    daemon.world = b.change(daemon.world, {"source.tables.0.identity_usable": False})
    daemon.tick()
    assert but_sequences(daemon)[-1] == "DropFromPublication"
    daemon.world = b.change(daemon.world, {"source.tables.0.identity_usable": True})
    for _ in range(20):
        daemon.tick()
        assert daemon.phases[-1] is Phase.CATCHING_UP
    assert not {"AddToPublication", "RefreshSubscription"} & set(daemon.actions)


@pytest.mark.parametrize(
    "changes",
    [
        {"source.slot": None},
        {"source.slot.wal_status": "lost"},
        {"source.publication": None},
        {"destination.subscription": None},
        {"source.server.identity.timeline": 2},
        {"destination.server.identity.timeline": 2},
        {"source.server.identity.system_identifier": 1},
        {"doubt": "it is an older copy"},
    ],
)
@pytest.mark.parametrize("phase", [Phase.COPYING, Phase.INDEXING, Phase.CATCHING_UP, Phase.READY])
def test_what_cannot_heal_fails_and_nothing_is_created_again(
    phase: Phase, changes: dict[str, object]
) -> None:
    daemon = Daemon(FRESH)
    daemon.run(phase)
    daemon.world = b.change(daemon.world, changes)
    before = len(daemon.actions)
    for _ in range(10):
        daemon.tick()
        assert daemon.phases[-1] is Phase.FAILED
    assert daemon.actions[before:] == []


def test_a_slot_that_keeps_too_much_is_dropped_and_the_copy_has_failed() -> None:
    daemon = Daemon(FRESH)
    daemon.run(Phase.CATCHING_UP)
    daemon.world = b.change(daemon.world, {"source.slot.retained_bytes": 2**50})
    daemon.tick(dies_at=1)
    daemon.tick()
    assert but_sequences(daemon)[-2:] == ["DropSlot", "DropSlot"]
    daemon.tick()
    assert daemon.phases[-1] is Phase.FAILED
