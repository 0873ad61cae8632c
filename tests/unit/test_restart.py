"""Whether a server that was restarted is what it was, or an older copy of itself."""

import pytest

from pgmigrator.core.facts import Server
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation
from pgmigrator.core.restart import UNWATCHED_MAX_SECONDS, Track, doubt, track, track_source
from tests.unit.builders import NOW, change, marker, streaming

WATCHED = change(streaming(), {"source.server.flush_lsn": 10_000})
RESTARTED: dict[str, object] = {
    "source.server.started_at": NOW,
    "source.server.checkpoint_lsn": 10_000,
}
SILENT: dict[str, object] = {"source": None}


def _server(**changes: object) -> Server:
    assert WATCHED.source is not None
    return change(WATCHED.source.server, changes)


def _look(last: Track | None, server: Server, after: float = 5, *, remembered: bool) -> Track:
    return track(last, server, NOW + after, remembered=remembered, side="destination")


def _restart(last: Track | None, after: float = 5, **changes: object) -> Track:
    started = {"started_at": NOW, "checkpoint_lsn": 10_000, "flush_lsn": 10_100}
    return _look(last, _server(**(started | changes)), after, remembered=False)


@pytest.fixture
def seen() -> Track:
    """A server that was seen at LSN 10,000."""
    return _look(None, _server(flush_lsn=10_000), 0, remembered=True)


def test_a_remembered_start_is_trusted(seen: Track) -> None:
    assert seen.doubt == ""


def test_a_start_that_nobody_watched_is_not() -> None:
    assert "no daemon watched" in _restart(None).doubt


def test_a_start_that_goes_on_where_it_was_is_trusted_until_it_is_remembered(seen: Track) -> None:
    once = _restart(seen)
    assert once.doubt == ""
    assert _restart(once, 10).doubt == ""


def test_a_start_from_earlier_data_is_doubted_however_much_it_has_written_since(
    seen: Track,
) -> None:
    found = _restart(seen, checkpoint_lsn=9_999, flush_lsn=50_000)
    assert "went back" in found.doubt
    assert "went back" in _restart(found, 10, checkpoint_lsn=40_000, flush_lsn=60_000).doubt


def test_a_start_after_a_long_silence_is_doubted(seen: Track) -> None:
    assert "not been seen" in _restart(seen, UNWATCHED_MAX_SECONDS + 1).doubt


def test_a_later_checkpoint_hides_where_a_start_began(seen: Track) -> None:
    assert "hides where" in _restart(seen, checkpoint_of_start=False).doubt
    once = _restart(seen)
    assert _restart(once, 10, checkpoint_of_start=False).doubt == ""


def test_a_doubt_over_a_start_that_was_known_as_good_lasts(seen: Track) -> None:
    """A machine that is set back with its memory keeps even its start."""
    reverted = _look(seen, _server(flush_lsn=9_999), remembered=True)
    assert "went back" in reverted.doubt
    assert "went back" in _look(reverted, _server(flush_lsn=50_000), 10, remembered=True).doubt


def test_a_person_may_vouch_for_it() -> None:
    doubted = _restart(None)
    vouched = _look(doubted, _server(started_at=NOW), 10, remembered=True)
    assert vouched.doubt == ""


# --- the source, which the destination remembers --------------------------------------------------


def _ticks(*ticks: tuple[float, dict[str, object]]) -> Track | None:
    """What is known of the source after ticks: seconds after NOW, and what they see."""
    found: Track | None = None
    for seconds, changes in ticks:
        found = track_source(found, change(WATCHED, {"at": NOW + seconds, **changes}))
    return found


def _doubt(*ticks: tuple[float, dict[str, object]]) -> str:
    found = _ticks(*ticks)
    assert found is not None
    return found.doubt


def test_a_watched_restart_of_the_source_is_trusted() -> None:
    assert _doubt((0, {}), (5, RESTARTED)) == ""


def test_a_source_with_earlier_data_is_doubted() -> None:
    older = RESTARTED | {"source.server.checkpoint_lsn": 9_999}
    assert "the source's WAL went back" in _doubt((0, {}), (5, older))


def test_a_source_that_nobody_watched_is_doubted() -> None:
    assert "the source was restarted while no daemon" in _doubt((0, RESTARTED))


def test_a_long_downtime_that_was_watched_is_trusted() -> None:
    silence = [(float(seconds), SILENT) for seconds in range(5, 600, 60)]
    assert _doubt((0, {}), *silence, (600, RESTARTED)) == ""


def _applied(lsn: int) -> dict[str, object]:
    return SILENT | {"destination.subscription.applied_lsn": lsn}


def test_what_a_shutdown_waits_for_may_still_be_applied() -> None:
    silence = [
        (5.0, SILENT),
        *((float(seconds), _applied(9_000)) for seconds in range(10, 500, 60)),
    ]
    assert _doubt((0, {}), *silence, (500, RESTARTED)) == ""


def test_a_source_that_only_we_do_not_see_was_not_watched() -> None:
    streaming_on = [(float(seconds), _applied(9_000 + seconds)) for seconds in range(5, 130, 5)]
    assert _doubt((0, {}), *streaming_on[:6], (40, RESTARTED)) == ""  # it is asked less often
    assert "not been seen" in _doubt((0, {}), *streaming_on, (130, RESTARTED))


def test_what_was_applied_must_be_there() -> None:
    """A mirror of the source's disk may lag behind what it sent."""
    ahead = RESTARTED | {"destination.subscription.applied_lsn": 10_001}
    assert "went back" in _doubt((0, {}), (5, ahead))


def test_a_daemon_that_finds_the_source_silent_did_not_watch_its_start() -> None:
    assert "no daemon watched" in _doubt((0, _applied(10_000)), (5, RESTARTED))


def test_a_silent_destination_hides_no_restart_of_the_source() -> None:
    alone: dict[str, object] = {"destination": None}
    assert _ticks((0, alone)) is None
    assert _doubt((0, {}), (5, RESTARTED | alone), (200, RESTARTED)) == ""
    older = RESTARTED | {"source.server.checkpoint_lsn": 9_999}
    assert "went back" in _doubt((0, {}), (5, older | alone), (200, RESTARTED))


# --- what is told --------------------------------------------------------------------------------


def _told(steps: tuple[Step, ...], source: Track | None, destination: Track | None) -> str:
    obs: Observation = change(streaming(), {"destination.marker": marker(*steps)})
    return doubt(source, destination, obs)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ((Step.SCHEMA_DONE,), False),
        ((Step.SCHEMA_DONE, Step.SUBSCRIBED), True),
        ((Step.SUBSCRIBED, Step.COPIED, Step.INDEXED), True),
        ((Step.SUBSCRIBED, Step.SWITCHED), False),
    ],
)
def test_it_matters_from_the_subscription_to_the_switch(
    steps: tuple[Step, ...], told: bool
) -> None:
    doubted = _restart(None)
    assert ("UPDATE pgmigrator.start SET started_at" in _told(steps, None, doubted)) is told
    assert ("UPDATE pgmigrator.start SET source_started_at" in _told(steps, doubted, None)) is told


def test_both_servers_may_be_in_doubt() -> None:
    said = _told((Step.SUBSCRIBED,), _restart(None), _restart(None))
    assert said.count("If it is certain that it is not one") == 2
    assert ";;" not in said


def test_no_word_ends_a_doubt_that_lasts(seen: Track) -> None:
    said = _told((Step.SUBSCRIBED,), None, _look(seen, _server(flush_lsn=1), remembered=True))
    assert said.endswith("Copy this database anew.")
