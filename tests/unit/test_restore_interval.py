"""A restore that cannot mend a difference does not dump the source in every tick."""

from pgmigrator.core.history import History
from pgmigrator.runtime.unit import RESTORE_INTERVAL_SECONDS, Unit

AT = 1_000.0


def test_the_rest_is_restored_again_only_after_a_while() -> None:
    unit = Unit("orders", "shop", History(started_at=AT))
    assert unit.waiting(AT) == frozenset()
    unit.restored_at = AT
    assert unit.waiting(AT + RESTORE_INTERVAL_SECONDS - 1) == {"RestoreRest"}
    assert unit.waiting(AT + RESTORE_INTERVAL_SECONDS) == frozenset()
