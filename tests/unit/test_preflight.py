"""Every check is silent on a healthy migration, and fires with its severity as its fact says."""

import pytest

from pgmigrator.core.marker import Step
from pgmigrator.core.model import Measured, Observation, RoleDifference, Severity
from pgmigrator.core.names import TableName
from pgmigrator.core.preflight import CHECKS, find_problems
from tests.unit.builders import (
    ITEMS,
    NAMES,
    NOW,
    ORDERS,
    SOURCE,
    change,
    database,
    destination_table,
    fresh,
    marked,
    publication,
    slot,
    source_table,
    streaming,
    switched,
)

BLOCKS, DEGRADES, NOTE = Severity.BLOCKS, Severity.DEGRADES, Severity.NOTE
FRESH, EMPTY, ADOPTED = fresh(), marked(), marked(created=False)
STREAMING, SWITCHED = streaming(), switched()
COMPLETED = switched(Step.COMPLETING, Step.COMPLETED)
NAMES_OF_CHECKS = [check.id for check in CHECKS]

SOURCE_SETTING, THERE = "source.server.settings.", "destination.server.settings."
OTHER_ROLE = Measured(
    (RoleDifference(role="app", exists=True, reason="LOGIN differs", fix="DROP ROLE app"),), NOW, 25
)
NOT_OURS = change(publication(), {"comment": "someone else's"})
EXTRA = {"plpgsql": "1.0", "postgis": "3.5"}
MANY = tuple(source_table(n, TableName("public", f"t{n}")) for n in range(1601))

Case = tuple[str, Severity, str, Observation, dict[str, object]]
FIRES: list[Case] = [
    ("versions", BLOCKS, "source", FRESH, {"source.server.version_num": 140_020}),
    ("versions", BLOCKS, "destination", FRESH, {"destination.server.version_num": 170_006}),
    ("versions", BLOCKS, "destination", FRESH, {"source.server.version_num": 190_000}),
    ("different_servers", BLOCKS, "destination", FRESH, {"destination.server.identity": SOURCE}),
    ("not_a_standby", BLOCKS, "source", FRESH, {"source.server.in_recovery": True}),
    ("not_a_standby", BLOCKS, "destination", FRESH, {"destination.server.in_recovery": True}),
    ("logical_wal", BLOCKS, "source", FRESH, {SOURCE_SETTING + "wal_level": "replica"}),
    ("source_headroom", BLOCKS, "source", FRESH, {SOURCE_SETTING + "max_replication_slots": "5"}),
    ("source_headroom", BLOCKS, "source", FRESH, {"source.server.walsenders_used": 15}),
    ("source_headroom", BLOCKS, "source", FRESH, {"environment.source_databases": 6}),
    (
        "destination_headroom",
        BLOCKS,
        "destination",
        FRESH,
        {THERE + "max_active_replication_origins": "2"},
    ),
    (
        "destination_headroom",
        BLOCKS,
        "destination",
        FRESH,
        {THERE + "max_logical_replication_workers": "2"},
    ),
    ("destination_headroom", BLOCKS, "destination", FRESH, {THERE + "max_worker_processes": "3"}),
    (
        "destination_headroom",
        BLOCKS,
        "destination",
        FRESH,
        {"environment.destination_databases": 9},
    ),
    (
        "sync_workers",
        BLOCKS,
        "destination",
        FRESH,
        {THERE + "max_sync_workers_per_subscription": "0"},
    ),
    (
        "sync_workers",
        BLOCKS,
        "PGMIGRATOR_MAPPINGS__ORDERS__MAX_PARALLEL_TABLES",
        FRESH,
        {"policy.max_parallel_tables": 1},
    ),
    (
        "slots_are_limited",
        DEGRADES,
        "source",
        STREAMING,
        {SOURCE_SETTING + "max_slot_wal_keep_size": "-1"},
    ),
    (
        "slots_do_not_idle_out",
        DEGRADES,
        "source",
        STREAMING,
        {SOURCE_SETTING + "idle_replication_slot_timeout": "60"},
    ),
    ("route", BLOCKS, "destination", FRESH, {"environment.route_error": "timeout"}),
    ("privileges", BLOCKS, "source", FRESH, {"source.server.superuser": False}),
    ("privileges", BLOCKS, "destination", FRESH, {"destination.server.superuser": False}),
    ("client_programs", BLOCKS, "pg_dump", FRESH, {"environment.pg_dump_major": None}),
    ("client_programs", BLOCKS, "pg_dump", FRESH, {"environment.pg_dump_major": 17}),
    ("source_database", BLOCKS, "shop", FRESH, {"source.database": None}),
    (
        "destination_database",
        BLOCKS,
        "shop",
        FRESH,
        {"destination.database": database(), "destination.has_user_objects": True},
    ),
    (
        "destination_database",
        BLOCKS,
        "shop",
        FRESH,
        {"destination.database": database(), "destination.other_mapping": "theirs"},
    ),
    (
        "destination_database",
        BLOCKS,
        "shop",
        FRESH,
        {"destination.database": change(database(), {"encoding": "LATIN1"})},
    ),
    (
        "destination_database",
        BLOCKS,
        "shop",
        FRESH,
        {"destination.database": change(database(), {"collate": "C"})},
    ),
    (
        "adopted_database_stays_empty",
        BLOCKS,
        "shop",
        ADOPTED,
        {"destination.has_user_objects": True},
    ),
    ("one_mapping_per_name", BLOCKS, "shop", FRESH, {"environment.colliding_mappings": ("b",)}),
    ("publication_is_ours", BLOCKS, NAMES.publication, FRESH, {"source.publication": NOT_OURS}),
    ("slot_is_ours", BLOCKS, NAMES.subscription, FRESH, {"source.slot": slot()}),
    (
        "extensions",
        BLOCKS,
        "extension postgis",
        FRESH,
        {"source.database.extensions": EXTRA},
    ),
    ("role_conflicts", BLOCKS, "role app", FRESH, {"roles": OTHER_ROLE}),
    (
        "role_conflicts",
        NOTE,
        "role app",
        FRESH,
        {"roles": OTHER_ROLE, "policy.role_conflicts": "merge"},
    ),
    (
        "role_conflicts",
        NOTE,
        "role app",
        FRESH,
        {"roles": OTHER_ROLE, "policy.role_conflicts": "skip"},
    ),
    ("lock_table", BLOCKS, "shop", FRESH, {"source.tables": MANY}),
    (
        "replica_identity",
        DEGRADES,
        f"table {ORDERS}",
        STREAMING,
        {"source.tables.0.identity_usable": False},
    ),
    (
        "replica_identity",
        NOTE,
        f"table {ORDERS}",
        FRESH,
        {"source.tables.0.identity_usable": False, "policy.tables_without_identity": "exclude"},
    ),
    ("large_objects", DEGRADES, "shop", STREAMING, {"source.large_objects": 3}),
    (
        "unlogged_tables",
        NOTE,
        f"table {ITEMS}",
        STREAMING,
        {"source.unlogged_tables": (str(ITEMS),)},
    ),
    (
        "publication_is_whole",
        DEGRADES,
        "publication",
        STREAMING,
        {"source.publication.whole": False},
    ),
    (
        "tables_left_publication",
        DEGRADES,
        f"table {ITEMS}",
        STREAMING,
        {"source.publication": publication((101, ORDERS))},
    ),
    ("tables_swapped", DEGRADES, f"table {ORDERS}", STREAMING, {"source.tables.0.oid": 999}),
    (
        "tables_not_followed",
        DEGRADES,
        f"table {ITEMS}",
        STREAMING,
        {"destination.tables": (destination_table(ORDERS, "r"),)},
    ),
    (
        "tables_not_followed",
        DEGRADES,
        f"table {ITEMS}",
        STREAMING,
        {"destination.tables.1": destination_table(ITEMS, has_rows=True)},
    ),
    ("sequences_missing", DEGRADES, "sequence", STREAMING, {"destination.sequences": ()}),
    ("blocks_source", DEGRADES, "source", STREAMING, {"source.blocked_sessions": 2}),
    ("late_writes", DEGRADES, "shop", SWITCHED, {"source.late_writes": 1}),
    ("slot_gone_after_switch", DEGRADES, "shop", SWITCHED, {"source.slot": None}),
    (
        "complete_too_early",
        NOTE,
        "PGMIGRATOR_MAPPINGS__ORDERS__COMPLETE",
        STREAMING,
        {"policy.complete": True},
    ),
    ("leftovers", DEGRADES, NAMES.subscription, COMPLETED, {"source.publication": None}),
    ("leftovers", DEGRADES, NAMES.publication, COMPLETED, {"source.slot": None}),
]
SILENT: list[tuple[str, Observation, dict[str, object]]] = [
    # what looks at what we ourselves use, or at what can no longer be helped, is silent later
    *((check, STREAMING, facts) for check, severity, _, _, facts in FIRES if severity is BLOCKS),
    *(
        (check, SWITCHED, facts)
        for check, _, _, base, facts in FIRES
        if base is STREAMING and check != "blocks_source"
    ),
    ("late_writes", SWITCHED, {"source.late_writes": None}),
    ("lock_table", FRESH, {"source.tables": MANY[:1600]}),
    ("replica_identity", FRESH, {"source.tables": ()}),
    ("tables_not_followed", EMPTY, {}),
    ("sequences_missing", EMPTY, {"destination.sequences": ()}),
    ("adopted_database_stays_empty", EMPTY, {"destination.has_user_objects": True}),
    ("destination_database", FRESH, {"destination.database": database()}),
    ("leftovers", SWITCHED, {}),
    ("slot_gone_after_switch", SWITCHED, {}),
    ("blocks_source", STREAMING, {"source.blocked_sessions": 0}),
]


def fired(check: str, obs: Observation) -> list[tuple[Severity, str]]:
    return [(p.severity, p.object) for p in find_problems(obs) if p.check == check]


@pytest.mark.parametrize("obs", [FRESH, EMPTY, STREAMING, SWITCHED, marked(Step.SCHEMA_DONE)])
def test_a_healthy_migration_has_no_problem(obs: Observation) -> None:
    assert find_problems(obs) == ()


@pytest.mark.parametrize(("check", "severity", "thing", "obs", "changes"), FIRES)
def test_fires(
    check: str, severity: Severity, thing: str, obs: Observation, changes: dict[str, object]
) -> None:
    changed = change(obs, changes)
    ((found, object_),) = set(fired(check, changed))
    assert (found, object_.startswith(thing)) == (severity, True)
    assert all(problem.reason and problem.fix for problem in find_problems(changed))


@pytest.mark.parametrize(("check", "obs", "changes"), SILENT)
def test_does_not_fire(check: str, obs: Observation, changes: dict[str, object]) -> None:
    assert fired(check, change(obs, changes)) == []


def test_every_check_has_its_cases() -> None:
    assert {case[0] for case in FIRES} == set(NAMES_OF_CHECKS)
    assert {case[0] for case in SILENT} == set(NAMES_OF_CHECKS)


def test_every_check_says_what_it_is_for() -> None:
    assert len(set(NAMES_OF_CHECKS)) == len(CHECKS)
    assert all(check.meaning and check.severities for check in CHECKS)


def test_no_check_weighs_otherwise_than_it_declares() -> None:
    declared = {(check.id, severity) for check in CHECKS for severity in check.severities}
    assert {(check, severity) for check, severity, *_ in FIRES} == declared


@pytest.mark.parametrize("side", ["source", "destination"])
def test_nothing_is_found_without_both_servers(side: str) -> None:
    wrong = change(FRESH, {"environment.route_error": "no", side: None})
    assert find_problems(wrong) == ()


def test_an_identity_is_proposed() -> None:
    lacking = change(
        FRESH,
        {"source.tables.0.identity_usable": False, "source.tables.0.identity_candidate": "by_no"},
    )
    (found,) = find_problems(lacking)
    assert 'REPLICA IDENTITY USING INDEX "by_no"' in found.fix
    (found,) = find_problems(change(lacking, {"source.tables.0.identity_candidate": ""}))
    assert "REPLICA IDENTITY FULL" in found.fix


def test_parallel_apply_counts_only_where_the_source_can_stream_so() -> None:
    tight: dict[str, object] = {THERE + "max_logical_replication_workers": "3"}
    assert fired("destination_headroom", change(FRESH, tight)) == []
    newer = {**tight, "source.server.version_num": 160_014}
    assert fired("destination_headroom", change(FRESH, newer)) == [(BLOCKS, "destination")]
