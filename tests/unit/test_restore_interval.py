"""A restore that cannot mend a difference does not dump the source in every tick."""

import math
from dataclasses import replace

import pytest

from pgmigrator.core.actions import RestoreRest
from pgmigrator.core.conditions import DestinationConditions, ExtensionRows, SourceConditions
from pgmigrator.core.decide import Decision, decide
from pgmigrator.core.history import History
from pgmigrator.core.model import Measured, Phase, RoleDifference, RoleRefusal
from pgmigrator.postgres.failures import Failure
from pgmigrator.runtime.unit import RESTORE_INTERVAL_MAX_SECONDS, RESTORE_INTERVAL_SECONDS, Unit
from tests.unit.builders import change, streaming

AT = 1_000.0
BROKEN, OTHER = Failure("index a", "no operator class"), Failure("index b", "no operator class")


def test_the_rest_is_restored_again_only_after_a_while() -> None:
    unit = Unit("orders", "shop", History(started_at=AT))
    assert unit.waiting(AT) == frozenset()
    unit.restored_at = AT
    assert unit.waiting(AT + RESTORE_INTERVAL_SECONDS - 1) == {"RestoreRest"}
    assert unit.waiting(AT + RESTORE_INTERVAL_SECONDS) == frozenset()


def test_what_fails_alike_is_tried_less_and_less_often() -> None:
    unit = Unit("orders", "shop", History(started_at=AT))
    waits = []
    for failures in ((BROKEN,), (BROKEN,), (BROKEN,), (OTHER,), (), ()):
        unit.rest_restored(failures, AT)
        waits.append(next(n for n in range(1000) if not unit.waiting(AT + n)))
    assert waits == [30, 60, 120, 30, 30, 60]
    for _ in range(50):
        unit.rest_restored((BROKEN,), AT)
    assert not unit.waiting(AT + RESTORE_INTERVAL_MAX_SECONDS)


def test_a_restore_that_was_of_use_is_not_held_against_the_next_one() -> None:
    unit = Unit("orders", "shop", History(started_at=AT))
    for _ in range(5):
        unit.rest_restored((), AT)
    unit.forget_failures(Decision(Phase.CATCHING_UP, "", (RestoreRest(),)))
    assert unit.waiting(AT + RESTORE_INTERVAL_SECONDS)
    unit.forget_failures(Decision(Phase.CATCHING_UP, ""))
    assert not unit.waiting(AT + RESTORE_INTERVAL_SECONDS)


REFUSED = RoleRefusal(role="clerk", object='role "clerk"', reason="it is refused")
ROLE = RoleDifference(role="clerk", exists=True, reason="it has another comment", fix="")


@pytest.mark.parametrize(
    ("part", "left", "gone"),
    [
        ("schema", ("something",), ()),
    ],
)
def test_what_somebody_has_mended_is_forgotten(
    part: str, left: tuple[object, ...], gone: tuple[object, ...]
) -> None:
    unit = Unit("orders", "shop", History(started_at=AT))
    unit.restore_failures[part] = (BROKEN,)
    unit.forget_mended(change(streaming(), {part: None}))
    unit.forget_mended(change(streaming(), {part: Measured(left, AT, 20.0)}))
    assert unit.restore_failures == {part: (BROKEN,)}
    unit.forget_mended(change(streaming(), {part: Measured(gone, AT, 20.0)}))
    assert unit.restore_failures == {}


def test_roles_that_are_refused_are_tried_less_and_less_often_until_they_are_made() -> None:
    unit = Unit("orders", "shop", History(started_at=AT))
    waits = []
    for _ in range(12):
        unit.roles_made((REFUSED,), AT)
        waits.append(next(n for n in range(1000) if not unit.waiting(AT + n)))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    unit.forget_mended(change(streaming(), {"roles": None}))
    unit.forget_mended(change(streaming(), {"roles": Measured((ROLE,), AT, 20.0)}))
    assert unit.roles_refused == (REFUSED,)
    assert unit.waiting(AT) == {"CreateRoles"}
    unit.forget_mended(change(streaming(), {"roles": Measured((), AT, 20.0)}))
    assert not unit.roles_refused
    assert not unit.waiting(AT)


def test_what_the_rest_lacked_is_forgotten_by_a_later_comparison_that_finds_nothing() -> None:
    unit = Unit("orders", "shop", History(started_at=AT))
    rows = Failure("rows of table x", "check violated")
    unit.rest_restored((BROKEN, rows), AT)
    for left, at in ((("something",), AT + 1), ((), AT - 1)):
        unit.forget_mended(change(streaming(), {"schema": Measured(left, at, 20.0)}))
    assert unit.restore_failures == {"rest": (BROKEN, rows)}
    unit.forget_mended(change(streaming(), {"schema": Measured((), AT + 1, 20.0)}))
    assert unit.restore_failures == {"rest": (rows,)}  # of which that comparison says nothing


def test_rows_of_an_extension_that_arrived_are_forgotten_and_no_other_failure() -> None:
    unit = Unit("orders", "shop", History(started_at=AT))
    refused = Failure("rows of table x", "check violated")
    unit.rest_restored((BROKEN, refused), math.inf)
    table = ExtensionRows(object="x", detail="hash", rows=2)
    source = change(streaming(), {"source.conditions": SourceConditions(extension_rows=(table,))})
    for there in ((), (replace(table, rows=1),), (replace(table, error="locked"),)):
        conditions = DestinationConditions(extension_rows=there)
        unit.forget_mended(change(source, {"destination.conditions": conditions}))
        unit.forget_mended(change(source, {"source.conditions": None}))
    assert unit.restore_failures == {"rest": (BROKEN, refused)}
    conditions = DestinationConditions(extension_rows=(table,))
    unit.forget_mended(change(source, {"destination.conditions": conditions}))
    assert unit.restore_failures == {"rest": (BROKEN,)}


@pytest.mark.parametrize(
    ("here", "there", "copied"),
    [(2, 0, True), (0, 0, False), (2, 2, False), (2, 1, False), (2, None, False)],
)
def test_rows_of_an_extension_that_came_later_are_copied_where_there_are_none(
    here: int, there: int | None, copied: bool
) -> None:
    source, destination = (
        (ExtensionRows(object="x", detail=f"hash of {rows}", rows=rows),)
        if rows is not None
        else ()
        for rows in (here, there)
    )
    obs = change(
        streaming(),
        {
            "source.conditions": SourceConditions(extension_rows=source),
            "destination.conditions": DestinationConditions(extension_rows=destination),
        },
    )
    assert (RestoreRest() in decide(obs, ()).offers) is copied
