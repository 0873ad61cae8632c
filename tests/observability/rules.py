"""The alert rules as the tests read them."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.fixtures.tools import ROOT

FILE = ROOT / "alerts" / "postgres-migrator.rules.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Rule:
    """One alert; some names have two rules, of different severity."""

    name: str
    severity: str
    expr: str
    for_seconds: int
    keep_firing_seconds: int
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def id(self) -> str:
        return f"{self.name}-{self.severity}"


@cache
def rules() -> tuple[Rule, ...]:
    """Read every rule of the file."""
    groups: list[dict[str, Any]] = yaml.safe_load(FILE.read_text())["groups"]
    return tuple(
        Rule(
            name=rule["alert"],
            severity=rule["labels"]["severity"],
            expr=rule["expr"],
            for_seconds=seconds(rule.get("for", "0s")),
            keep_firing_seconds=seconds(rule.get("keep_firing_for", "0s")),
            labels=rule["labels"],
            annotations=rule["annotations"],
        )
        for group in groups
        for rule in group["rules"]
    )


def rule(name: str, severity: str) -> Rule:
    """Find one rule."""
    return next(each for each in rules() if (each.name, each.severity) == (name, severity))


def seconds(duration: str) -> int:
    """Read a duration such as 5m."""
    return int(duration[:-1]) * _UNITS[duration[-1]]
