"""Selectors and the few expressions that more than one dashboard needs."""

from collections.abc import Iterable

from pgmigrator.core.model import Phase
from pgmigrator.surface.catalogue import PREFIX, WAL_STATUSES

_TARGET = 'job=~"$job",instance=~"$instance"'
_MAPPING = f'{_TARGET},mapping=~"$mapping"'
_DATABASE = f'{_MAPPING},database=~"$database"'
#: how the series of one database are matched
ON_DATABASE = "on (job, instance, mapping, database)"


def _selector(name: str, scope: str, matchers: str) -> str:
    full = name if name == "up" or name.startswith(("process_", "python_")) else PREFIX + name
    return f"{full}{{{scope}{',' + matchers if matchers else ''}}}"


def of_daemon(name: str, matchers: str = "") -> str:
    """Select what has no mapping."""
    return _selector(name, _TARGET, matchers)


def of_mapping(name: str, matchers: str = "") -> str:
    """Select what belongs to a mapping."""
    return _selector(name, _MAPPING, matchers)


def of_database(name: str, matchers: str = "") -> str:
    """Select what belongs to a database of a mapping."""
    return _selector(name, _DATABASE, matchers)


def worst(expr: str, *labels: str) -> str:
    """Fold instances and whatever else is not named, keeping the highest."""
    return f"max by ({', '.join(labels or ('mapping', 'database'))}) ({expr})"


def light(*labels: str) -> str:
    """The green light: 1 only if every database is ready and was read lately; 2: switched.

    A daemon that hangs but still serves says 1 for ever: the age of its report turns that off.
    """
    by = ", ".join(labels)
    limit = of_daemon("alert_limit_seconds", 'limit="report_age"')
    fresh = (
        f"(time() - {of_database('report_timestamp_seconds')}"
        f" < bool on (job, instance) group_left () {limit})"
    )
    ready = f"min by ({by}) ({of_database('cutover_ready')} * {ON_DATABASE} {fresh})"
    over = of_database("database_phase", 'phase=~"switched|completed"')
    # at most one of both is not 0
    return f"{ready} + 2 * min by ({by}) (sum by (job, instance, mapping, database) ({over}))"


def phase() -> str:
    """The phase of each database as a number: its place in the order of phases."""
    return _numbered("database_phase", "phase", Phase)


def wal_status() -> str:
    """The status of each slot as a number: the higher the worse."""
    return _numbered("slot_wal_status", "status", WAL_STATUSES)


def gate() -> str:
    """The status of each gate as a number, failures first: 0 fail, 1 unknown, 2 pass."""
    by = "mapping, database, gate"
    passing = of_database("cutover_gate_status", 'status="pass"')
    unknown = of_database("cutover_gate_status", 'status="unknown"')
    status = f"2 * max by ({by}) ({passing}) + max by ({by}) ({unknown})"
    return f'sort(label_join({status}, "where", " / ", "mapping", "database"))'


def copied(name: str = "copy", *labels: str) -> str:
    """The part of the estimated bytes that is copied."""
    done, estimated = (
        worst(of_database(f"{name}_{what}_bytes"), *labels) for what in ("completed", "estimated")
    )
    return f"{done} / clamp_min({estimated}, 1)"


def not_passing(value: str) -> str:
    """Keep of a gate's numbers those whose gate does not pass."""
    failing = of_database("cutover_gate_status", 'status=~"fail|unknown"')
    return (
        f"max by (mapping, database, gate, unit) ({of_database(value)}"
        f" and on (job, instance, mapping, database, gate) {failing} == 1)"
    )


def _numbered(name: str, label: str, states: Iterable[str]) -> str:
    selected = (of_database(name, f'{label}="{state}"') for state in states)
    return " + ".join(f"{number} * {worst(each)}" for number, each in enumerate(selected))
