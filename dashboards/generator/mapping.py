"""One mapping in detail: phases, gates, lag, WAL, errors, and what was compared."""

from typing import Any

from dashboards.generator import words
from dashboards.generator.panels import (
    Column,
    Panel,
    graph,
    high_is_bad,
    matrix,
    query,
    stat_panel,
    table_panel,
    timeline,
)
from dashboards.generator.panels import dashboard as build
from dashboards.generator.queries import (
    gate,
    light,
    of_daemon,
    of_database,
    of_mapping,
    phase,
    wal_status,
    worst,
)

from pgmigrator.surface.catalogue import ALERT_LIMITS_SECONDS

NAME = "{{mapping}} / {{database}}"
#: legends of what is configured; drawn dashed
LIMITS = "/limit|at most|of it/"


def dashboard() -> Any:
    """Build pgmigrator-mapping."""
    return build(
        "pgmigrator-mapping",
        "Mapping",
        "One mapping in detail: where it stands, what keeps its light off, and what is at risk.",
        {
            "": [_light(), _phases(), _gates()],
            "Replication": [_lag_seconds(), _lag_bytes(), _errors(), _workers()],
            "WAL on the source": [_retained(), _runway(), _wal_status(), _slot(), _transaction()],
            "Copy and indexes": [_copy(), _eta(), _indexes()],
            "Comparisons": [_verified(), _verified_at(), _delta(), _drift(), _sequences()],
            "Problems": [_problems(), _throttle()],
            "Cutover": [_ready_since(), _drain(), _switched_at(), _late_writes()],
        },
    )


def _light() -> Any:
    return stat_panel(
        Panel(
            title="Is a cutover safe now?",
            description="The green light of each database: READY only if every gate passes, has for"
            " the stable time, and was read within the last two minutes.",
            width=6,
            height=9,
            words=words.LIGHT,
            runbook="PgMigratorCutoverReadinessLost",
        ),
        query(light("mapping", "database"), NAME, instant=True),
    )


def _phases() -> Any:
    return timeline(
        Panel(
            title="Phases",
            description="The way of each database. failed, blocked and unknown need a person: the"
            " reason is in /status.",
            width=18,
            height=9,
            words=words.PHASES,
            runbook="PgMigratorFailed",
        ),
        query(phase(), NAME),
    )


def _gates() -> Any:
    return table_panel(
        Panel(
            title="Gates",
            description="The conditions of the green light, all of which must pass at once. unknown"
            " counts as not passed. Reason and fix of each: /cutover/<mapping>.",
            width=24,
            height=17,
            words=words.GATE,
            runbook="PgMigratorCutoverReadinessLost",
        ),
        [],
        query(gate(), table=True),
        transformations=matrix("gate", "where", "Gate"),
    )


def _lag_seconds() -> Any:
    return graph(
        Panel(
            title="Lag in time",
            description="Age of the oldest change that the destination has not confirmed, and the"
            " limit of the gate lag_seconds.",
            width=12,
            height=8,
            unit="s",
            min=0,
            runbook="PgMigratorReplicationLagHigh",
        ),
        query(worst(of_database("replication_lag_seconds")), NAME),
        query(worst(of_mapping("cutover_max_lag_seconds"), "mapping"), "{{mapping}}: limit"),
        limits=LIMITS,
    )


def _lag_bytes() -> Any:
    return graph(
        Panel(
            title="Lag in bytes of WAL",
            description="WAL of the source that the destination has not confirmed, and the limit of"
            " the gate lag_bytes.",
            width=12,
            height=8,
            unit="bytes",
            min=0,
            runbook="PgMigratorReplicationStalled",
        ),
        query(worst(of_database("replication_lag_bytes")), NAME),
        query(worst(of_mapping("cutover_max_lag_bytes"), "mapping"), "{{mapping}}: limit"),
        limits=LIMITS,
    )


def _errors() -> Any:
    def grown(name: str, *labels: str) -> str:
        by = ", ".join(("mapping", "database", *labels))
        return f"sum by ({by}) (increase({of_database(name)}[$__rate_interval]))"

    return graph(
        Panel(
            title="Errors and conflicts",
            description="How many came up in each interval. An apply error holds all replication of"
            " its database up; a conflict means that both sides have diverged.",
            width=12,
            unit="short",
            min=0,
            runbook="PgMigratorApplyErrors",
        ),
        query(grown("apply_errors_total"), f"{NAME}: apply"),
        query(grown("sync_errors_total"), f"{NAME}: copy"),
        query(grown("conflicts_total", "conflict"), f"{NAME}: {{{{conflict}}}}"),
    )


def _workers() -> Any:
    return graph(
        Panel(
            title="Workers of the subscription",
            description="apply streams the changes; table synchronization workers copy. None at all"
            " means that nothing is replicated.",
            width=12,
            unit="short",
            min=0,
            runbook="PgMigratorSlotInactive",
        ),
        query(
            worst(of_database("subscription_workers"), "mapping", "database", "worker_type"),
            f"{NAME}: {{{{worker_type}}}}",
        ),
    )


def _retained() -> Any:
    return graph(
        Panel(
            title="WAL that the source keeps for us",
            description="main: for the slot; sync: for running copies. At MAX_RETAINED_WAL (the"
            " limit) the daemon gives the slot up, so that the source's disk does not fill.",
            width=12,
            height=8,
            unit="bytes",
            min=0,
            runbook="PgMigratorRetainedWalHigh",
        ),
        query(
            worst(of_database("slot_retained_wal_bytes"), "mapping", "database", "slot"),
            f"{NAME}: {{{{slot}}}}",
        ),
        query(worst(of_database("slot_safe_wal_bytes")), f"{NAME}: still allowed by the source"),
        query(worst(of_mapping("max_retained_wal_bytes"), "mapping"), "{{mapping}}: limit"),
        limits=LIMITS,
    )


def _runway() -> Any:
    return graph(
        Panel(
            title="WAL runway",
            description="Predicted time until the slot is given up, and where the alerts begin."
            " Absent while the WAL that is kept does not grow.",
            width=12,
            height=8,
            unit="s",
            min=0,
            runbook="PgMigratorWalRunwayShort",
            empty="not growing, or NO DATA",
        ),
        query(f"min by (mapping, database) ({of_database('slot_wal_runway_seconds')})", NAME),
        query(
            worst(of_daemon("alert_limit_seconds", 'limit=~"wal_runway.+"'), "limit"),
            "{{limit}} limit",
        ),
        limits=LIMITS,
    )


def _wal_status() -> Any:
    return timeline(
        Panel(
            title="Is the WAL still there?",
            description="reserved and extended are fine. unreserved: the next checkpoint may remove"
            " WAL that is needed. lost: this database must be copied anew.",
            width=12,
            words=words.WAL,
            runbook="PgMigratorSlotUnreserved",
        ),
        query(wal_status(), NAME),
    )


def _slot() -> Any:
    return stat_panel(
        Panel(
            title="Slot",
            description="Whether the destination reads from the slot now.",
            width=6,
            words=words.IN_USE,
            runbook="PgMigratorSlotInactive",
        ),
        query(worst(of_database("slot_active")), NAME, instant=True),
    )


def _transaction() -> Any:
    limits = ALERT_LIMITS_SECONDS
    oldest = of_database("source_oldest_transaction_timestamp_seconds")
    return stat_panel(
        Panel(
            title="Oldest transaction on the source",
            description="A slot is created, and a drain proved, only once it has ended.",
            width=6,
            unit="s",
            steps=high_is_bad(
                limits["source_transaction_age"] / 4, limits["source_transaction_age"]
            ),
            runbook="PgMigratorSourceTransactionTooOld",
            empty="none is open, or NO DATA",
        ),
        query(worst(f"time() - {oldest}"), NAME, instant=True),
    )


def _copy() -> Any:
    return graph(
        Panel(
            title="Initial copy",
            description="Bytes copied, and the estimate of all. A retried copy goes back.",
            width=12,
            height=8,
            unit="bytes",
            min=0,
            runbook="PgMigratorCopyStalled",
        ),
        query(worst(of_database("copy_completed_bytes")), NAME),
        query(worst(of_database("copy_estimated_bytes")), f"{NAME}: at most"),
        limits=LIMITS,
    )


def _eta() -> Any:
    return stat_panel(
        Panel(
            title="Copy ends",
            description="Predicted from the rate of the last two minutes. Absent when nothing is"
            " copied, or when it cannot be told.",
            width=4,
            height=8,
            unit="dateTimeFromNow",
            empty="nothing to predict, or NO DATA",
        ),
        query(f"1000 * {worst(of_database('copy_eta_timestamp_seconds'))}", NAME, instant=True),
    )


def _indexes() -> Any:
    return graph(
        Panel(
            title="Indexes on the destination",
            description="Built after the copy. problem: invalid, REINDEX it.",
            width=8,
            height=8,
            unit="short",
            min=0,
            runbook="PgMigratorSchemaDrift",
        ),
        query(
            worst(of_database("indexes"), "mapping", "database", "state"),
            f"{NAME}: {{{{state}}}}",
        ),
    )


def _verified() -> Any:
    return graph(
        Panel(
            title="Tables by the result of the last count",
            description="Exact counts of both sides at one LSN. mismatch: rows are missing or too"
            " many; do not cut over.",
            width=12,
            unit="short",
            min=0,
            runbook="PgMigratorContentMismatch",
        ),
        query(
            worst(of_database("verified_tables"), "mapping", "database", "result"),
            f"{NAME}: {{{{result}}}}",
        ),
    )


def _verified_at() -> Any:
    at = of_database("verification_last_success_timestamp_seconds")
    limit = ALERT_LIMITS_SECONDS["verification_age"]
    return stat_panel(
        Panel(
            title="Rows last compared",
            description="Age of the last count that came to its end.",
            width=6,
            unit="s",
            steps=high_is_bad(limit / 2, limit),
            runbook="PgMigratorVerificationStale",
            empty="not yet, or NO DATA",
        ),
        query(worst(f"time() - {at}"), NAME, instant=True),
    )


def _delta() -> Any:
    return stat_panel(
        Panel(
            title="Rows that differ",
            description="Sum of the differences of all tables at the last count.",
            width=6,
            unit="short",
            steps=((None, words.PASS), (1, words.FAIL)),
            runbook="PgMigratorContentMismatch",
            empty="not counted yet, or NO DATA",
        ),
        query(worst(of_database("row_count_delta_rows")), NAME, instant=True),
    )


def _drift() -> Any:
    return graph(
        Panel(
            title="Schema drift",
            description="Objects that differ between both sides, by kind. DDL is not replicated:"
            " run it on both. Compared once the indexes are built.",
            width=12,
            unit="short",
            min=0,
            runbook="PgMigratorSchemaDrift",
            empty="not compared yet, or NO DATA",
        ),
        query(
            worst(of_database("schema_drift_objects"), "mapping", "database", "kind"),
            f"{NAME}: {{{{kind}}}}",
        ),
    )


def _sequences() -> Any:
    return graph(
        Panel(
            title="Sequences",
            description="behind: a busy application is always a few ahead, which the next tick"
            " makes up for. missing: create it on the destination.",
            width=12,
            unit="short",
            min=0,
            runbook="PgMigratorSequencesBehind",
        ),
        query(
            worst(of_database("sequences"), "mapping", "database", "state"),
            f"{NAME}: {{{{state}}}}",
        ),
    )


def _problems() -> Any:
    return table_panel(
        Panel(
            title="Open problems",
            description="How many there are. Each with its object, its reason and the exact fix:"
            ' curl -s "$URL/status/<mapping>?format=text".',
            width=12,
            empty="No problem is open, or NO DATA",
            runbook="PgMigratorProblemTables",
        ),
        [
            Column(
                "severity",
                "Severity",
                colored=True,
                mappings=words.colors(
                    {"blocks": words.FAIL, "degrades": words.WARN, "note": words.UNKNOWN}
                ),
            ),
            Column("mapping", "Mapping"),
            Column("database", "Database"),
            Column("Value", "Open", unit="short"),
        ],
        query(
            f"{worst(of_database('problems'), 'mapping', 'database', 'severity')} > 0", table=True
        ),
        sort="Severity",
    )


def _throttle() -> Any:
    return stat_panel(
        Panel(
            title="Does a copy wait on purpose?",
            description="Why it waits although nothing is wrong.",
            width=12,
            words=words.WAITING,
            runbook="PgMigratorThrottled",
        ),
        query(
            worst(of_mapping("throttle_active"), "mapping", "reason"),
            "{{mapping}}: {{reason}}",
            instant=True,
        ),
    )


def _ready_since() -> Any:
    changed = of_database("cutover_ready_transition_timestamp_seconds")
    return stat_panel(
        Panel(
            title="Light last changed",
            description="When the green light last went on or off since the daemon started.",
            width=6,
            unit="dateTimeFromNow",
            empty="never, or NO DATA",
        ),
        query(f"1000 * {worst(changed)}", NAME, instant=True),
    )


def _drain() -> Any:
    return stat_panel(
        Panel(
            title="Last drain took",
            description="How long the last drain took to prove that everything had arrived: about"
            " as long as the write pause of a cutover.",
            width=6,
            unit="s",
            empty="no drain yet, or NO DATA",
        ),
        query(worst(of_database("drain_duration_seconds")), NAME, instant=True),
    )


def _switched_at() -> Any:
    return stat_panel(
        Panel(
            title="Switched",
            description="When the operator switched. From then on the destination is the truth, and"
            " the slot keeps WAL on the source until `complete`.",
            width=6,
            unit="dateTimeFromNow",
            empty="not yet, or NO DATA",
            runbook="PgMigratorSwitchedNotCompleted",
        ),
        query(f"1000 * {worst(of_database('switched_timestamp_seconds'))}", NAME, instant=True),
    )


def _late_writes() -> Any:
    return stat_panel(
        Panel(
            title="Late writes",
            description="Transactions on the source after the switch: the destination does not have"
            " them. Find the writer.",
            width=6,
            unit="short",
            steps=((None, words.PASS), (1, words.FAIL)),
            empty="not switched, or NO DATA",
            runbook="PgMigratorLateWrites",
        ),
        query(worst(of_database("late_writes")), NAME, instant=True),
    )
