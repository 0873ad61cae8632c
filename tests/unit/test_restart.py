"""Whether a destination that was restarted is what it was, or an older copy of itself."""

import pytest

from pgmigrator.core.marker import Step
from pgmigrator.core.model import DestinationFacts
from pgmigrator.core.restart import UNWATCHED_MAX_SECONDS, Track, doubt, track
from tests.unit.builders import NOW, change, marker, streaming

RUNNING = streaming().destination
RESTARTED = {"start_remembered": False, "server.started_at": NOW, "server.checkpoint_lsn": 10_000}


def _facts(**changes: object) -> DestinationFacts:
    assert RUNNING is not None
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return change(RUNNING, named)


def _restarted(**changes: object) -> DestinationFacts:
    named = {name.replace(".", "__"): value for name, value in RESTARTED.items()}
    return _facts(**(named | {"server__flush_lsn": 10_100} | changes))


@pytest.fixture
def seen() -> Track:
    """A destination that was seen at LSN 10,000."""
    return track(None, _facts(server__flush_lsn=10_000), NOW)


def test_a_remembered_start_is_trusted(seen: Track) -> None:
    assert seen.doubt == ""


def test_a_start_that_nobody_watched_is_not() -> None:
    assert "no daemon watched" in track(None, _restarted(), NOW).doubt


def test_a_start_that_goes_on_where_it_was_is_trusted_until_it_is_remembered(seen: Track) -> None:
    once = track(seen, _restarted(), NOW + 5)
    assert once.doubt == ""
    assert track(once, _restarted(), NOW + 10).doubt == ""


def test_a_start_from_earlier_data_is_doubted_however_much_it_has_written_since(
    seen: Track,
) -> None:
    older = _restarted(server__checkpoint_lsn=9_999, server__flush_lsn=50_000)
    found = track(seen, older, NOW + 5)
    assert "went back" in found.doubt
    assert "went back" in track(found, older, NOW + 10).doubt


def test_a_start_after_a_long_silence_is_doubted(seen: Track) -> None:
    found = track(seen, _restarted(), NOW + UNWATCHED_MAX_SECONDS + 1)
    assert "not been seen" in found.doubt


def test_a_person_may_vouch_for_it() -> None:
    doubted = track(None, _restarted(), NOW)
    assert track(doubted, _restarted(start_remembered=True), NOW + 5).doubt == ""


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
    obs = change(streaming(), {"destination.marker": marker(*steps)})
    said = doubt(track(None, _restarted(), NOW), obs)
    assert bool(said) is told
    assert ("UPDATE pgmigrator.start" in said) is told
