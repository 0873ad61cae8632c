"""Tables that are replicated by their inserts alone: when, and how long that is believed."""

from dataclasses import replace

import pytest

from pgmigrator.core import actions as a
from pgmigrator.core import insert_only, late, plan
from pgmigrator.core.decide import decide
from pgmigrator.core.facts import Baseline
from pgmigrator.core.gates import evaluate
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation, Phase, Problem, Severity
from pgmigrator.core.preflight import find_problems
from pgmigrator.core.report import GateStatus, TableState
from pgmigrator.core.safety import assert_safe
from pgmigrator.core.summary import table_reports
from pgmigrator.errors import InvariantBroken
from tests.unit.builders import (
    COUNTING,
    ITEMS,
    NAMES,
    NOW,
    ORDERS,
    at_switch,
    by_inserts,
    change,
    destination_table,
    history_of,
    marked,
    publication,
    slot,
    source_table,
    streaming,
    switched,
)

GREEN = by_inserts()
SETTING: dict[str, object] = {"policy.tables_without_identity": "insert_only"}
UNFIT: dict[str, object] = {"source.tables.1": source_table(102, ITEMS, usable=False)}
RESTORED = change(marked(Step.SCHEMA_DONE), SETTING | UNFIT)
JUST_ITEMS = ((102, ITEMS),)


def failing(obs: Observation) -> dict[str, str]:
    results = evaluate(obs, history_of(obs, obs), find_problems(obs))
    return {gate.name: gate.fix for gate in results if gate.status is not GateStatus.PASS}


def problem(obs: Observation) -> Problem:
    [found] = [p for p in find_problems(obs) if p.object == f"table {ITEMS}"]
    return found


def state(obs: Observation) -> TableState:
    [found] = [t for t in table_reports(obs, find_problems(obs)) if t.name == ITEMS]
    return found.state


@pytest.mark.parametrize(
    ("changes", "counting_since", "baseline", "word"),
    [
        (7, "a", Baseline(7, "a"), ""),
        (8, "a", Baseline(7, "a"), "1 updates and deletes"),
        (7, "b", Baseline(7, "a"), "reset"),
        (0, "b", Baseline(7, "a"), "reset"),
        (7, "", Baseline(7, ""), "track_counts"),
        (0, "a", None, "not known"),
        (6, "a", Baseline(7, "a"), "updates"),
    ],
)
def test_doubt(changes: int, counting_since: str, baseline: Baseline | None, word: str) -> None:
    why = insert_only.doubt(changes, counting_since, baseline)
    assert word in why
    assert bool(why) == bool(word)


def test_the_light_is_green_while_nobody_updates_or_deletes() -> None:
    assert failing(GREEN) == {}
    assert problem(GREEN).severity is Severity.NOTE
    assert state(GREEN) is TableState.STREAMING
    assert decide(GREEN, find_problems(GREEN)).action is None


@pytest.mark.parametrize(
    "changes",
    [
        {"source.tables.1.changes": 8},
        {"source.counting_since": "never 2"},
        {"source.counting_since": ""},
        {"destination.tables.1.baseline": None},
    ],
)
def test_any_doubt_puts_the_light_out_and_names_the_fix(changes: dict[str, object]) -> None:
    doubted = change(GREEN, changes)
    assert list(failing(doubted)) == ["no_problem_tables"]
    assert problem(doubted).severity is Severity.DEGRADES
    assert "REPLICA IDENTITY FULL" in problem(doubted).fix
    assert "INSERT INTO pgmigrator.insert_only" in problem(doubted).fix
    assert state(doubted) is TableState.PROBLEM
    assert not late.quiet(
        change(doubted, {"source.late_writes": 0, "destination.at_switch": at_switch(doubted)})
    )


def test_both_publications_are_made_before_the_slot() -> None:
    ours: dict[str, object] = {"source.publication": publication((101, ORDERS))}
    by_inserts_too = ours | {"source.insert_only": publication(*JUST_ITEMS)}
    for changes, action in (
        ({}, a.CreatePublication(((101, ORDERS),))),
        (ours, a.CreatePublication(JUST_ITEMS, insert_only=True)),
        (
            ours | {"source.insert_only": publication()},
            a.AddToPublication(JUST_ITEMS, insert_only=True),
        ),
        (by_inserts_too, a.CreateSlot()),
        (by_inserts_too | {"source.slot": slot()}, a.CreateSubscription()),
        # without the setting, or without counters, there is one
        (ours | {"policy.tables_without_identity": "refuse"}, a.CreateSlot()),
        (ours | {"source.counting_since": ""}, a.CreateSlot()),
    ):
        obs = change(RESTORED, changes)
        assert decide(obs, find_problems(obs)).action == action
    # there is one also for the tables that come later
    one_table = change(RESTORED, ours | {"source.tables": (source_table(101, ORDERS),)})
    assert decide(one_table, ()).action == a.CreatePublication((), insert_only=True)


def test_what_counts_before_the_copy_is_the_baseline() -> None:
    assert plan.baselines(GREEN) == {102: Baseline(7, COUNTING)}
    assert plan.baselines(streaming()) == {}


@pytest.mark.parametrize(
    ("changes", "severity", "word"),
    [
        ({"policy.tables_without_identity": "refuse"}, Severity.DEGRADES, "no primary key"),
        ({"source.counting_since": ""}, Severity.DEGRADES, "track_counts"),
        ({}, Severity.NOTE, "only INSERT and TRUNCATE"),
    ],
)
def test_before_the_copy(changes: dict[str, object], severity: Severity, word: str) -> None:
    found = problem(change(RESTORED, changes))
    assert found.severity is severity
    assert word in found.reason


def test_the_setting_comes_too_late_once_subscribed() -> None:
    late = change(streaming(), SETTING | UNFIT | {"destination.tables.1": destination_table(ITEMS)})
    late = change(late, {"source.publication": publication((101, ORDERS))})
    assert problem(late).severity is Severity.DEGRADES
    assert "only after the copy had begun" in problem(late).reason
    assert plan.to_publish(late, insert_only=True) == ()
    assert "tables_streaming" in failing(late)


def test_a_table_that_comes_later_is_followed_by_its_inserts() -> None:
    later = change(
        GREEN,
        {"destination.tables.1": destination_table(ITEMS), "source.insert_only": publication()},
    )
    action = decide(later, find_problems(later)).action
    assert action == a.AddToPublication(JUST_ITEMS, insert_only=True)
    published = change(later, {"source.insert_only": publication(*JUST_ITEMS)})
    assert decide(published, find_problems(published)).action == a.RefreshSubscription()


def test_a_table_that_loses_its_identity_does_not_move() -> None:
    lost = change(streaming(), SETTING | UNFIT)
    lost = change(lost, {"destination.subscription.publications": NAMES.publications})
    assert decide(lost, find_problems(lost)).action == a.DropFromPublication(JUST_ITEMS)
    dropped = change(
        lost,
        {
            "source.publication": publication((101, ORDERS)),
            "source.insert_only": publication(),
        },
    )
    assert plan.to_publish(dropped, insert_only=True) == ()
    assert {"tables_streaming", "no_problem_tables"} <= failing(dropped).keys()


def test_a_table_that_gains_an_identity_stays_and_is_watched() -> None:
    gained = change(GREEN, {"source.tables.1.identity_usable": True})
    assert failing(gained) == {}
    assert "identity now" in problem(gained).reason
    assert plan.to_publish(gained) == ()
    updated = change(gained, {"source.tables.1.changes": 9})
    assert list(failing(updated)) == ["no_problem_tables"]


@pytest.mark.parametrize("comment", ["", "theirs"])
def test_a_lost_publication_of_inserts_is_a_failure(comment: str) -> None:
    found = replace(publication(*JUST_ITEMS), comment=comment) if comment else None
    lost = change(GREEN, {"source.insert_only": found})
    decision = decide(lost, find_problems(lost))
    assert decision.phase is Phase.FAILED
    assert NAMES.insert_only_publication in decision.reason


def test_a_late_update_is_seen_after_the_switch() -> None:
    facts = {
        "source.insert_only": publication(*JUST_ITEMS),
        "source.publication": publication((101, ORDERS)),
        "source.tables.1": source_table(102, ITEMS, usable=False),
        "destination.tables.1.baseline": Baseline(0, COUNTING),
        "policy.complete": True,
    }
    quiet = change(switched(), facts)
    assert decide(quiet, find_problems(quiet)).action == a.BeginCompletion()
    late = change(quiet, {"source.tables.1.changes": 1})
    assert decide(late, find_problems(late)).action is None
    assert problem(late).severity is Severity.DEGRADES


def test_a_note_about_a_table_does_not_keep_its_copy_from_being_waited_for() -> None:
    copying = change(GREEN, {"destination.marker.steps": frozenset({Step.SUBSCRIBED})})
    copying = change(copying, {"destination.tables.1.state": "d", "at": NOW})
    assert decide(copying, find_problems(copying)).action != a.MarkCopied()


def test_it_is_copied_anew_when_an_operator_asks() -> None:
    asked = change(GREEN, {"destination.tables.1.resync": True})
    withdrawn = a.WithdrawTables(JUST_ITEMS, insert_only=True)
    decision = decide(asked, find_problems(asked))
    assert decision.action == withdrawn
    assert_safe(withdrawn, asked)
    out = change(asked, {"source.insert_only": publication()})
    assert decide(out, find_problems(out)).action == a.RefreshSubscription()
    idle = {"destination.tables.1.state": "", "destination.tables.1.has_rows": True}
    empty = a.EmptyTables((ITEMS,))
    assert decide(change(out, idle), ()).action == empty
    assert_safe(empty, change(out, idle))
    with pytest.raises(InvariantBroken, match="idle tables"):
        assert_safe(empty, change(asked, idle))  # it is published still
