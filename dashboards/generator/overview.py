"""Every mapping at a glance; the first row answers: is it safe, what is wrong, what do I do."""

import inspect
from typing import Any

from dashboards.generator import words
from dashboards.generator.databases import NAME
from dashboards.generator.panels import (
    Column,
    Panel,
    bars,
    high_is_bad,
    low_is_bad,
    query,
    row_to_mapping,
    stat_panel,
    table_panel,
    to_mapping,
)
from dashboards.generator.panels import (
    dashboard as build,
)
from dashboards.generator.queries import (
    copied,
    light,
    not_passing,
    of_database,
    of_mapping,
    phase,
    worst,
)
from dashboards.generator.shared import copy_ends, daemon_up, report_age

from pgmigrator.core.gates import GATES
from pgmigrator.surface.catalogue import ALERT_LIMITS_SECONDS

#: what each gate demands, from the code
DEMANDS = {gate.__name__: (inspect.getdoc(gate) or "").partition("\n")[0] for gate in GATES}
SEVERITIES = {"critical": words.FAIL, "warning": words.WARN}
STATUSES = {"fail": words.FAIL, "unknown": words.UNKNOWN}


def dashboard() -> Any:
    """Build pgmigrator-overview."""
    return build(
        "pgmigrator-overview",
        "Overview",
        "Is a cutover safe, what is wrong, and what is to be done: every mapping at a glance.",
        {
            "": [_light(), _alerts(), _gates()],
            "Databases": [_databases()],
            "Risk": [_lag(), _runway(), _problems(), _blocked()],
            "Progress": [_copy(), copy_ends(width=8, height=6)],
            "Daemon": [_report_age(), _servers(), _targets()],
        },
    )


def _light() -> Any:
    return stat_panel(
        Panel(
            title="Is a cutover safe now?",
            description="READY: every database of the mapping passes every gate, has for the stable"
            " time, and was read within the last two minutes. SWITCHED: the cutover is done. NO"
            " DATA is not safe: the daemon is not there. What to do: click for the mapping, then"
            " follow /cutover/<mapping>/guide.",
            width=6,
            height=9,
            words=words.LIGHT,
            links=(to_mapping(),),
        ),
        query(light("mapping"), "{{mapping}}", instant=True),
    )


def _alerts() -> Any:
    # a firing alert bears no instance: it outlives a restart of the daemon
    firing = 'ALERTS{alertname=~"PgMigrator.+",alertstate="firing",severity!="info",job=~"$job"}'
    return table_panel(
        Panel(
            title="What is wrong: firing alerts",
            description="Click an alert for its runbook: what it means, what is at risk, what to"
            " run. Empty also if the rules of alerts/ are not loaded in this Prometheus.",
            width=9,
            height=9,
            empty="No alert fires, or the rules are not loaded",
        ),
        [
            Column(
                "severity", "Severity", colored=True, width=90, mappings=words.colors(SEVERITIES)
            ),
            Column(
                "alertname",
                "Alert",
                link=("Runbook", "${runbooks}/${__value.raw}.md"),
            ),
            Column("mapping", "Mapping", width=110, link=row_to_mapping()),
            Column("database", "Database", width=110),
        ],
        query(f"max by (severity, alertname, mapping, database) ({firing})", table=True),
        sort="Severity",
    )


def _gates() -> Any:
    failing = of_database("cutover_gate_status", 'status=~"fail|unknown"')
    ended = of_database("database_phase", 'phase=~"switched|completed"')
    return table_panel(
        Panel(
            title="What keeps a light off: gates that do not pass",
            description="Failures first, with the measured value against its limit. The reason and"
            ' the exact fix of each: curl -s "$URL/status/<mapping>?format=text".',
            width=9,
            height=9,
            empty="Every gate passes",
            runbook="PgMigratorCutoverReadinessLost",
        ),
        [
            Column("status", "Status", colored=True, width=80, mappings=words.colors(STATUSES)),
            Column("mapping", "Mapping", width=90, link=row_to_mapping()),
            Column("database", "Database", width=90),
            Column("gate", "Gate that must pass", mappings=words.texts(_demands())),
            Column("Value #B", "Value", unit="short", width=80),
            Column("Value #C", "Limit", unit="short", width=80),
            Column("unit", "Unit", width=70),
        ],
        query(
            f"max by (mapping, database, gate, status) ({failing} == 1"
            f" unless on (job, instance, mapping, database) {ended} == 1)"
            # without a daemon the table would be as empty as when all is well
            f" or label_replace(label_replace(absent({of_database('database_phase')}),"
            ' "status", "unknown", "", ""), "gate", "NO DATA: the daemon is not there", "", "")',
            table=True,
        ),
        query(not_passing("cutover_gate_value"), table=True),
        query(not_passing("cutover_gate_limit"), table=True),
        sort="Status",
    )


def _demands() -> dict[str, str]:
    return {name: f"{name}: {text}" for name, text in DEMANDS.items()}


def _databases() -> Any:
    since = of_database("database_phase_start_timestamp_seconds")
    return table_panel(
        Panel(
            title="Where every database stands",
            description="Phases: preflight, schema, copying, indexing, catching_up, ready; switched"
            " and completed are yours to say. blocked, failed and unknown need a person: their"
            " reason is in /status.",
            width=24,
            height=7,
            runbook="PgMigratorFailed",
        ),
        [
            Column("mapping", "Mapping", link=row_to_mapping()),
            Column("database", "Database"),
            Column("Value #A", "Phase", colored=True, mappings=words.mappings(words.PHASES)),
            Column("Value #B", "In this phase since", unit="dateTimeFromNow"),
            Column("Value #C", "Initial copy", unit="percentunit"),
            Column("Value #D", "Behind", unit="s"),
            Column("Value #E", "Rows last compared", unit="dateTimeFromNow"),
        ],
        query(phase(), table=True),
        query(f"1000 * {worst(since)}", table=True),
        query(copied(), table=True),
        query(worst(of_database("replication_lag_seconds")), table=True),
        query(
            f"1000 * {worst(of_database('verification_last_success_timestamp_seconds'))}",
            table=True,
        ),
        sort="Mapping",
    )


def _lag() -> Any:
    return stat_panel(
        Panel(
            title="Worst lag, of its limit",
            description="Age of the oldest change that is not on the destination, as a part of"
            " CUTOVER__MAX_LAG_SECONDS: from 100 % on no cutover is possible. Absent before"
            " anything is replicated.",
            unit="percentunit",
            steps=high_is_bad(1, 10),
            runbook="PgMigratorReplicationLagHigh",
            links=(to_mapping(),),
        ),
        query(
            f"max by (mapping) ({of_database('replication_lag_seconds')}"
            " / on (job, instance, mapping) group_left ()"
            f" {of_mapping('cutover_max_lag_seconds')})",
            "{{mapping}}",
        ),
        sparkline=True,
    )


def _runway() -> Any:
    limits = ALERT_LIMITS_SECONDS
    return stat_panel(
        Panel(
            title="Shortest WAL runway",
            description="Predicted time until a slot reaches its limit on the source and is given"
            " up. Absent while the WAL that is kept does not grow: then there is no end in sight.",
            unit="s",
            steps=low_is_bad(limits["wal_runway_critical"], limits["wal_runway_warning"]),
            runbook="PgMigratorWalRunwayShort",
            links=(to_mapping(),),
            empty="not growing, or NO DATA",
        ),
        query(
            f"min by (mapping) ({of_database('slot_wal_runway_seconds')})",
            "{{mapping}}",
            instant=True,
        ),
    )


def _problems() -> Any:
    serious = of_database("problems", 'severity!="note"')
    return stat_panel(
        Panel(
            title="Open problems",
            description="blocks: nothing is created before it is gone. degrades: an object is left"
            " out and its gate fails. Each with its exact fix in /status.",
            unit="short",
            steps=((None, words.UNKNOWN), (1, words.WARN)),
            runbook="PgMigratorProblemTables",
            links=(to_mapping(),),
        ),
        query(
            f"sum by (mapping, severity) ({worst(serious, 'mapping', 'database', 'severity')})",
            "{{mapping}}: {{severity}}",
            instant=True,
        ),
    )


def _blocked() -> Any:
    return stat_panel(
        Panel(
            title="Application waits behind us",
            description="Sessions on the source that wait behind one of ours. Anything but 0 harms"
            " the application now.",
            unit="short",
            steps=((None, words.PASS), (1, words.FAIL)),
            runbook="PgMigratorBlocksSource",
        ),
        query(worst(of_mapping("source_sessions_blocked"), "mapping"), "{{mapping}}", instant=True),
    )


def _copy() -> Any:
    return bars(
        Panel(
            title="Initial copy",
            description="Bytes copied of the estimated bytes. An estimate: it may stop short of 100"
            " % or go back when a table is copied anew.",
            width=16,
            unit="percentunit",
            min=0,
            max=1,
            steps=((None, words.BLUE),),
            links=(to_mapping(),),
        ),
        query(copied(), NAME, instant=True),
    )


def _report_age() -> Any:
    return report_age(
        "Age of what you see",
        "Since the daemon last read the servers. After two minutes (ten refresh intervals, if that"
        " is more) the light is off, whatever it says.",
        width=8,
    )


def _servers() -> Any:
    return stat_panel(
        Panel(
            title="Servers",
            description="Whether the last tick reached the source and the destination.",
            width=8,
            words=words.SERVER,
            runbook="PgMigratorServerUnreachable",
        ),
        query(
            f"min by (mapping, side) ({of_mapping('server_up')})",
            "{{mapping}}: {{side}}",
            instant=True,
        ),
    )


def _targets() -> Any:
    return daemon_up(
        "Whether Prometheus can scrape the daemon. While it cannot, everything above is unknown.",
        width=8,
    )
