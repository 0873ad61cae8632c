"""Every database is in every report, whatever goes wrong; what is missing puts the light off."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pgmigrator.core import preflight
from pgmigrator.core.listing import Listing, problems
from pgmigrator.core.model import Observation, Phase, Problem, Severity
from pgmigrator.surface.status import mapping_status
from tests.unit import builders
from tests.unit.test_stale_observation import nothing, runner

READY = (Phase.READY,)


async def test_what_cannot_be_settled_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the very first tick; the other database is settled as ever."""

    def stumbling(obs: Observation) -> tuple[Problem, ...]:
        if obs.database == "other":
            raise TypeError("a bytes-like object is required")
        return ()

    made, _ = runner(nothing, builders.streaming(), '["shop", "other"]')
    made._actor.count_error = lambda _: None
    monkeypatch.setattr(preflight, "find_problems", stumbling)
    for _ in range(2):
        await made.tick()
        reports = {report.name: report for report in made.report.databases}
        assert reports["shop"].phase is not Phase.UNKNOWN
        assert reports["other"].phase is Phase.UNKNOWN
        assert not reports["other"].ready
        assert "TypeError" in reports["other"].reason
        assert made.report.phase is Phase.UNKNOWN


@pytest.mark.parametrize(
    ("seen", "alone"), [(builders.fresh(), True), (builders.streaming(), False)]
)
async def test_what_refused_us_when_the_list_was_read_is_left_alone_until_the_next(
    seen: Observation, alone: bool
) -> None:
    """It may hold nothing, and then is none of the mapping's; unless it bears our marker."""
    made, _ = runner(nothing, seen, '["shop", "other"]')
    made.listing = Listing(databases=("shop", "other"), refused=frozenset({"other"}))
    await made.tick()
    reports = {report.name: report for report in made.report.databases}
    assert (reports["other"].phase is Phase.UNKNOWN) == alone
    assert ("refused us a moment ago" in reports["other"].reason) == alone
    assert reports["shop"].phase is not Phase.UNKNOWN


async def test_what_cannot_be_shown_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """One such report would be an error in every answer, for every mapping."""
    strange: Any = b"caf\xe9"

    def strangely(obs: Observation) -> tuple[Problem, ...]:
        found = Problem(
            check="strange", severity=Severity.NOTE, object=strange, reason=strange, fix=""
        )
        return (found,) if obs.database == "other" else ()

    made, _ = runner(nothing, builders.streaming(), '["shop", "other"]')
    made._actor.count_error = lambda _: None
    monkeypatch.setattr(preflight, "find_problems", strangely)
    await made.tick()
    phases = {report.name: report.phase for report in made.report.databases}
    assert phases["other"] is Phase.UNKNOWN
    assert phases["shop"] is not Phase.UNKNOWN
    json.dumps(mapping_status(made.report))


@pytest.mark.parametrize(
    ("listing", "phases", "found"),
    [
        (Listing(), READY, []),
        (Listing(), (), [("databases", Severity.BLOCKS)]),
        (Listing(error="no"), READY, [("databases", Severity.BLOCKS)]),
        (Listing(error="no"), (*READY, Phase.SWITCHED), [("databases", Severity.BLOCKS)]),
        # by then nothing of the source is waited for
        (Listing(error="no"), (Phase.SWITCHED, Phase.COMPLETED), []),
        (Listing(invalid=("dead",)), READY, [("invalid_database", Severity.DEGRADES)]),
        (Listing(closed=("shut",)), READY, [("closed_database", Severity.DEGRADES)]),
        (Listing(templates=("blank",)), READY, [("template_database", Severity.NOTE)]),
    ],
)
def test_a_list_that_was_not_read_is_a_problem(
    listing: Listing, phases: tuple[Phase, ...], found: list[tuple[str, Severity]]
) -> None:
    assert [(p.check, p.severity) for p in problems("orders", listing, phases)] == found


async def test_a_mapping_is_not_ready_while_its_list_is_not_read() -> None:
    made, _ = runner(nothing, builders.streaming())
    await made.tick()
    green = replace(made.report.databases[0], phase=Phase.READY, ready=True)
    report = replace(made.report, databases=(green,))
    assert report.ready
    made.listing = Listing(error="no")
    await made.tick()
    assert made.report.phase is Phase.UNKNOWN
    assert not replace(made.report, databases=(green,)).ready
