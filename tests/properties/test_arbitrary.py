"""What holds of every observation, however absurd; above all, unknown is never good news."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pgmigrator.core import actions as a
from pgmigrator.core.decide import BRIEF, URGENT, Decision, decide
from pgmigrator.core.facts import Baseline
from pgmigrator.core.gates import GATE_NAMES, evaluate
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation, Phase
from pgmigrator.core.preflight import find_problems
from pgmigrator.core.report import GateStatus
from pgmigrator.core.safety import assert_safe
from pgmigrator.core.summary import table_reports
from pgmigrator.errors import InvariantBroken
from tests.properties.strategies import LATER, observations
from tests.unit import builders as b

PASS = GateStatus.PASS
ENDED = {Step.SWITCHED, Step.COMPLETING, Step.COMPLETED, Step.ABANDONED}
REMOVING = {Step.COMPLETING, Step.COMPLETED, Step.ABANDONED}
#: counting is how counts become known
MEASURES = {"VerifyRowCounts"}
Hide = Callable[[Observation], Observation]


def decided(obs: Observation) -> Decision:
    return decide(obs, find_problems(obs))


def gates(obs: Observation) -> dict[str, GateStatus]:
    results = evaluate(obs, b.history_of(obs, obs), find_problems(obs))
    return {result.name: result.status for result in results}


def steps(obs: Observation) -> frozenset[Step]:
    return obs.marker.steps if obs.marker else frozenset()


def hide(path: str) -> Hide:
    """Make a fact unknown, if what holds it is known."""

    def hidden(obs: Observation) -> Observation:
        node: Any = obs
        for part in path.split(".")[:-1]:
            node = getattr(node, part)
        return obs if node is None else b.change(obs, {path: None})

    return hidden


def hide_rows(obs: Observation) -> Observation:
    """Nobody looked whether the destination's tables hold rows."""
    if obs.destination is None:
        return obs
    tables = tuple(replace(table, has_rows=None) for table in obs.destination.tables)
    return b.change(obs, {"destination.tables": tables})


#: facts of which None means that they were not read
FACTS: dict[str, Hide] = {
    path: hide(path) for path in ("source", "destination", "row_counts", "source.late_writes")
}


@given(observations)
def test_decide_is_total_and_deterministic(obs: Observation) -> None:
    decision = decided(obs)
    assert decision == decided(replace(obs))
    assert decision.reason
    assert decision.phase is not Phase.READY
    assert decision.action is None or decision.action in decision.offers
    table_reports(obs, find_problems(obs))


@given(observations)
def test_whatever_is_offered_is_safe(obs: Observation) -> None:
    for offer in decided(obs).offers:
        assert_safe(offer, replace(obs, running=frozenset()))


@given(observations)
def test_whatever_starts_is_safe_beside_what_is_under_way(obs: Observation) -> None:
    decision = decided(obs)
    for action in (decision.action, decision.beside):
        if action is not None:
            assert_safe(action, obs)
            obs = replace(obs, running=obs.running | {action.kind})


@given(observations)
def test_gates_are_total(obs: Observation) -> None:
    assert tuple(gates(obs)) == GATE_NAMES


@given(observations)
def test_what_runs_or_waits_is_not_started(obs: Observation) -> None:
    action = decided(obs).action
    assume(action is not None)
    assert action is not None
    assert action.kind not in obs.running
    assert action.kind not in obs.waiting - URGENT
    assert not obs.running or action.kind in URGENT | BRIEF


@given(obs=observations, waiting=st.sampled_from(sorted(URGENT)))
def test_what_waits_for_locks_holds_up_nothing_brief(obs: Observation, waiting: str) -> None:
    alone, beside = (decided(replace(obs, running=frozenset(kinds))) for kinds in ((), {waiting}))
    brief = [o for o in alone.offers if o.kind in BRIEF and o.kind not in obs.waiting]
    started = {beside.action, beside.beside}
    assert not brief or brief[0] in started


@given(observations)
def test_no_action_starts_on_a_side_that_is_unknown(obs: Observation) -> None:
    offers = {offer.kind for offer in decided(obs).offers}
    if obs.destination is None:
        assert offers <= URGENT
    if obs.source is None:
        assert offers <= {"DisableSubscription", "RemoveReplication"}


@given(observations)
def test_once_switched_only_the_end_is_offered(obs: Observation) -> None:
    offers = {offer.kind for offer in decided(obs).offers} - URGENT
    if steps(obs) & ENDED:
        assert offers <= {"DisableSubscription", "BeginCompletion", "RemoveReplication"}
    if steps(obs) & REMOVING:
        assert offers <= {"RemoveReplication"}
    else:
        assert "RemoveReplication" not in offers
    if not obs.policy.complete or Step.SWITCHED not in steps(obs):
        assert "BeginCompletion" not in offers


@given(observations)
def test_nothing_is_created_again_once_subscribed(obs: Observation) -> None:
    assume(Step.SUBSCRIBED in steps(obs))
    created = {"CreateDatabase", "AdoptDatabase", "DropUnfinishedDatabase"}
    created |= {"RestoreSchema", "CreatePublication", "CreateSlot", "CreateSubscription"}
    assert not created & {offer.kind for offer in decided(obs).offers}


@given(observations)
def test_roles_come_at_any_time_before_the_switch_but_only_those_that_lack(
    obs: Observation,
) -> None:
    offered = "CreateRoles" in {offer.kind for offer in decided(obs).offers}
    lacking = obs.roles is not None and any(not each.exists for each in obs.roles.value)
    assert not offered or (lacking and not steps(obs) & ENDED)


@given(observations)
def test_a_finding_that_blocks_lets_nothing_be_created(obs: Observation) -> None:
    problems = find_problems(obs)
    assume(any(problem.severity == "blocks" for problem in problems))
    assume(not steps(obs) & ({Step.SUBSCRIBED, Step.COPIED, Step.INDEXED} | ENDED))
    assert {offer.kind for offer in decide(obs, problems).offers} <= URGENT


EVERY_FACT = {
    **FACTS,
    **{path: hide(path) for path in ("schema", "roles", "names", "environment.route_error")},
    "has_rows": hide_rows,
}


@pytest.mark.parametrize("fact", EVERY_FACT)
@given(obs=observations)
def test_unknown_enables_no_action(fact: str, obs: Observation) -> None:
    before = {offer.kind for offer in decided(obs).offers}
    after = {offer.kind for offer in decided(EVERY_FACT[fact](obs)).offers}
    assert after <= before | MEASURES


#: late writes are read after the switch, when gates no longer count; a marker implies the names
JUDGED = sorted(EVERY_FACT.keys() - {"source.late_writes", "names"})


@pytest.mark.parametrize("fact", JUDGED)
@given(obs=observations)
def test_unknown_makes_no_gate_pass(fact: str, obs: Observation) -> None:
    before, after = gates(obs), gates(EVERY_FACT[fact](obs))
    better = {name for name, status in after.items() if status is PASS} - {
        name for name, status in before.items() if status is PASS
    }
    # a problem that can no longer be seen is no problem, but then what shows it is not good either
    assert better <= {"no_problem_tables"}
    assert not better or set(after.values()) != {PASS}


@given(observations)
def test_the_light_needs_both_servers_and_every_step(obs: Observation) -> None:
    if set(gates(obs).values()) != {PASS}:
        return
    assert obs.source is not None
    assert obs.destination is not None
    assert obs.source.slot is not None
    assert Step.SUBSCRIBED in steps(obs)
    there = {table.name: table for table in obs.destination.tables}
    for table in obs.source.tables:  # replicated by inserts alone only where nothing else happened
        if obs.source.insert_only and table.oid in obs.source.insert_only.tables:
            assert there[table.name].baseline == Baseline(table.changes, obs.source.counting_since)
    states = {table.name: table.state for table in obs.destination.tables}
    assert all(
        states.get(table.name) == "r"
        for table in obs.source.tables
        if table.identity_usable or obs.policy.tables_without_identity != "exclude"
    )


ACTIONS: list[a.Action] = [
    *(
        getattr(a, kind)()
        for kind in (
            *("CreateRoles", "CreateDatabase", "AdoptDatabase", "DropUnfinishedDatabase"),
            *("RestoreSchema", "CreateSlot", "CreateSubscription", "EnableSubscription"),
            *("DisableSubscription", "RefreshSubscription", "MarkCopied", "RestoreRest"),
            *("SynchronizeSequences", "VerifyRowCounts", "BeginCompletion", "RemoveReplication"),
            "DropSlot",
        )
    ),
    a.CreatePublication(((101, b.ORDERS),)),
    a.AddToPublication(((101, b.ORDERS),)),
    a.RestoreTables(((101, b.ORDERS),)),
    a.WithdrawTables(((101, b.ORDERS),)),
    a.EmptyTables((b.ORDERS,)),
    a.DetachPartitions((b.ORDERS,)),
    a.AttachPartitions((b.ORDERS,)),
    a.DropTables((b.ORDERS,)),
    a.DropTables((LATER,)),
    a.RestoreTables(((103, LATER),)),
    a.DropFromPublication(((101, b.ORDERS),)),
    a.CreatePublication(((101, b.ORDERS),), insert_only=True),
    a.AddToPublication(((101, b.ORDERS),), insert_only=True),
    a.ForgetCounts(),
]


def is_safe(action: a.Action, obs: Observation) -> bool:
    try:
        assert_safe(action, obs)
    except InvariantBroken:
        return False
    return True


@given(action=st.sampled_from(ACTIONS), obs=observations)
def test_what_passes_keeps_the_invariants(action: a.Action, obs: Observation) -> None:
    assume(is_safe(action, obs))
    kind, passed = action.kind, steps(obs)
    assert obs.names is not None
    assert obs.source is not None or passed & ENDED or kind == "DisableSubscription"
    if Step.SUBSCRIBED in passed:
        assert not kind.startswith("Create") or kind == "CreateRoles"
    if kind == "CreateRoles":
        assert obs.roles is not None
        assert not all(difference.exists for difference in obs.roles.value)
        assert not passed & ENDED
    if kind == "RemoveReplication":
        assert passed & REMOVING
    if kind == "DropUnfinishedDatabase":
        assert obs.marker is not None
        assert obs.marker.created
        assert not passed


@pytest.mark.parametrize("fact", EVERY_FACT)
@given(action=st.sampled_from(ACTIONS), obs=observations)
def test_unknown_makes_nothing_safe(fact: str, action: a.Action, obs: Observation) -> None:
    assume(not is_safe(action, obs))
    hidden = EVERY_FACT[fact](obs)
    # without its destination, nothing is known of the database but that the slot is ours
    assert not is_safe(action, hidden) or (fact == "destination" and action.kind in URGENT)
