"""`--observe`: Prometheus and Alertmanager beside the demo's daemon, with the alert rules.

Both are programs of this machine, found in PATH; they listen on loopback and store what they store
in the demo's own folder. Without Alertmanager the demo goes on, and says so: Prometheus shows what
fires, too.
"""

import json
import re
import shutil
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from pgmigrator.demo.daemon import REFRESH_SECONDS
from pgmigrator.demo.servers import HOST, free_port
from pgmigrator.surface.client import Client, NoAnswer

#: the job that the alert rules know
JOB = "postgres-migrator"
START_TIMEOUT_SECONDS = 30
STOP_TIMEOUT_SECONDS = 10
POLL_SECONDS = 0.1
#: its own name, by which .ci/tools makes the unpacked one start, then that of an installed Debian's
ALERTMANAGER = ("alertmanager", "prometheus-alertmanager")


class MonitoringFailed(RuntimeError):
    """A program is missing, or did not start; the text says what to do."""


@dataclass(frozen=True)
class Monitoring:
    """What runs, and where."""

    prometheus_url: str
    #: None: it does not run, and `no_alertmanager` says why
    alertmanager_url: str | None
    no_alertmanager: str = ""

    @classmethod
    def start(cls, stack: ExitStack, folder: Path, rules: Path, daemon_port: int) -> "Monitoring":
        """Start both, to be ended with `stack`, and wait until they are ready.

        :param folder: for their configuration, data and logs.
        :param rules: a folder with files of alert rules.
        :raises MonitoringFailed: there are no rules, or Prometheus is missing or did not start.
        """
        if not (files := sorted(rules.glob("*.rules.yaml"))):
            raise MonitoringFailed(f"no alert rules in {rules}: there is no *.rules.yaml")
        url, missing = None, ""
        try:
            url = _start_alertmanager(stack, folder)
        except MonitoringFailed as error:
            missing = str(error)
        prometheus_url = _start_prometheus(stack, folder, _scraping(files, daemon_port, url))
        return cls(prometheus_url, url, missing)

    def summary(self) -> str:
        """Say in one line what runs."""
        alertmanager = self.alertmanager_url or f"does not run: {self.no_alertmanager}"
        return f"Prometheus: {self.prometheus_url}; Alertmanager: {alertmanager}"

    def lines(self) -> str:
        """Write where to look, as lines to copy."""
        query = urlencode({"query": "pgmigrator_cutover_ready"})
        prometheus, alertmanager = self.prometheus_url, self.alertmanager_url
        lines = [
            "monitoring",
            f"  {prometheus}      # for a browser, if this Prometheus has its pages",
            f"  curl -sS '{prometheus}/api/v1/query?{query}'      # the green light",
            f"  curl -sS {prometheus}/api/v1/alerts      # what is pending, and what fires",
        ]
        if alertmanager is not None:
            lines.append(f"  curl -sS {alertmanager}/api/v2/alerts      # what Alertmanager has")
        return "\n".join([*lines, ""])


def _start_alertmanager(stack: ExitStack, folder: Path) -> str:
    """Start it, with nobody to tell; return its URL."""
    receivers = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
    address = f"{HOST}:{free_port()}"
    command = (
        _find(*ALERTMANAGER),
        *("--config.file", _written(folder / "alertmanager.yml", receivers)),
        *("--storage.path", str(folder / "alertmanager")),
        *("--web.listen-address", address),
        "--cluster.listen-address=",  # it is alone
    )
    return _started(stack, command, f"http://{address}", folder / "alertmanager.log")


def _start_prometheus(stack: ExitStack, folder: Path, configuration: object) -> str:
    """Start it; return its URL."""
    address = f"{HOST}:{free_port()}"
    command = (
        _find("prometheus"),
        *("--config.file", _written(folder / "prometheus.yml", configuration)),
        *("--storage.tsdb.path", str(folder / "prometheus")),
        *("--web.listen-address", address),
    )
    return _started(stack, command, f"http://{address}", folder / "prometheus.log")


def _scraping(rules: list[Path], daemon_port: int, alertmanager_url: str | None) -> object:
    """Make the configuration of a Prometheus that scrapes as often as the daemon looks."""
    interval = f"{REFRESH_SECONDS}s"
    scraped = [{"targets": [f"{HOST}:{daemon_port}"]}]
    told = [{"targets": [alertmanager_url.removeprefix("http://")]}] if alertmanager_url else []
    return {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "scrape_configs": [{"job_name": JOB, "static_configs": scraped}],
        "rule_files": [str(path.absolute()) for path in rules],
        "alerting": {"alertmanagers": [{"static_configs": told}]},
    }


def _find(*names: str) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    raise MonitoringFailed(f"{names[0]} was not found in PATH: install it, or use `make observe`")


def _written(path: Path, configuration: object) -> str:
    path.write_text(json.dumps(configuration, indent=2))  # which is YAML, too
    return str(path)


def _started(stack: ExitStack, command: tuple[str, ...], url: str, log_path: Path) -> str:
    """Start a program and wait until it is ready; return its URL.

    :raises MonitoringFailed: it ended, or took too long; with the end of its log.
    """
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  (a program found in PATH, with our arguments)
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us; we stop it in good order
        )
    stack.callback(_stop, process)
    deadline_s = time.monotonic() + START_TIMEOUT_SECONDS
    while not _is_ready(url):
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise MonitoringFailed(f"{Path(command[0]).name} did not start: {_reason(log_path)}")
        time.sleep(POLL_SECONDS)
    return url


def _reason(log_path: Path) -> str:
    """Return the last error that a log names, or else its last line."""
    text = log_path.read_text(errors="replace").strip()
    errors: list[str] = re.findall(r'err="((?:[^"\\]|\\.)+)"', text)
    return errors[-1] if errors else text.rpartition("\n")[2]


def _is_ready(url: str) -> bool:
    try:
        return Client(url).get("/-/ready").status == 200
    except NoAnswer:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
