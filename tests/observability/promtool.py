"""From a case of alert_cases.py to promtool's unit tests: healthy, early, firing, resolved.

Beside the database that is in trouble, orders/shop, two healthy ones are always there: another of
the same mapping and another of the same name, so that every case also proves that they do not mix.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pgmigrator.core.model import Phase
from pgmigrator.surface.catalogue import ALERT_LIMITS_SECONDS, WAL_STATUSES
from tests.observability.alert_cases import Case, Ramp, Value
from tests.observability.rules import FILE, Rule, rule

STEP = 30
#: seconds: everything is healthy until then
ONSET = 600
JOB = "postgres-migrator"
SUBJECT = ("orders", "shop")
NEIGHBOURS = (("orders", "crm"), ("billing", "shop"))
GAP = 60

Series = dict[str, Value]
Stages = list[tuple[str, int]]


@dataclass(frozen=True)
class Times:
    """When a case is looked at, in seconds."""

    healthy: int
    early: int
    fires: int
    ends: int
    resolved: int


def times(case: Case) -> Times:
    """Say when the alert must be silent, fire, and be silent again."""
    found = rule(case.alert, case.severity)
    true_at = ONSET + case.delay
    fires = true_at + max(found.for_seconds, STEP) + STEP
    ends = fires + 2 * STEP
    return Times(
        healthy=ONSET - STEP,
        early=true_at + found.for_seconds - STEP,
        fires=fires,
        ends=ends,
        resolved=ends + case.linger + found.keep_firing_seconds + 2 * STEP,
    )


def document(groups: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Make the file that `promtool test rules` reads."""
    return {
        "rule_files": [str(FILE)],
        "evaluation_interval": f"{STEP}s",
        "tests": list(groups),
    }


def lifetime(case: Case) -> dict[str, Any]:
    """Silent while healthy, silent before its time, firing with its complete text, resolving."""
    at = times(case)
    return _group(
        f"{case.alert}: healthy, early, firing, resolved",
        _series(case, case.trouble, at),
        [
            *_silent(case, at.healthy, at.early, at.resolved),
            _expects(case, at.fires, _alerts(case)),
        ],
    )


def near_miss(case: Case, misses: Mapping[str, Value]) -> dict[str, Any]:
    """Never fires: the wrong phase, or not quite the trouble."""
    at = times(case)
    return _group(
        f"{case.alert}: not with {dict(misses)}",
        _series(case, {**case.trouble, **misses}, at),
        list(_silent(case, at.fires, at.ends - STEP)),
    )


def pod_restart(case: Case) -> dict[str, Any]:
    """It goes on firing, as the same alert, when the daemon comes back as another instance."""
    at = times(case)
    end = at.fires + GAP + 600
    old: Stages = [("healthy", ONSET), ("ill", at.fires), ("gone", end)]
    new: Stages = [("gone", at.fires + GAP), ("ill", end)]
    before = _expanded(case, case.trouble, old, "10.0.0.1:8432")
    after = _expanded(case, case.trouble, new, "10.0.0.2:8432")
    firing = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}})'
    group = _group(f"{case.alert}: the pod restarts", [*before, *after], [])
    group["promql_expr_test"] = [
        {
            "expr": firing,
            "eval_time": f"{moment}s",
            "exp_samples": [{"labels": "{}", "value": 1 + len(case.accompanied_by)}],
        }
        for moment in range(at.fires, end, STEP)
    ]
    return group


def quiet_restart(phase: str) -> dict[str, Any]:
    """A healthy daemon in a phase is replaced: nothing fires."""
    end = 2400
    case = Case(alert="", severity="info", phase=phase, trouble={}, near=(), description="")
    old: Stages = [("healthy", ONSET), ("gone", end)]
    new: Stages = [("gone", ONSET + GAP), ("healthy", end)]
    series = [
        *_expanded(case, {}, old, "10.0.0.1:8432"),
        *_expanded(case, {}, new, "10.0.0.2:8432"),
    ]
    group = _group(f"a healthy pod restarts while {phase}", series, [])
    group["promql_expr_test"] = [
        {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{moment}s", "exp_samples": []}
        for moment in range(0, end, STEP)
    ]
    return group


def links(case: Case) -> dict[str, Any]:
    """External labels give the bases of the links."""
    at = times(case)
    bases = {"grafana_url": "https://g.example", "runbooks_url": "https://r.example"}
    expected = _alerts(case, bases["grafana_url"], bases["runbooks_url"])
    series = _series(case, case.trouble, at)
    group = _group(f"{case.alert}: links", series, [_expects(case, at.fires, expected)])
    return group | {"external_labels": bases}


# --- what is expected ----------------------------------------------------------------------------


def _alerts(
    case: Case,
    grafana: str = "",
    runbooks: str = "docs/runbooks",
) -> list[dict[str, Any]]:
    found: Rule = rule(case.alert, case.severity)
    mapping, database = SUBJECT
    query = {"database": f"?var-mapping={mapping}&var-database={database}"}
    query |= {"mapping": f"?var-mapping={mapping}", "daemon": ""}
    dashboard = {"database": "mapping", "mapping": "overview", "daemon": "daemon"}[case.level]
    labels = {"job": JOB}
    if case.level != "daemon":
        labels["mapping"] = mapping
    if case.level == "database":
        labels["database"] = database
    annotations = {
        "summary": found.annotations["summary"],
        "description": case.description,
        "runbook_url": f"{runbooks}/{case.alert}.md",
        "dashboard_url": f"{grafana}/d/pgmigrator-{dashboard}{query[case.level]}",
    }
    return [
        {
            "exp_labels": labels | dict(case.labels) | {"severity": severity},
            "exp_annotations": annotations,
        }
        for severity in (case.severity, *case.accompanied_by)
    ]


def _expects(case: Case, at: int, alerts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"eval_time": f"{at}s", "alertname": case.alert, "exp_alerts": alerts}


def _silent(case: Case, *at: int) -> Iterator[dict[str, Any]]:
    for moment in at:
        yield _expects(case, moment, [])


def _group(name: str, series: list[dict[str, str]], tests: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "interval": f"{STEP}s",
        "input_series": series,
        "alert_rule_test": tests,
    }


# --- the series ----------------------------------------------------------------------------------


def _series(case: Case, trouble: Mapping[str, Value], at: Times) -> list[dict[str, str]]:
    stages: Stages = [("healthy", ONSET), ("ill", at.ends), ("after", at.resolved + STEP)]
    return _expanded(case, trouble, stages, "127.0.0.1:8432")


def _expanded(
    case: Case,
    trouble: Mapping[str, Value],
    stages: Stages,
    instance: str,
) -> list[dict[str, str]]:
    """Print every series through the stages, each of which ends at its time."""
    healthy = everything(case.phase)
    ill = _of_subject(trouble)
    after = healthy | _of_subject(case.after)
    found = []
    for name in healthy | ill:
        values, start = [], 0
        for state, end in stages:
            series = {"healthy": healthy, "ill": healthy | ill, "after": after, "gone": {}}[state]
            values.append(_samples(series.get(name), start, end))
            start = end
        found.append({"series": _with_target(name, instance), "values": " ".join(values)})
    return found


def _samples(value: Value, start: int, end: int) -> str:
    count = (end - start) // STEP - 1
    if value is None:
        return f"stale _x{count}"
    if isinstance(value, Ramp):
        return f"{start * value.slope + value.offset}+{STEP * value.slope}x{count}"
    return f"{value}+0x{count}"


def _with_target(name: str, instance: str) -> str:
    target = f'job="{JOB}",instance="{instance}"'
    bare, _, labels = name.partition("{")
    metric = bare if bare == "up" else f"pgmigrator_{bare}"
    return f"{metric}{{{target},{labels or '}'}"


def everything(phase: str) -> Series:
    """Every series of a healthy daemon; the subject is in `phase`."""
    found: Series = {"up": 1, 'alert_limit_seconds{limit="report_age"}': 120}
    for limit, number in ALERT_LIMITS_SECONDS.items():
        found[f'alert_limit_seconds{{limit="{limit}"}}'] = number
    for mapping in ("orders", "billing"):
        found |= _labelled(_mapping(), f'mapping="{mapping}"')
    for mapping, database in NEIGHBOURS:
        found |= _labelled(_database("catching_up"), f'mapping="{mapping}",database="{database}"')
    return found | _of_subject(_database(phase))


def _of_subject(series: Mapping[str, Value]) -> Series:
    """Add the subject's labels to the names, which cases leave out."""
    found: Series = {}
    for name, value in series.items():
        if name == "up" or name.startswith("alert_limit") or "mapping=" in name:
            found[name] = value
        else:
            labels = 'mapping="orders"' + ("" if name in _mapping() else ',database="shop"')
            found |= _labelled({name: value}, labels)
    return found


def _labelled(series: Series, labels: str) -> Series:
    found: Series = {}
    for name, value in series.items():
        bare, _, more = name.partition("{")
        found[f"{bare}{{{labels}{',' + more if more else '}'}"] = value
    return found


def _mapping() -> Series:
    return {
        'server_up{side="source"}': 1,
        'server_up{side="destination"}': 1,
        "source_sessions_blocked": 0,
        'throttle_active{reason="max_parallel_tables"}': 0,
        "cutover_max_lag_seconds": 5,
        "max_retained_wal_bytes": 1000 * 1024**2,
    }


def _database(phase: str) -> Series:
    copying = phase == "copying"
    switched: Series = {"late_writes": 0, "switched_timestamp_seconds": Ramp(-60)}
    return {
        **{f'database_phase{{phase="{each}"}}': int(each == phase) for each in Phase},
        "cutover_ready": int(phase == "ready"),
        **{
            f'cutover_gate_status{{gate="{gate}",status="{status}"}}': int(status == "pass")
            for gate in ("servers_unchanged", "sequences_synced")
            for status in ("pass", "fail", "unknown")
        },
        "report_timestamp_seconds": Ramp(-3),
        "replication_lag_seconds": 0.5,
        "replication_lag_bytes": 1000,
        "confirmed_flush_lsn_bytes": Ramp(10**9, 1000),
        **{f'slot_wal_status{{status="{each}"}}': int(each == "reserved") for each in WAL_STATUSES},
        'slot_retained_wal_bytes{slot="main"}': 1024**2,
        'slot_retained_wal_bytes{slot="sync"}': 0,
        "slot_wal_runway_seconds": 10**6,
        "slot_active": 1,
        "apply_errors_total": 3,
        "sync_errors_total": 2,
        'conflicts_total{conflict="insert_exists"}': 1,
        'conflicts_total{conflict="update_missing"}': 0,
        'tables{state="problem"}': 0,
        'tables{state="streaming"}': 5,
        "copy_completed_bytes": Ramp(10_000) if copying else 10**9,
        "copy_completed_rows": Ramp(10_000) if copying else 10**6,
        "copy_estimated_bytes": 10**9,
        'verified_tables{result="match"}': 5,
        'verified_tables{result="mismatch"}': 0,
        "verification_last_success_timestamp_seconds": Ramp(-60),
        'schema_drift_objects{kind="table"}': 0,
        'schema_drift_objects{kind="column"}': 0,
        "source_oldest_transaction_timestamp_seconds": Ramp(-10),
        **(switched if phase == "switched" else {}),
    }
