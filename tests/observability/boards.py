"""The committed dashboards as the tests read them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fixtures.tools import ROOT

FOLDER = ROOT / "dashboards"
UIDS = ("pgmigrator-overview", "pgmigrator-mapping", "pgmigrator-tables", "pgmigrator-daemon")
#: as Grafana fills them in when everything is chosen
ALL = {"job": ".+", "instance": ".+", "mapping": ".+", "database": ".+"}


@dataclass(frozen=True)
class Target:
    """One query of a panel."""

    board: str
    panel: str
    kind: str
    ref: str
    expr: str
    legend: str
    instant: bool
    table: bool

    @property
    def id(self) -> str:
        return f"{self.board.removeprefix('pgmigrator-')}: {self.panel} ({self.ref})"


def document(uid: str) -> Any:
    """Read a dashboard."""
    return json.loads((FOLDER / f"{uid}.json").read_text("utf-8"))


def panels(uid: str) -> list[Any]:
    """Return its panels, rows left out."""
    return [panel for panel in document(uid)["panels"] if panel["type"] != "row"]


def targets() -> tuple[Target, ...]:
    """Return every query of every panel."""
    return tuple(target for uid in UIDS for target in _targets(uid))


def _targets(uid: str) -> Iterator[Target]:
    for panel in panels(uid):
        for target in panel["targets"]:
            yield Target(
                board=uid,
                panel=panel["title"],
                kind=panel["type"],
                ref=target["refId"],
                expr=target["expr"],
                legend=target.get("legendFormat", ""),
                instant=bool(target.get("instant")),
                table=target.get("format") == "table",
            )


def substituted(text: str, chosen: Mapping[str, str] | None = None) -> str:
    """Fill in variables the way Grafana does."""
    values = ALL | dict(chosen or {}) | {"__rate_interval": "20s", "__interval": "5s"}
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return text


def legend_labels(target: Target) -> list[str]:
    """Return the labels that a legend names."""
    return re.findall(r"\{\{(\w+)\}\}", target.legend)
