"""Every panel of every dashboard, asked of a real Prometheus, in every state of a real migration.

One migration of two databases goes its way, is held up, broken and mended, switched and completed;
in each state all queries run, and what the state calls for must be there.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from pgmigrator.core.gates import GATE_NAMES
from pgmigrator.core.model import Phase
from pgmigrator.demo.servers import Server
from tests.e2e import shop
from tests.fixtures.daemon import Daemon, orders
from tests.fixtures.prometheus import JOB, Prometheus, Series
from tests.fixtures.servers import Pair, PairFactory
from tests.observability import boards
from tests.observability.boards import Target
from tests.observability.test_exposition import check_metrics

WINDOW_SECONDS = 30
#: two scrapes happen meanwhile
SCRAPES_SECONDS = 2.5
DATABASES = ("shop", "zoo")
PHASES = {phase: float(number) for number, phase in enumerate(Phase)}
NOT_READY, READY, SWITCHED = 0.0, 1.0, 2.0
FAIL, UNKNOWN, PASS = 0.0, 1.0, 2.0
HOLDER = "holds the copies"
#: no row gets into `orders` while a session of that name is on its server, in whatever database
HOLDABLE = f"""
CREATE FUNCTION held() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
  WHILE EXISTS (SELECT FROM pg_stat_activity WHERE application_name = '{HOLDER}') LOOP
    PERFORM pg_sleep(0.05), pg_stat_clear_snapshot();
  END LOOP;
  RETURN true;
END $$;
ALTER TABLE orders ADD CHECK (held())
"""
WITHOUT_IDENTITY = "CREATE TABLE nokey (a int)"
#: as many rows, under the same definition, but other ones: replication does not carry that
REWRITING = "ALTER TABLE customers ALTER name TYPE text USING upper(name)"
MENDED = "DROP TABLE IF EXISTS nokey"
STATES = ("copying", "failing", "ready", "source down", "switched", "late writes", "completed")
DAEMON_DOWN = "daemon down"
#: predictions need a rate, which a machine that is fast or slow enough never has here
MAY_LACK = {
    "overview: Copy ends (A)",
    "mapping: Copy ends (A)",
    "overview: Shortest WAL runway (A)",
    "mapping: WAL runway (A)",
}
#: what cannot be known, or is not the case, in a state; what is not named here always has data
NO_DATA = {
    "mapping: Rows last compared (A)": "copying",
    "mapping: Difference of row counts (A)": "copying",
    "mapping: Tables by the result of the last comparison (A)": "copying",
    "mapping: Tables that differ (A)": "copying",
    "overview: Where every database stands (E)": "copying",
    "mapping: Schema drift (A)": "copying",
    "mapping: Light last changed (A)": "copying, failing",
    "mapping: Last drain took (A)": "copying, failing, ready, source down",
    "mapping: Switched (A)": "copying, failing, ready, source down",
    "mapping: Late writes (A)": "copying, failing, ready, source down, completed",
    "mapping: Gates (A)": "switched, late writes, completed",
    "mapping: Slot (A)": "source down, completed",
    "mapping: Open problems (A)": "ready, source down, switched, completed",
    "mapping: Oldest transaction on the source (A)": "copying, ready, source down, switched,"
    " late writes, completed",
    "overview: Application waits behind us (A)": "source down",
    "overview: Initial copy (A)": "source down, completed",
    "overview: Where every database stands (C)": "source down, completed",
    "overview: Where every database stands (D)": "source down, completed",
    "overview: What is wrong: firing alerts (A)": "copying, failing, ready, source down, switched,"
    " completed",
    "overview: What keeps a light off: gates that do not pass (A)": "ready, switched, late writes,"
    " completed",
    "overview: What keeps a light off: gates that do not pass (B)": "ready, source down, switched,"
    " late writes, completed",
    "overview: What keeps a light off: gates that do not pass (C)": "ready, source down, switched,"
    " late writes, completed",
    "tables: Tables with a problem (A)": "source down, completed",
    "tables: Running copies (A)": "failing, ready, source down, switched, late writes, completed",
    "tables: Running copies by size (A)": "failing, ready, source down, switched, late writes,"
    " completed",
    "tables: Running copies by size (B)": "failing, ready, source down, switched, late writes,"
    " completed",
    "tables: Tables whose rows differ (A)": "copying, ready, source down, switched, late writes,"
    " completed",
}
#: what speaks of a daemon that is gone
WITHOUT_DAEMON = {
    "overview: Daemon (A)",
    "daemon: Daemon (A)",
    "overview: What is wrong: firing alerts (A)",
    "overview: What keeps a light off: gates that do not pass (A)",
}


def calls_for(asked: Target, state: str) -> bool:
    """Tell whether a query must have data in a state."""
    if state == DAEMON_DOWN:
        return asked.id in WITHOUT_DAEMON - {"overview: What is wrong: firing alerts (A)"}
    # a rate needs two scrapes, and the copying is looked at when there may be one
    young = state == "copying" and ("rate(" in asked.expr or "increase(" in asked.expr)
    return not young and state not in NO_DATA.get(asked.id, "").split(", ")


def target(name: str) -> Target:
    """Find a query by its id."""
    (found,) = [each for each in boards.targets() if each.id == name]
    return found


@dataclass
class Watch:
    """Asks every panel, and remembers in which states each query had data."""

    prometheus: Prometheus
    #: id of the query -> states in which it had data
    proven: dict[str, list[str]] = field(default_factory=dict)

    def look(self, state: str) -> None:
        """Run every query of every dashboard, and check the form of what comes."""
        for target in boards.targets():
            found = self.ask(target)
            if not found and target.id not in MAY_LACK and calls_for(target, state):
                time.sleep(SCRAPES_SECONDS)  # one scrape may have failed: the next bring everything
                found = self.ask(target)
            for labels, samples in found:
                assert all(math.isfinite(value) for _, value in samples), (state, target.id, labels)
                missing = [name for name in boards.legend_labels(target) if name not in labels]
                assert not missing, (state, target.id, labels)
            self.proven.setdefault(target.id, [])
            if found:
                self.proven[target.id].append(state)
            elif target.id not in MAY_LACK:
                assert not calls_for(target, state), f"{target.id} has no data when {state}"
            if state == DAEMON_DOWN and target.instant:
                assert not found or target.id in WITHOUT_DAEMON, f"{target.id} shows what was"

    def ask(self, target: Target) -> list[Series]:
        expr = boards.substituted(target.expr)
        if target.instant:
            return self.prometheus.query(expr)
        return self.prometheus.query_range(expr, WINDOW_SECONDS)

    def shows(self, panel: str, expected: dict[tuple[str, ...], float], ref: str = "A") -> None:
        """Wait until a panel shows these numbers; their keys are values of labels of a series."""

        def as_expected(found: dict[frozenset[str], float]) -> bool:
            return all(
                any(set(key) <= labels and number == value for labels, number in found.items())
                for key, value in expected.items()
            )

        self.wait(panel, as_expected, f"{expected}", ref)

    def empty(self, panel: str) -> None:
        """Wait until a panel has no data."""
        self.wait(panel, lambda found: not found, "no data")

    def wait(
        self,
        panel: str,
        condition: Callable[[dict[frozenset[str], float]], bool],
        what: str,
        ref: str = "A",
        seconds: float = 90,
    ) -> None:
        asked = target(f"{panel} ({ref})")
        deadline = time.monotonic() + seconds
        now: dict[frozenset[str], float] = {}
        while time.monotonic() < deadline:
            found = self.prometheus.query(boards.substituted(asked.expr))
            now = {frozenset(labels.values()): samples[-1][1] for labels, samples in found}
            if condition(now):
                return
            time.sleep(0.3)
        raise AssertionError(f"{panel} does not show {what}, but {now}")


@contextmanager
def held_copies(destination: Server) -> Iterator[None]:
    """Keep the copy of `orders`, in every database, from its end; see HOLDABLE."""
    with psycopg.connect(destination.dsn(), application_name=HOLDER):
        yield


@dataclass
class Stage:
    """Everything that the states are played with."""

    pair: Pair
    running: Daemon
    watch: Watch
    #: the database that copies first, and to which everything happens
    victim: str = ""

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.running.port}"


def test_every_panel_in_every_state(
    fresh_pair: PairFactory,
    daemon: Callable[..., Daemon],
    prometheus: Callable[[int], Prometheus],
) -> None:
    pair = fresh_pair(source=shop.SOURCE)
    for database in DATABASES:
        shop.create(pair.source, database)
        shop.execute(pair.source, HOLDABLE, database=database)
    # one database copies at a time, so that the other has to wait
    running = daemon(orders(pair, MAX_PARALLEL_TABLES="4"))
    stage = Stage(pair, running, Watch(prometheus(running.port)))
    for play in (copying, failing, ready, source_down, switched, completed, daemon_down):
        play(stage)

    proven = stage.watch.proven
    for query, states in sorted(proven.items()):
        print(f"{query}: {', '.join(states) or 'never'}")  # noqa: T201
    assert {query for query, states in proven.items() if not states} <= MAY_LACK
    assert set(NO_DATA) | MAY_LACK | WITHOUT_DAEMON <= set(proven)
    assert {each for states in NO_DATA.values() for each in states.split(", ")} <= set(STATES)


def copying(stage: Stage) -> None:
    """One database copies; the other waits until it may."""
    shows = stage.watch.shows
    with held_copies(stage.pair.destination):
        stage.running.start()
        stage.watch.wait(
            "mapping: Phases",
            lambda found: sorted(found.values()) == [PHASES[Phase.SCHEMA], PHASES[Phase.COPYING]],
            "one that copies and one that waits",
        )
        shows("mapping: Does a copy wait on purpose?", {("max_parallel_tables",): 1})
        shows("overview: Is a cutover safe now?", {("orders",): NOT_READY})
        shows("overview: Servers", {("source",): 1, ("destination",): 1})
        shows("overview: Daemon", {(stage.target,): 1})
        stage.watch.wait(
            "tables: Running copies by size",
            lambda found: any({"public", "orders"} <= labels for labels in found),
            "the copy that is held",
        )
        stage.watch.wait(
            "tables: Tables by what they are doing",
            lambda found: found.get(frozenset({"copying"}), 0) >= 1,
            "a copy",
        )
        _variables(stage.watch.prometheus)
        stage.watch.look("copying")

        found = stage.running.get("/status/orders")["databases"]
        stage.victim = next(each["name"] for each in found if each["phase"] == "copying")
        # somebody writes where only we may, before the rows are counted for the first time
        stage.running.wait(
            lambda page: any(each["table"] == "nothing" for each in page["items"]),
            "the copy of a table",
            f"/status/orders/{stage.victim}/tables?state=streaming",
        )
        shop.execute(
            stage.pair.destination, "INSERT INTO nothing VALUES (42)", database=stage.victim
        )


def failing(stage: Stage) -> None:
    """A row that the source has not, a table that comes without a key, DDL that changes rows."""
    shows, gates = stage.watch.shows, "overview: What keeps a light off: gates that do not pass"
    victim = stage.victim
    (other,) = {*DATABASES} - {victim}
    shop.execute(stage.pair.source, WITHOUT_IDENTITY, database=victim)
    shows("tables: Tables with a problem", {(victim,): 1, (other,): 0})
    shows("mapping: Difference of row counts", {(victim,): 1})
    shows("mapping: Tables that differ", {(victim,): 1})
    shows("tables: Tables whose rows differ", {(victim, "public", "nothing"): 1})
    shows("overview: Is a cutover safe now?", {("orders",): NOT_READY})
    shows(
        gates,
        {(victim, "row_counts_match", "fail"): 1, (victim, "no_problem_tables", "fail"): 1},
    )
    shows(gates, {(victim, "row_counts_match", "rows"): 1}, "B")
    shows(gates, {(victim, "row_counts_match", "rows"): 0}, "C")
    shows("mapping: Gates", {(victim, "row_counts_match"): FAIL, (victim, "data_fresh"): PASS})
    statuses = [samples[-1][1] for _, samples in stage.watch.ask(target("mapping: Gates (A)"))]
    assert statuses == sorted(statuses), "failures first"
    shows("mapping: Open problems", {(victim, "degrades"): 1})
    shop.execute(stage.pair.source, REWRITING, database=victim)
    shows("mapping: Tables that differ", {(victim,): 2})
    shows("mapping: Difference of row counts", {(victim,): 1})
    shows("tables: Tables whose rows differ", {(victim, "public", "customers"): 0})
    with psycopg.connect(stage.pair.source.dsn(victim)) as idle:
        idle.execute("SELECT 1")
        stage.watch.wait("mapping: Oldest transaction on the source", bool, "a transaction")
        stage.watch.look("failing")


def ready(stage: Stage) -> None:
    shows = stage.watch.shows
    shop.execute(stage.pair.source, MENDED, database=stage.victim)
    shop.execute(stage.pair.destination, "DELETE FROM nothing", MENDED, database=stage.victim)
    table = {"database": stage.victim, "table": "public.customers"}
    status, outcome = stage.running.post("resync", **table)
    assert status in (200, 202), outcome
    stage.running.wait_phase("ready")
    shows("overview: Is a cutover safe now?", {("orders",): READY})
    shows("mapping: Is a cutover safe now?", {("shop",): READY, ("zoo",): READY})
    shows("mapping: Gates", {("shop", gate): PASS for gate in GATE_NAMES})
    shows("mapping: Difference of row counts", {("shop",): 0, ("zoo",): 0})
    shows("mapping: Tables that differ", {("shop",): 0, ("zoo",): 0})
    stage.watch.empty("overview: What keeps a light off: gates that do not pass")
    stage.watch.empty("tables: Tables whose rows differ")
    stage.watch.look("ready")
    _within_budget(stage.running)


def source_down(stage: Stage) -> None:
    shows = stage.watch.shows
    stage.pair.source.stop()
    shows("overview: Servers", {("source",): 0, ("destination",): 1})
    shows("overview: Is a cutover safe now?", {("orders",): NOT_READY})
    shows("mapping: Phases", {("shop",): PHASES[Phase.UNKNOWN]})
    stage.watch.look("source down")
    stage.pair.source.start()


def switched(stage: Stage) -> None:
    """Switch, after a drain; then somebody writes to the source."""
    shows, running = stage.watch.shows, stage.running
    running.wait_phase("ready")
    shows("overview: Is a cutover safe now?", {("orders",): READY})
    for verb in ("drain", "switch"):
        status, outcome = running.post(verb)
        assert status == 200, outcome
    shows("overview: Is a cutover safe now?", {("orders",): SWITCHED})
    shows("mapping: Late writes", {("shop",): 0, ("zoo",): 0})
    stage.watch.look("switched")
    shop.execute(stage.pair.source, "INSERT INTO nothing VALUES (2)", database=stage.victim)
    shows("mapping: Late writes", {(stage.victim,): 1})
    shows(
        "overview: What is wrong: firing alerts",
        {("PgMigratorLateWrites", "critical", "orders", stage.victim): 1},
    )
    stage.watch.look("late writes")


def completed(stage: Stage) -> None:
    status, outcome = stage.running.post("complete", force=True, reason="a test")
    assert status == 200, outcome
    stage.running.wait_phase("completed")
    stage.watch.shows("overview: Is a cutover safe now?", {("orders",): SWITCHED})
    stage.watch.shows(
        "mapping: Phases",
        {("shop",): PHASES[Phase.COMPLETED], ("zoo",): PHASES[Phase.COMPLETED]},
    )
    stage.watch.look("completed")


def daemon_down(stage: Stage) -> None:
    stage.running.stop()
    stage.watch.shows("overview: Daemon", {(stage.target,): 0})
    stage.watch.empty("overview: Is a cutover safe now?")
    stage.watch.empty("mapping: Is a cutover safe now?")
    stage.watch.shows(
        "overview: What keeps a light off: gates that do not pass",
        {("unknown", "NO DATA: the daemon is not there"): 1},
    )
    stage.watch.look(DAEMON_DOWN)
    _variables(stage.watch.prometheus)


def _variables(prometheus: Prometheus) -> None:
    """The query variables of every dashboard offer what there is, also once the daemon is gone."""
    for uid in boards.UIDS:
        for variable in boards.document(uid)["templating"]["list"][1:5]:
            selector = variable["query"].removeprefix("label_values(").rpartition(", ")[0]
            offered = prometheus.label_values(variable["name"], boards.substituted(selector))
            expected = {"job": [JOB], "mapping": ["orders"], "database": [*DATABASES]}
            assert offered
            assert offered == expected.get(variable["name"], offered)


def _within_budget(running: Daemon) -> None:
    text = running.fetch("/metrics")[1]
    assert check_metrics(text) == ""
    for database in DATABASES:
        series = [line for line in text.splitlines() if f'database="{database}"' in line]
        assert 100 < len(series) <= 300
