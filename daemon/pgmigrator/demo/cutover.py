"""The cutover as the guide says: stop, switch, compare, go on over there, complete, prove."""

from dataclasses import dataclass
from functools import partial

from pgmigrator.demo import traces
from pgmigrator.demo.application import DATABASES, Application
from pgmigrator.demo.compare import Comparison, Snapshots, open_snapshots
from pgmigrator.demo.daemon import Daemon
from pgmigrator.demo.screen import Screen
from pgmigrator.demo.traffic import Traffic
from pgmigrator.demo.watch import DemoFailed, Watch
from pgmigrator.surface.documents import OutcomeDocument

STEP_TIMEOUT_SECONDS = 60
#: differences that are named
DIFFERENCES_SHOWN = 5


@dataclass(frozen=True)
class Moved:
    """What the application's move was like."""

    compared: Comparison
    #: from the last acknowledged commit on the source to the first on the destination
    pause_seconds: float


@dataclass(frozen=True)
class Cutover:
    """Everything that the steps need."""

    screen: Screen
    daemon: Daemon
    application: Application
    traffic: Traffic
    watch: Watch

    def move(self) -> Moved:
        """Move the application to the destination; compare what both sides held at the proof.

        :raises DemoFailed: the switch was refused, the application cannot write, or sides differ.
        """
        stage = self.daemon.stage
        self.screen.doing("stopping the application, draining, switching")
        self.traffic.stop()
        outcome = self._command("switch")
        with open_snapshots(stage.source.dsn, stage.destination.dsn, DATABASES) as snapshots:
            pause_seconds = self.go_on()
            self._say_proof(outcome)
            self.screen.say(
                f"the application writes to the destination; pause {pause_seconds:.2f} s"
            )
            compared = self._compare(snapshots)
        return Moved(compared, pause_seconds)

    def go_on(self) -> float:
        """Let the application write to the destination; return the write pause in seconds.

        :raises DemoFailed: it could not.
        """
        self.traffic.switch_to(self.application.role_dsn(self.daemon.stage.destination.dsn))
        self.watch.side = "destination"
        self.traffic.wait_for_commit(STEP_TIMEOUT_SECONDS)
        self.watch.check_application()
        if self.traffic.pause_seconds is None:
            raise DemoFailed("the application could not write to the destination")
        return self.traffic.pause_seconds

    def _compare(self, snapshots: Snapshots) -> Comparison:
        self.screen.doing("comparing every table and sequence of both sides, as of the switch")
        compared = self.watch.during(snapshots.compare)
        if found := compared.differences:
            named = [str(difference) for difference in found[:DIFFERENCES_SHOWN]]
            raise DemoFailed(f"the sides differ in {len(found)} objects", *named)
        self.screen.say(
            f"both sides are equal: {compared.tables} tables, {compared.sequences} sequences"
        )
        return compared

    def _say_proof(self, outcome: OutcomeDocument) -> None:
        for drain in outcome["drains"]:
            self.screen.say(
                f"{drain['database']}: proved drained up to {drain['lsn']}"
                f" in {drain['duration_seconds']:.2f} s"
            )
        self.screen.say(f"{outcome['message']}: the subscriptions are off")

    def complete(self) -> None:
        """End the migration while the application goes on writing.

        :raises DemoFailed: it was refused, or did not end.
        """
        self.screen.doing("completing: removing everything of ours")
        self.watch.during(partial(self._command, "complete"))
        self.watch.until(
            lambda mapping: mapping["phase"] == "completed", "completed", STEP_TIMEOUT_SECONDS
        )

    def prove_no_trace(self, before: dict[str, bytes]) -> None:
        """See to it that the source is as it was before the daemon started.

        :raises DemoFailed: naming what is not.
        """
        self.screen.doing("dumping the source's definitions and roles again")
        stage = self.daemon.stage
        after = traces.dumps(stage.source, stage.destination.installation.bin_dir, DATABASES)
        found = traces.differences(before, after) + traces.leftovers(stage.source, DATABASES)
        if found:
            raise DemoFailed("the source carries traces of the migration", *found)
        self.screen.say("no trace on the source: dumps identical, no slot or publication")

    def _command(self, verb: str) -> OutcomeDocument:
        """Command the daemon as an operator does.

        :raises DemoFailed: it refused; with its reasons.
        """
        answer = self.daemon.post(verb, STEP_TIMEOUT_SECONDS)
        document = answer.document()
        if answer.status < 400:
            outcome: OutcomeDocument = document
            return outcome
        said = document.get("message") or document.get("detail") or answer.text
        blocking = [
            f"{each['database']}: {each['reason']} {each['fix']}".strip()
            for each in document.get("blocking", [])
        ]
        raise DemoFailed(f"{verb} was refused with status {answer.status}: {said}", *blocking)
