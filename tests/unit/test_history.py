"""What several ticks say together; and that a restart never makes anything look better."""

import pytest

from pgmigrator.core import history as h
from pgmigrator.core.facts import Conflicts
from pgmigrator.core.history import Counter, History, conclude, conflicts_to_note, observe
from pgmigrator.core.model import Observation, Phase, Problem, Severity
from tests.unit.builders import ITEMS, NOW, ORDERS, change, green, history_of, sequence, streaming

STREAMING = streaming()


def at(seconds: float, **facts: object) -> Observation:
    """The streaming observation, so many seconds later; `__` separates a path."""
    changes = {path.replace("__", "."): value for path, value in facts.items()}
    return change(STREAMING, {"at": NOW + seconds, **changes})


def wal(seconds: float, flushed: int, confirmed: int) -> Observation:
    return at(
        seconds,
        source__server__flush_lsn=flushed,
        source__slot__confirmed_flush_lsn=confirmed,
    )


# --- lag -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ticks", "lag"),
    [
        ([], None),
        ([(0, 100, 100)], 0.0),
        # right after a restart an old backlog can be of any age
        ([(0, 100, 50)], None),
        ([(0, 100, 50), (5, 200, 60)], None),
        ([(0, 100, 100), (5, 200, 100)], 0.0),
        ([(0, 100, 100), (5, 200, 100), (10, 300, 100)], 5.0),
        ([(0, 100, 100), (5, 200, 100), (10, 300, 199)], 5.0),
        ([(0, 100, 100), (5, 200, 100), (10, 300, 200)], 0.0),
        ([(0, 100, 50), (5, 200, 100), (10, 300, 100)], 5.0),
    ],
)
def test_lag_in_seconds(ticks: list[tuple[float, int, int]], lag: float | None) -> None:
    assert history_of(*(wal(*tick) for tick in ticks)).lag_seconds == lag


def test_lag_is_unknown_without_a_slot() -> None:
    known = history_of(wal(0, 100, 100))
    assert observe(known, at(5, source__slot=None)).lag_seconds is None
    assert observe(known, at(5, source=None)).lag_seconds is None


def test_a_long_backlog_keeps_its_age_and_little_memory() -> None:
    found = history_of(wal(0, 100, 100))
    for tick in range(1, 3 * h.MAX_SAMPLES):
        found = observe(found, wal(tick, 100 + tick, 100))
    assert found.lag_seconds == 3 * h.MAX_SAMPLES - 2
    assert len(found.lsn_samples) <= h.MAX_SAMPLES + 2


# --- counters ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("readings", "total", "risen_at"),
    [
        ([3], 3, None),
        ([3, 3], 3, None),
        ([3, 5], 5, 1.0),
        ([3, 5, 5], 5, 1.0),
        # a crash of the server zeroes it
        ([3, 0], 3, None),
        ([3, 2], 5, 1.0),
    ],
)
def test_counter(readings: list[int], total: int, risen_at: float | None) -> None:
    counter = Counter()
    for seconds, reading in enumerate(readings):
        counter = counter.observe(reading, float(seconds))
    assert (counter.total, counter.risen_at) == (total, risen_at)
    assert counter.rose_within(1.0, 1.5) is (risen_at is not None)


def test_counters_are_told_apart_by_name() -> None:
    found = history_of(
        at(0),
        at(
            5,
            destination__subscription__apply_error_count=2,
            destination__subscription__conflicts={"confl_insert_exists": 1},
        ),
    )
    totals = {name: counter.total for name, counter in found.counters.items()}
    assert totals == {"apply": 2, "sync": 0, "confl_insert_exists": 1}


def test_a_reset_on_purpose_forgets_and_a_crash_does_not() -> None:
    counted = history_of(at(0, destination__subscription__conflicts={"confl_insert_exists": 4}))
    crashed = observe(counted, at(5))
    assert crashed.counters["confl_insert_exists"].total == 4
    reset = observe(counted, at(5, destination__subscription__stats_reset_at=NOW + 4))
    assert reset.counters["confl_insert_exists"].total == 0


def test_conflicts_that_were_noted_survive_a_crash_and_a_restart() -> None:
    noted = Conflicts({"confl_update_missing": 4}, None)
    crashed = history_of(
        at(
            0,
            destination__conflicts=noted,
            destination__subscription__conflicts={"confl_update_missing": 0},
        )
    )
    assert crashed.conflicts == {"confl_update_missing": 4}
    on = at(0, destination__conflicts=noted, destination__subscription__stats_reset_at=NOW)
    assert history_of(on).conflicts == {}
    deleted = at(5, destination__subscription__conflicts={"confl_update_missing": 0})
    assert observe(crashed, deleted).conflicts == {}
    again = at(5, destination__subscription__conflicts={"confl_update_missing": 2})
    assert observe(crashed, again).conflicts == {"confl_update_missing": 2}


@pytest.mark.parametrize(
    ("noted", "counted", "reset_at", "to_note"),
    [
        (None, 0, None, None),
        (None, 3, None, Conflicts({"confl_update_missing": 3}, None)),
        (Conflicts({"confl_update_missing": 1}, None), 3, None, None),
        (Conflicts({"confl_update_missing": 1}, None), 0, NOW, Conflicts({}, NOW)),
        (Conflicts({}, NOW), 0, NOW, None),
        # crashed since
        (Conflicts({}, NOW), 0, None, None),
        (Conflicts({}, NOW), 2, None, Conflicts({"confl_update_missing": 2}, NOW)),
    ],
)
def test_conflicts_are_noted_when_their_kind_is_new_and_after_a_reset(
    noted: Conflicts | None, counted: int, reset_at: float | None, to_note: Conflicts | None
) -> None:
    seen = at(
        0,
        destination__conflicts=noted,
        destination__subscription__conflicts={"confl_update_missing": counted},
        destination__subscription__stats_reset_at=reset_at,
    )
    assert conflicts_to_note(history_of(seen), seen) == to_note


def test_counters_survive_a_blind_tick() -> None:
    counted = history_of(at(0, destination__subscription__apply_error_count=4))
    for blind in (at(5, destination=None), at(5, destination__subscription=None)):
        assert observe(counted, blind).counters == counted.counters


# --- the destination, sequences, rates -----------------------------------------------------------


def test_the_destination_is_tracked_while_it_is_seen() -> None:
    found = history_of(at(0), at(5, destination=None))
    assert found.destination is not None
    assert found.destination.seen_at == NOW


def test_a_foreign_writer_is_remembered() -> None:
    found = history_of(at(0), at(5, destination__foreign_writers=("bob",)), at(10))
    assert found.foreign_writer_at == NOW + 5


@pytest.mark.parametrize(
    ("before", "now", "there", "behind"),
    [
        (7, 7, 7, 0),
        (7, 9, 7, 0),
        (7, 9, 6, 1),
        (9, 7, 7, 1),
    ],
)
def test_sequences_are_compared_with_the_tick_before(
    before: int, now: int, there: int, behind: int
) -> None:
    last = at(5, source__sequences=(sequence(now),), destination__sequences=(sequence(there),))
    found = history_of(at(0, source__sequences=(sequence(before),)), last)
    assert h.sequences_behind_previous(found, last) == behind


def test_sequences_are_unknown_after_one_tick_or_blind() -> None:
    assert h.sequences_behind_previous(history_of(at(0)), at(0)) is None
    two = history_of(at(0), at(5))
    assert h.sequences_behind_previous(two, at(5, source=None)) is None
    assert h.sequences_behind_previous(two, at(5, destination=None)) is None
    assert h.sequences_behind_previous(two, at(5, destination__sequences=())) == 1


@pytest.mark.parametrize(
    ("samples", "rate"),
    [((), None), (((0.0, 5),), None), (((0.0, 5), (10.0, 25)), 2.0), (((5.0, 5), (5.0, 9)), None)],
)
def test_rate(samples: tuple[tuple[float, int], ...], rate: float | None) -> None:
    assert h.rate_per_second(samples) == rate


def test_rates_look_back_over_their_window_only() -> None:
    found = History(started_at=NOW)
    for seconds in (0, 60, 121):
        found = h.with_copy_progress(found, at(seconds), seconds)
    assert [value for _, value in found.copy_samples] == [60, 121]


def test_wal_runway() -> None:
    limited: dict[str, object] = {"policy__max_retained_wal_bytes": 10_000}
    last = at(10, source__slot__retained_bytes=2000, **limited)
    found = history_of(at(0, **limited), last)
    assert h.wal_runway_seconds(found, last) == (10_000 - 2000) / 100
    tighter = change(last, {"source.slot.safe_wal_bytes": 500})
    assert h.wal_runway_seconds(found, tighter) == 5
    assert h.wal_runway_seconds(history_of(last, last), last) is None
    assert h.wal_runway_seconds(found, at(10, source=None)) is None


# --- the light -----------------------------------------------------------------------------------


def lit(*ticks: tuple[float, bool], phase: Phase = Phase.CATCHING_UP) -> History:
    found = green().history
    for seconds, passing in ticks:
        found = conclude(found, phase, passing, (), at(seconds))
    return found


def test_the_end_of_the_stable_time_is_known_while_the_light_waits_for_it() -> None:
    waiting = lit((0, True), (5, True))
    assert h.stable_at(waiting, at(5)) == at(0).at + at(0).policy.stable_seconds
    for found in (lit(*((s, True) for s in range(0, 31, 10))), lit((0, True), (5, False)), lit()):
        assert h.stable_at(found, at(5)) is None
    assert h.stable_at(lit((0, True), phase=Phase.SWITCHED), at(5)) is None


@pytest.mark.parametrize(
    ("ticks", "ready"),
    [
        ([(0, True)], False),
        ([(0, True), (15, True), (29, True)], False),
        ([(0, True), (15, True), (30, True)], True),
        ([(0, True), (15, False), (30, True)], False),
        ([(0, True), (15, False), (30, True), (45, True), (60, True)], True),
        ([(0, True), (15, True), (30, True), (35, False)], False),
        # a clock that was set back
        ([(0, True), (-60, True)], False),
    ],
)
def test_the_light_needs_the_stable_time(ticks: list[tuple[float, bool]], ready: bool) -> None:
    found = lit(*ticks)
    assert found.ready is ready
    assert found.phase is (Phase.READY if ready else Phase.CATCHING_UP)
    assert (found.ready_since is not None) is ready


@pytest.mark.parametrize("phase", set(Phase) - {Phase.CATCHING_UP, Phase.READY})
def test_no_other_phase_is_ever_ready(phase: Phase) -> None:
    found = lit((0, True), (15, True), (30, True), phase=phase)
    assert (found.ready, found.phase) == (False, phase)


def test_since_when() -> None:
    found = lit((0, True), (15, True), (30, True), (35, True))
    assert (found.ready_since, found.ready_changed_at) == (NOW + 30, NOW + 30)
    assert found.phase_since == NOW + 30
    off = conclude(found, Phase.CATCHING_UP, False, (), at(40))
    assert (off.ready_since, off.ready_changed_at, off.phase_since) == (None, NOW + 40, NOW + 40)


def test_problems_remember_since_when() -> None:
    one, two = (
        Problem(check="c", severity=Severity.NOTE, object=name, reason="", fix="") for name in "ab"
    )
    found = conclude(green().history, Phase.COPYING, False, (one,), at(0))
    found = conclude(found, Phase.COPYING, False, (one, two), at(5))
    since = {p.problem.object: p.since for p in h.open_problems(found, (one, two))}
    assert since == {"a": NOW, "b": NOW + 5}
    found = conclude(found, Phase.COPYING, False, (), at(10))
    found = conclude(found, Phase.COPYING, False, (one,), at(15))
    assert [p.since for p in h.open_problems(found, (one,))] == [NOW + 15]


# --- rows that may have changed unseen -----------------------------------------------------------


def test_a_table_is_proven_as_long_as_nothing_rewrites_it() -> None:
    found = history_of(at(0), at(5))
    assert found.proven_at == {ORDERS: NOW + 5, ITEMS: NOW + 5}
    found = observe(found, at(10, source__tables__0__storage="other"))
    assert found.proven_at == {ORDERS: NOW + 5, ITEMS: NOW + 10}
    assert observe(found, at(15, source=None)).proven_at == found.proven_at


def test_a_new_daemon_proves_nothing_of_a_rewritten_table() -> None:
    assert ORDERS not in history_of(at(0, destination__tables__0__storage="other")).proven_at
