"""A migration that is disturbed and interrupted at random; the daemon's tick asserts the rest."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation, Phase
from pgmigrator.core.names import TableName
from tests.properties import simulator
from tests.properties.daemon import Daemon
from tests.unit import builders as b

LATER = TableName("public", "later")
RENAMED = TableName("public", "renamed")
WHOLE = TableName("public", "whole")
ENDED = {Step.SWITCHED, Step.COMPLETING, Step.COMPLETED}
#: what a person or a crash does to a server; none of it heals by itself
DAMAGE: dict[str, dict[str, object]] = {
    "slot dropped": {"source.slot": None},
    "publication dropped": {"source.publication": None},
    "subscription dropped": {"destination.subscription": None},
    "source promoted": {"source.server.identity.timeline": 2},
    "destination replaced": {"doubt": "it is an older copy"},
    "destination promoted": {"destination.server.identity.timeline": 2},
}


class Migration(RuleBasedStateMachine):
    """One database, one daemon after the other."""

    daemon: Daemon

    @initialize(adopt=st.booleans(), complete=st.booleans())
    def begin(self, adopt: bool, complete: bool) -> None:
        there = b.database(20_000) if adopt else None
        facts = {"destination.database": there, "policy.complete": complete}
        self.daemon = Daemon(b.change(b.fresh(), facts))

    @property
    def world(self) -> Observation:
        return self.daemon.world

    def change(self, facts: dict[str, object]) -> None:
        self.daemon.world = simulator.look(b.change(self.world, facts))

    @property
    def steps(self) -> frozenset[Step]:
        return self.world.marker.steps if self.world.marker else frozenset()

    @rule(ticks=st.sampled_from((1, 2, 5, 25)))
    def time_passes(self, ticks: int) -> None:
        for _ in range(ticks):
            self.daemon.tick()

    @rule(step=st.integers(0, 3))
    def the_daemon_dies(self, step: int) -> None:
        self.daemon.tick(dies_at=step)

    @rule(side=st.sampled_from(("source", "destination")))
    def a_side_does_not_answer(self, side: str) -> None:
        self.daemon.see(b.change(self.world, {side: None}))
        assert not self.daemon.history.ready

    @rule()
    def a_table_is_created(self) -> None:
        assert self.world.source is not None
        known = {table.oid: table for table in self.world.source.tables}
        later = b.change(b.source_table(103, LATER), {"partition_of": WHOLE})
        known.setdefault(103, later)
        self.change({"source.tables": tuple(known.values())})

    @rule(root=st.sampled_from((None, WHOLE)))
    def it_is_attached_or_detached(self, root: TableName | None) -> None:
        assert self.world.source is not None
        alone = tuple(
            b.change(table, {"partition_of": root}) if table.oid == 103 else table
            for table in self.world.source.tables
        )
        self.change({"source.tables": alone})

    @rule(name=st.sampled_from((LATER, RENAMED)))
    def it_is_renamed(self, name: TableName) -> None:
        assert self.world.source is not None
        tables = tuple(
            b.change(table, {"name": name}) if table.oid == 103 else table
            for table in self.world.source.tables
        )
        self.change({"source.tables": tables})
        found = self.world.source.publication
        if found is not None and 103 in found.tables:
            self.change({"source.publication.tables": {**found.tables, 103: name}})

    @rule()
    def it_is_dropped(self) -> None:
        assert self.world.source is not None
        left = tuple(table for table in self.world.source.tables if table.oid != 103)
        self.change({"source.tables": left})
        if self.world.source.publication is not None:
            named = self.world.source.publication.tables.items()
            self.change({"source.publication.tables": {o: n for o, n in named if o != 103}})

    @rule(oid=st.integers(1000, 1002))
    def a_table_is_replaced(self, oid: int) -> None:
        """Dropped and created, or renamed over: the publication loses what was dropped."""
        assert self.world.source is not None
        before = self.world.source.tables[0].oid
        self.change({"source.tables.0.oid": oid})
        if before != oid and self.world.source.publication is not None:
            left = {o: n for o, n in self.world.source.publication.tables.items() if o != before}
            self.change({"source.publication.tables": left})

    @rule()
    def an_operator_wants_it_copied_anew(self) -> None:
        assert self.world.destination is not None
        for at, table in enumerate(self.world.destination.tables):
            if table.name == b.ORDERS and table.filled and not self.steps & ENDED:
                self.change({f"destination.tables.{at}.resync": True})

    @rule()
    def its_counterpart_is_created(self) -> None:
        assert self.world.destination is not None
        if Step.SCHEMA_DONE in self.steps:
            known = {table.name: table for table in self.world.destination.tables}
            known.setdefault(LATER, b.destination_table(LATER))
            self.change({"destination.tables": tuple(known.values())})

    @rule(usable=st.booleans())
    def an_identity_changes(self, usable: bool) -> None:
        self.change({"source.tables.0.identity_usable": usable})

    @rule()
    def the_slot_keeps_too_much(self) -> None:
        assert self.world.source is not None
        if self.world.source.slot is not None:
            self.change({"source.slot.retained_bytes": 2**50})

    @rule(name=st.sampled_from(sorted(DAMAGE)))
    def somebody_breaks_it(self, name: str) -> None:
        self.change(DAMAGE[name])

    @rule(complete=st.booleans())
    def the_setting_is_flipped(self, complete: bool) -> None:
        self.change({"policy.complete": complete})

    @precondition(lambda self: self.daemon.history.ready and not self.steps & ENDED)
    @rule()
    def the_operator_switches(self) -> None:
        self.daemon.tick()
        if self.daemon.history.ready:
            self.daemon.world = simulator.switch(self.world)

    @invariant()
    def the_end_is_the_end(self) -> None:
        phases = self.daemon.phases
        if Phase.COMPLETED in phases:
            assert set(phases[phases.index(Phase.COMPLETED) :]) <= {Phase.COMPLETED, Phase.UNKNOWN}
        done = {"BeginCompletion", "RemoveReplication"} & set(self.daemon.actions)
        assert not done or Step.SWITCHED in self.steps


TestMigration = Migration.TestCase
