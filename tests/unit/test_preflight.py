"""Every check is silent on a healthy migration, and fires with its severity as its fact says."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from pgmigrator.core.conditions import (
    CollationVersion,
    DestinationConditions,
    ExtensionMember,
    ExtensionRows,
    PlacedRelation,
    Preload,
    Setting,
    SharedLabel,
    SourceConditions,
    StoredSetting,
    Thing,
    UsedTablespace,
)
from pgmigrator.core.marker import Step
from pgmigrator.core.minors import FIXES, SAID_MAX, Part, lack
from pgmigrator.core.model import (
    Copies,
    Measured,
    Observation,
    RoleDifference,
    RoleRefusal,
    SchemaItem,
    Severity,
    Tries,
)
from pgmigrator.core.names import TableName
from pgmigrator.core.preflight import CHECKS, find_problems
from tests.unit.builders import (
    ITEMS,
    NAMES,
    NOW,
    ORDERS,
    SOURCE,
    STORAGE,
    by_inserts,
    change,
    database,
    destination_table,
    fresh,
    marked,
    publication,
    row_counts,
    slot,
    source_table,
    streaming,
    switched,
)

BLOCKS, DEGRADES, NOTE = Severity.BLOCKS, Severity.DEGRADES, Severity.NOTE
FRESH, EMPTY, ADOPTED = fresh(), marked(), marked(created=False)
STREAMING, SWITCHED = streaming(), switched()
BY_INSERTS = by_inserts()
COMPLETED = switched(Step.COMPLETING, Step.COMPLETED)
NAMES_OF_CHECKS = [check.id for check in CHECKS]

SERVER_USER = "destination.server.user"
SOURCE_SETTING, THERE = "source.server.settings.", "destination.server.settings."
OTHER_ROLE = Measured(
    (RoleDifference(role="app", exists=True, reason="LOGIN differs", fix="DROP ROLE app"),), NOW, 25
)
OTHER_COMMENT = Measured(
    (RoleDifference(role="app", exists=True, comment=True, reason="it is none", fix="COMMENT"),),
    NOW,
    25,
)
NEW_ROLE = RoleDifference(role="app", exists=False, reason="there is none", fix="it comes")
COMMON = Measured((replace(NEW_ROLE, common_password=True),), NOW, 25)
REFUSED: dict[str, object] = {
    "roles_refused": (RoleRefusal(role="app", object='role "app"', reason="it is refused"),)
}
COLLIDING: dict[str, object] = {"environment.colliding_roles": OTHER_ROLE.value}
NOT_OURS = change(publication(), {"comment": "someone else's"})
EXTRA = {"plpgsql": "1.0", "postgis": "3.5"}
WITH_JOBS: dict[str, object] = {
    "source.database.extensions": {"plpgsql": "1.0", "pg_cron": "1.6", "citus": "12.1"},
    "destination.server.available_extensions": {"plpgsql": "1.0", "pg_cron": "1.6", "citus": "13"},
}
MANY = tuple(source_table(n, TableName("public", f"t{n}")) for n in range(1601))

CLEAN_HERE, CLEAN_THERE = SourceConditions(), DestinationConditions()


def here(**facts: object) -> dict[str, object]:
    return {"source.conditions": replace(CLEAN_HERE, **facts)}  # type: ignore[arg-type]


def there(**facts: object) -> dict[str, object]:
    return {"destination.conditions": replace(CLEAN_THERE, **facts)}  # type: ignore[arg-type]


def setting(name: str, value: str, source: str = "user") -> tuple[Setting, ...]:
    return (Setting(name=name, setting=value, unit="ms", source=source),)


def rows(count: int = 2, **more: Any) -> tuple[ExtensionRows, ...]:
    columns = ("a", "b")
    found = ExtensionRows(
        object="x", detail=f"hash of {count}", condition="WHERE a > 1", columns=columns, rows=count
    )
    return (replace(found, **more),)


THERE_TOO = there(extension_rows=rows())


def member(object_: str = "TABLE x", **more: Any) -> tuple[ExtensionMember, ...]:
    found = ExtensionMember(object=object_, extension="e", version="1.0", data=True)
    return (replace(found, **more),)


MEMBER_THERE = there(extension_members=member())
OTHERS_THERE = there(extension_members=member("FUNCTION f()", data=False))


def thing(name: str, detail: str = "so it is") -> tuple[Thing, ...]:
    return (Thing(object=name, detail=detail),)


def collation(locale: str, recorded: str = "1", actual: str = "1") -> tuple[CollationVersion, ...]:
    return (
        CollationVersion(
            object='collation "a"."b"', locale=locale, recorded=recorded, actual=actual
        ),
    )


def spaces(*, whole: bool, **there_: str) -> dict[str, object]:
    """A tablespace that is used, and those of the destination, usable or not."""
    used = UsedTablespace(object="fast", detail="3 tables", whole=whole)
    known = tuple(Thing(object=name, detail=detail) for name, detail in there_.items())
    return here(tablespaces=(used,)) | there(tablespace_names=known)


MISSING = spaces(whole=False, pg_default="usable")
UNUSABLE = spaces(whole=False, pg_default="usable", fast="")
WHOLE = spaces(whole=True, pg_default="usable")
ALL_IN_DEFAULT: dict[str, object] = {"policy.tablespaces": "default"}

CLOSED: dict[str, object] = {"source.database.connection_limit": 0}
IN_FAST = here(
    placed_partitioned=(PlacedRelation(object="public.i", kind="INDEX", tablespace="fast"),)
)
FAST_HERE: dict[str, object] = {"source.database.tablespace": "fast"}
FAST_THERE: dict[str, object] = {
    "destination.database": change(database(20_000), {"tablespace": "fast"})
}

DRIFT = Measured(
    (SchemaItem(object=str(ORDERS), kind="column", definition="a int", missing=True),), NOW, 60
)
LABEL = (SharedLabel(object="ROLE app", provider="p", detail="masked"),)
OF_SKIPPED: dict[str, object] = {
    **here(shared_labels=LABEL),
    "roles": OTHER_ROLE,
    "policy.role_conflicts": "skip",
}
SILENT_SOURCE: dict[str, object] = {
    "policy.complete": True,
    "source": None,
    "source_error": "no route to host",
}
#: values of output_plugin_libraries, as 18.6 and 19 take them or not (each was tried)
PLUGINS_WITH_OURS = (
    "pgoutput, test_decoding",
    " a ,pgoutput ",
    '"pgoutput"',
    '"pg""x", pgoutput',
)
PLUGINS_WITHOUT_OURS = (
    "",
    '""',
    "test_decoding",
    "PGOUTPUT",
    '"pgoutput, test_decoding"',
    "$libdir/pgoutput",
    "*",
    "pgoutput.so",
    # not a list
    "pgoutput,,x",
    "pgoutput,",
    "a b, pgoutput",
    '"pgoutput',
)


def plugins(value: str) -> dict[str, object]:
    return here(settings=setting("output_plugin_libraries", value))


def programs(*version_nums: int) -> dict[str, object]:
    return {"environment.pg_dump_versions": version_nums}


def release(side: str, version_num: int, version: str = "") -> dict[str, object]:
    return {f"{side}.server.version_num": version_num, f"{side}.server.version": version}


OLD_DESTINATION: dict[str, object] = {"destination.server.version_num": 180_001}
GERMAN_MONEY = here(settings=setting("lc_monetary", "de_DE.utf8"), money=thing("public.paid"))
PRELOADS = (Preload(object="ROLE app", role="app", setting="local_preload_libraries=a", path=""),)
OF_19: dict[str, object] = {"destination.server.version_num": 190_000}
ESCAPES = there(setting_names=thing("standard_conforming_strings")) | OF_19
ESCAPING = StoredSetting(
    object="ROUTINE public.f()", role="", name="standard_conforming_strings", value="off"
)
KNOBS = (StoredSetting(object="ROLE app", role="app", name="force_parallel_mode"),)
UNKNOWN = here(stored_settings=KNOBS) | there(setting_names=thing("work_mem"))
PRELOADED = here(preloads=PRELOADS)
ICU = collation("i:de")
ONLY_C = collation("c:C", "", "")
THEIR_TABLE: dict[str, object] = {
    "source.tables.0.partition_reason": "it is partitioned by hash of mood"
}
TEXT_TABLE: dict[str, object] = {"source.tables.0.partition_collations": ("i:de",)}

JUST_ENOUGH_SLOTS: dict[str, object] = {SOURCE_SETTING + "max_replication_slots": "6"}
#: the role that everything here is about: this database has to do with it; only another one has; or
#: none at all
TIED: dict[str, object] = {"tied_roles": frozenset({"app"})}
UNTIED: dict[str, object] = {"tied_roles": frozenset()}
UNTIED["environment.tied_roles"] = frozenset({"app"})
NOBODYS: dict[str, object] = {"tied_roles": frozenset()}
FAILED: dict[str, object] = {"copies": Copies({ORDERS: Tries(3, 0)})}

Case = tuple[str, Severity, str, Observation, dict[str, object]]
FIRES: list[Case] = [
    ("versions", BLOCKS, "source", FRESH, {"source.server.version_num": 140_020}),
    ("versions", BLOCKS, "destination", FRESH, {"destination.server.version_num": 170_006}),
    ("versions", BLOCKS, "destination", FRESH, {"source.server.version_num": 190_000}),
    ("different_servers", BLOCKS, "destination", FRESH, {"destination.server.identity": SOURCE}),
    ("not_a_standby", BLOCKS, "source", FRESH, {"source.server.in_recovery": True}),
    ("not_a_standby", BLOCKS, "destination", FRESH, {"destination.server.in_recovery": True}),
    ("logical_wal", BLOCKS, "source", FRESH, {SOURCE_SETTING + "wal_level": "replica"}),
    (
        "logical_wal",
        BLOCKS,
        "source",
        FRESH,
        {SOURCE_SETTING + "wal_level": "minimal", "source.server.version_num": 190_000},
    ),
    ("source_headroom", BLOCKS, "source", FRESH, {SOURCE_SETTING + "max_replication_slots": "5"}),
    (
        "source_headroom",
        BLOCKS,
        "source",
        FRESH,
        JUST_ENOUGH_SLOTS | {"source.server.slots_used": 1},
    ),
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
    ("client_programs", BLOCKS, "pg_dump", FRESH, {"environment.pg_dump_versions": ()}),
    *(
        ("client_programs", severity, "pg_dump", FRESH, programs(*versions))
        for severity, versions in (
            (BLOCKS, (170_012,)),
            (BLOCKS, (190_000,)),
            (BLOCKS, (0,)),
            (NOTE, (180_004,)),
            # the first one of a version serves
            (NOTE, (190_000, 180_004, 180_006)),
        )
    ),
    ("source_database", BLOCKS, "shop", FRESH, {"source.database": None}),
    (
        "encoding_known",
        NOTE,
        "shop",
        FRESH,
        {"source.database": change(database(), {"encoding": "SQL_ASCII"})},
    ),
    ("source_database", BLOCKS, "sh\nop", FRESH, {"database": "sh\nop"} | OF_19),
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
    ("role_conflicts", DEGRADES, "role app", STREAMING, {"roles": OTHER_ROLE}),
    (
        "role_conflicts",
        NOTE,
        "role app",
        STREAMING,
        {"roles": OTHER_ROLE, "policy.role_conflicts": "merge"},
    ),
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
    ("role_conflicts", BLOCKS, "role app", FRESH, {"roles": OTHER_ROLE} | TIED),
    ("role_conflicts", NOTE, "role app", FRESH, {"roles": OTHER_ROLE} | UNTIED),
    ("role_conflicts", BLOCKS, "role app", FRESH, {"roles": OTHER_ROLE} | NOBODYS),
    ("roles_refused", DEGRADES, 'role "app"', STREAMING, REFUSED | NOBODYS),
    ("role_conflicts", NOTE, "role app", STREAMING, {"roles": OTHER_ROLE} | UNTIED),
    ("roles_refused", DEGRADES, 'role "app"', FRESH, REFUSED),
    ("roles_refused", DEGRADES, 'role "app"', STREAMING, REFUSED | TIED),
    ("roles_refused", NOTE, 'role "app"', STREAMING, REFUSED | UNTIED),
    ("copy_fails", DEGRADES, f"table {ORDERS}", STREAMING, FAILED),
    ("role_conflicts", NOTE, "comment of role app", FRESH, {"roles": OTHER_COMMENT}),
    ("role_conflicts", NOTE, "comment of role app", STREAMING, {"roles": OTHER_COMMENT}),
    ("common_passwords", NOTE, "role app", FRESH, {"roles": COMMON}),
    ("role_collisions", BLOCKS, "role app", FRESH, COLLIDING),
    ("role_collisions", BLOCKS, "role app", FRESH, COLLIDING | {"roles": OTHER_COMMENT}),
    ("role_collisions", NOTE, "role app", FRESH, COLLIDING | {"policy.role_conflicts": "merge"}),
    ("lock_table", BLOCKS, "shop", FRESH, {"source.tables": MANY}),
    ("connection_limit", NOTE, "database shop", FRESH, CLOSED),
    ("connection_limit", NOTE, "database shop", STREAMING, CLOSED),
    (
        "lock_table",
        BLOCKS,
        "shop",
        FRESH,
        {"source.tables": MANY[:641], "destination.database": database()},
    ),
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
    ("inserts_only", NOTE, f"table {ITEMS}", BY_INSERTS, {}),
    ("inserts_only", DEGRADES, f"table {ITEMS}", BY_INSERTS, {"source.tables.1.changes": 8}),
    ("large_objects", DEGRADES, "shop", STREAMING, {"source.large_objects": 3}),
    (
        "unlogged_tables",
        DEGRADES,
        f"table {ITEMS}",
        STREAMING,
        {"source.unlogged_tables": (str(ITEMS),), "source.unlogged_with_rows": (str(ITEMS),)},
    ),
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
        "rows_differ",
        DEGRADES,
        f"table {ORDERS}",
        STREAMING,
        {"row_counts": row_counts(differing={ORDERS: STORAGE})},
    ),
    (
        "tables_gone",
        DEGRADES,
        f"table {ITEMS}",
        STREAMING,
        {"source.tables": (source_table(101, ORDERS),)},
    ),
    (
        "tables_renamed",
        DEGRADES,
        f"table {TableName('public', 'later')}",
        STREAMING,
        {"source.tables.1.name": TableName("public", "later")},
    ),
    (
        "tables_resynced",
        DEGRADES,
        f"table {ORDERS}",
        STREAMING,
        {"destination.tables.0.resync": True},
    ),
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
    ("security_labels", NOTE, "provider p", FRESH, here(security_labels=thing("p"))),
    ("security_labels", NOTE, "role app", FRESH, here(shared_labels=LABEL)),
    ("security_labels", DEGRADES, "role app", STREAMING, here(shared_labels=LABEL)),
    ("security_labels", NOTE, "role app", STREAMING, OF_SKIPPED),
    (
        "security_labels",
        DEGRADES,
        "role app",
        STREAMING,
        OF_SKIPPED | {"policy.role_conflicts": "merge"},
    ),
    # one that we created, or that is as on the source
    ("security_labels", DEGRADES, "role app", STREAMING, OF_SKIPPED | {"roles": OTHER_COMMENT}),
    ("security_labels", DEGRADES, "role app", STREAMING, OF_SKIPPED | {"roles": None}),
    (
        "security_labels",
        DEGRADES,
        "role app",
        STREAMING,
        here(shared_labels=LABEL) | there(shared_labels=(replace(LABEL[0], detail="other"),)),
    ),
    ("extension_rows", NOTE, "table x", FRESH, here(extension_rows=rows())),
    # what is read there before is another database
    ("extension_rows", NOTE, "table x", FRESH, here(extension_rows=rows()) | THERE_TOO),
    ("extension_rows", NOTE, "table x", marked(Step.SCHEMA_DONE), here(extension_rows=rows())),
    ("extension_rows", DEGRADES, "table x", STREAMING, here(extension_rows=rows())),
    *(
        (
            "extension_rows",
            DEGRADES,
            "table x",
            STREAMING,
            here(extension_rows=on_source) | there(extension_rows=on_destination),
        )
        for on_source, on_destination in (
            (rows(), rows(0)),
            (rows(), rows(1)),
            (rows(0), rows(1)),
            (rows(), rows(detail="hash of others")),
            (rows(), rows(columns=("a",))),
            (rows(0, error="locked"), rows(0)),
            (rows(0), rows(0, error="locked")),
        )
    ),
    (
        "extension_members",
        DEGRADES,
        "TABLE x",
        STREAMING,
        here(extension_members=member()) | there(),
    ),
    *(
        (
            "extension_members",
            severity,
            thing_,
            STREAMING,
            here(extension_members=member(**facts)) | OTHERS_THERE,
        )
        for severity, thing_, facts in (
            (DEGRADES, "TABLE x", {}),
            (DEGRADES, "TABLE x", {"data": False}),
            (DEGRADES, "TABLE x", {"version": "1.1"}),
            (NOTE, "extension e", {"version": "1.1", "data": False}),
        )
    ),
    ("schema_drift", DEGRADES, f"column of {ORDERS}", STREAMING, {"schema": DRIFT}),
    (
        "complete_too_early",
        NOTE,
        "PGMIGRATOR_MAPPINGS__ORDERS__COMPLETE",
        STREAMING,
        {"policy.complete": True},
    ),
    ("complete_waits", DEGRADES, "PGMIGRATOR_MAPPINGS__ORDERS__COMPLETE", SWITCHED, SILENT_SOURCE),
    (
        "complete_waits",
        DEGRADES,
        "PGMIGRATOR_MAPPINGS__ORDERS__COMPLETE",
        SWITCHED,
        {"policy.complete": True, "source.late_writes": None},
    ),
    *(
        case
        for check, facts in (
            ("conditions_read", there(unread={"standbys": "permission denied"})),
            ("copy_timeouts", here(settings=setting("transaction_timeout", "60000"))),
            (
                "copy_timeouts",
                here(settings=setting("statement_timeout", "500")) | OLD_DESTINATION,
            ),
            ("copy_settings", here(settings=setting("role", "app")) | OLD_DESTINATION),
            ("copy_settings", GERMAN_MONEY | OLD_DESTINATION),
            ("row_security", here(row_security=thing(str(ORDERS)))),
            ("reserved_schema", here(reserved_schemas=thing("pgmigrator", ""))),
            ("preload_libraries", PRELOADED | {"logins": {PRELOADS[0].login: "no such file"}}),
            ("preload_libraries", PRELOADED),  # not tried yet
        )
        for case in (
            (check, BLOCKS, "", FRESH, facts),
            (check, DEGRADES, "", STREAMING, facts),
        )
    ),
    *(
        ("apply_settings", DEGRADES, name, STREAMING, there(settings=setting(name, value)))
        for name, value in (("array_nulls", "off"), ("xmloption", "document"), ("role", "app"))
    ),
    (
        "apply_settings",
        DEGRADES,
        "lc_monetary",
        STREAMING,
        there(settings=setting("lc_monetary", "es_AR")) | here(money=thing("public.paid")),
    ),
    (
        "apply_timeouts",
        DEGRADES,
        "lock_timeout",
        STREAMING,
        there(settings=setting("lock_timeout", "1000")),
    ),
    (
        "apply_timeouts",
        DEGRADES,
        "default_transaction_read_only",
        STREAMING,
        there(settings=setting("default_transaction_read_only", "on")),
    ),
    (
        "sender_timeout",
        DEGRADES,
        "wal_sender_timeout",
        STREAMING,
        here(settings=setting("wal_sender_timeout", "1000")),
    ),
    (
        "sender_timeout",
        NOTE,
        "wal_sender_timeout",
        STREAMING,
        here(settings=setting("wal_sender_timeout", "0")),
    ),
    (
        "restore_timeout",
        BLOCKS,
        "transaction_timeout",
        FRESH,
        there(settings=setting("transaction_timeout", "1000")),
    ),
    (
        "slots_are_limited",
        NOTE,
        "source",
        STREAMING,
        {"source.tables.0.estimated_bytes": 2 * 1024**4},
    ),
    ("standbys", NOTE, "source standby a", STREAMING, here(standbys=thing("a"))),
    ("standbys", NOTE, "destination standby a", STREAMING, there(standbys=thing("a"))),
    ("subscriptions", NOTE, "subscription a", STREAMING, here(subscriptions=thing("a"))),
    ("publications", NOTE, "publication a", STREAMING, here(publications=thing("a"))),
    ("logical_slots", NOTE, "slot a", STREAMING, here(logical_slots=thing("a"))),
    ("open_transactions", NOTE, "pid 12", FRESH, here(open_transactions=thing("12"))),
    (
        "prepared_transactions",
        NOTE,
        "prepared transaction 'a'",
        STREAMING,
        here(prepared_transactions=thing("'a'")),
    ),
    ("unenforced_constraints", NOTE, "table t", STREAMING, here(unenforced_constraints=thing("t"))),
    ("held_triggers", NOTE, "trigger a on b", STREAMING, here(held_triggers=thing("a on b"))),
    ("event_triggers", NOTE, "event trigger a", STREAMING, here(event_triggers=thing("a"))),
    (
        "path_functions",
        DEGRADES,
        "function f(integer)",
        STREAMING,
        here(path_functions=thing("f(integer)", "rates in public")),
    ),
    ("tablespaces", BLOCKS, "tablespace fast", FRESH, MISSING),
    ("tablespaces", BLOCKS, "tablespace fast", FRESH, UNUSABLE),
    ("tablespaces", BLOCKS, "tablespace fast", FRESH, WHOLE),
    ("tablespaces", DEGRADES, "tablespace fast", STREAMING, MISSING),
    ("tablespaces", NOTE, "tablespace fast", FRESH, MISSING | ALL_IN_DEFAULT),
    ("partitioned_tablespaces", BLOCKS, "index public.i", FRESH, IN_FAST | FAST_HERE),
    ("partitioned_tablespaces", BLOCKS, "index public.i", FRESH, IN_FAST | FAST_THERE),
    ("partitioned_tablespaces", BLOCKS, "index public.i", EMPTY, IN_FAST | FAST_THERE),
    ("partitioned_tablespaces", DEGRADES, "index public.i", STREAMING, IN_FAST | FAST_THERE),
    ("preload_libraries", NOTE, "", FRESH, PRELOADED | UNTIED),
    (
        "unknown_settings",
        NOTE,
        "force_parallel_mode of ROLE app",
        FRESH,
        UNKNOWN | UNTIED,
    ),
    *(
        ("unknown_settings", NOTE, "force_parallel_mode of ROLE app", obs, UNKNOWN | changes)
        for obs, changes in (
            (FRESH, {}),
            (STREAMING, {"roles": OTHER_ROLE}),
            (STREAMING, {"policy.role_conflicts": "merge"}),
        )
    ),
    (
        "unknown_settings",
        NOTE,
        "standard_conforming_strings of ROUTINE public.f()",
        FRESH,
        ESCAPES | here(stored_settings=(ESCAPING,)),
    ),
    (
        "unknown_settings",
        NOTE,
        "standard_conforming_strings of the source",
        FRESH,
        ESCAPES
        | here(settings=setting("standard_conforming_strings", "off", "configuration file")),
    ),
    (
        "everywhere_settings",
        NOTE,
        "setting work_mem",
        STREAMING,
        here(everywhere_settings=thing("work_mem", "")),
    ),
    (
        "time_zones",
        NOTE,
        "time zone US/Pacific",
        STREAMING,
        here(time_zones=thing("US/Pacific")) | there(time_zone_names=thing("utc")),
    ),
    ("md5_passwords", NOTE, "role app", FRESH, here(md5_passwords=thing("app"))),
    (
        "compression",
        BLOCKS,
        "compression lz4",
        FRESH,
        here(compressions=thing("lz4")) | there(compression_methods=thing("pglz")),
    ),
    ("archiving", NOTE, "archive_command", STREAMING, here(archiving=thing("000000010"))),
    (
        "locales",
        BLOCKS,
        "collation",
        FRESH,
        here(collations=ICU) | there(available_collations=ONLY_C),
    ),
    (
        "locales",
        NOTE,
        "collation",
        FRESH,
        here(collations=collation("c:de_DE.UTF-8")) | there(available_collations=ONLY_C),
    ),
    (
        "collation_versions",
        NOTE,
        "collation",
        STREAMING,
        here(collations=ICU) | there(available_collations=collation("i:de", "", "2")),
    ),
    (
        "collation_versions",
        NOTE,
        "collation",
        STREAMING,
        here(collations=collation("i:de", "0", "1")),
    ),
    ("leaf_partitions", DEGRADES, f"table {ORDERS}", STREAMING, THEIR_TABLE),
    ("leaf_partitions", DEGRADES, f"table {ORDERS}", STREAMING, TEXT_TABLE),
    (
        "leaf_partitions",
        DEGRADES,
        f"table {ORDERS}",
        STREAMING,
        TEXT_TABLE | here(collations=ICU) | there(available_collations=collation("i:de", "", "2")),
    ),
    (
        "extensions",
        BLOCKS,
        "extension postgis",
        FRESH,
        {
            "source.database.extensions": EXTRA,
            "destination.server.available_extensions": {"plpgsql": "1.0", "postgis": "3.4.2"},
        },
    ),
    ("unsupported_extensions", BLOCKS, "extension citus", FRESH, WITH_JOBS),
    ("scheduled_jobs", NOTE, "extension pg_cron", STREAMING, WITH_JOBS),
    ("direct_connection", BLOCKS, "source", FRESH, {"source.server.pooled": True}),
    ("direct_connection", BLOCKS, "destination", FRESH, {"destination.server.pooled": True}),
    ("minor_releases", DEGRADES, "source", STREAMING, {"source.server.version_num": 150_012}),
    ("minor_releases", NOTE, "destination", STREAMING, OLD_DESTINATION),
    # what it once asked for is such a release
    *(
        ("minor_releases", NOTE, "source", STREAMING, release("source", version_num))
        for version_num in (150_013, 150_019, 160_014, 170_011, 180_004)
    ),
    *(
        ("minor_releases", NOTE, side, STREAMING, release(side, 190_000, version))
        for side in ("source", "destination")
        for version in ("19rc1", "19beta2", "19devel")
    ),
    *(
        ("output_plugins", severity, "output_plugin_libraries", base, plugins(value))
        for severity, base in ((BLOCKS, FRESH), (DEGRADES, STREAMING))
        for value in PLUGINS_WITHOUT_OURS
    ),
    (
        "commit_timestamps",
        NOTE,
        "destination",
        FRESH,
        {THERE + "track_commit_timestamp": "off"},
    ),
    ("disk_space", NOTE, "disk", FRESH, {"source.tables.0.estimated_bytes": 2 * 1024**3}),
    ("leftovers", DEGRADES, NAMES.subscription, COMPLETED, {"source.publication": None}),
    ("leftovers", DEGRADES, NAMES.publication, COMPLETED, {"source.slot": None}),
]


def is_before(check: str) -> bool:
    return next(each for each in CHECKS if each.id == check).before


SILENT: list[tuple[str, Observation, dict[str, object]]] = [
    (
        # the slots of ours that are made are no longer to come
        "source_headroom",
        FRESH,
        {
            SOURCE_SETTING + "max_replication_slots": "10",
            "source.server.slots_used": 2,
            "environment.source_databases": 2,
            "environment.source_slots": 2,
        },
    ),
    ("common_passwords", FRESH, {"roles": Measured((NEW_ROLE,), NOW, 25)}),
    ("source_headroom", FRESH, JUST_ENOUGH_SLOTS),
    # our own, which waits for its subscription, is not needed a second time
    (
        "source_headroom",
        FRESH,
        JUST_ENOUGH_SLOTS | {"source.server.slots_used": 1, "environment.source_slots": 1},
    ),
    ("roles_refused", SWITCHED, REFUSED),
    ("copy_fails", SWITCHED, FAILED),
    ("copy_fails", STREAMING, {"copies": Copies({ORDERS: Tries(2, 2)})}),
    ("encoding_known", FRESH, {"source.database": change(database(), {"encoding": "LATIN1"})}),
    ("source_database", FRESH, {"database": "sh\nop"}),
    (  # it becomes logical with our slot
        "logical_wal",
        FRESH,
        OF_19 | {SOURCE_SETTING + "wal_level": "replica", "source.server.version_num": 190_000},
    ),
    # what looks at what we ourselves use, or at what can no longer be helped, is silent later
    *((check, STREAMING, facts) for check, _, _, base, facts in FIRES if is_before(check)),
    *(
        (check, SWITCHED, facts)
        for check, _, _, base, facts in FIRES
        if base is STREAMING and check not in ("blocks_source", "direct_connection")
    ),
    ("late_writes", SWITCHED, {"source.late_writes": None}),
    ("lock_table", FRESH, {"source.tables": MANY[:1600]}),
    ("connection_limit", STREAMING, {"source.database.connection_limit": 1}),
    ("connection_limit", SWITCHED, CLOSED),
    (
        "lock_table",
        FRESH,
        {"source.tables": MANY[:640], "destination.database": database()},
    ),
    ("replica_identity", FRESH, {"source.tables": ()}),
    ("replica_identity", BY_INSERTS, {}),
    ("inserts_only", BY_INSERTS, {"source.insert_only": None, "source.tables": ()}),
    ("tables_not_followed", EMPTY, {}),
    ("sequences_missing", EMPTY, {"destination.sequences": ()}),
    ("adopted_database_stays_empty", EMPTY, {"destination.has_user_objects": True}),
    ("destination_database", FRESH, {"destination.database": database()}),
    ("tablespaces", FRESH, spaces(whole=False, pg_default="usable", fast="usable")),
    # an adopted database stays where it is
    ("tablespaces", FRESH, WHOLE | {"destination.database": database()}),
    ("tablespaces", STREAMING, MISSING | ALL_IN_DEFAULT),
    ("partitioned_tablespaces", FRESH, IN_FAST),
    ("partitioned_tablespaces", FRESH, IN_FAST | FAST_HERE | {"destination.database": database()}),
    ("partitioned_tablespaces", FRESH, IN_FAST | FAST_THERE | ALL_IN_DEFAULT),
    ("partitioned_tablespaces", SWITCHED, IN_FAST | FAST_THERE),
    # what is there was created before it named that tablespace
    (
        "partitioned_tablespaces",
        STREAMING,
        IN_FAST | FAST_THERE | there(partitioned_names=thing("public.i")),
    ),
    ("leftovers", SWITCHED, {}),
    ("slot_gone_after_switch", SWITCHED, {}),
    ("blocks_source", STREAMING, {"source.blocked_sessions": 0}),
    ("direct_connection", STREAMING, {}),
    # a destination of today passes our options on
    ("copy_timeouts", FRESH, here(settings=setting("statement_timeout", "500"))),
    ("copy_settings", FRESH, GERMAN_MONEY),
    ("copy_settings", FRESH, here(settings=setting("array_nulls", "off")) | OLD_DESTINATION),
    ("apply_settings", FRESH, there(settings=setting("array_nulls", "off"))),
    ("apply_settings", STREAMING, there(settings=setting("array_nulls", "on"))),
    ("apply_settings", STREAMING, there(settings=setting("lc_monetary", "es_AR"))),
    ("copy_settings", FRESH, here(settings=setting("lc_monetary", "de_DE")) | OLD_DESTINATION),
    (
        "copy_settings",
        FRESH,
        here(settings=setting("lc_monetary", "en_US.utf8"), money=thing("t")) | OLD_DESTINATION,
    ),
    ("apply_timeouts", FRESH, there(settings=setting("lock_timeout", "1000"))),
    ("unknown_settings", FRESH, here(stored_settings=KNOBS)),  # unread there
    ("unknown_settings", FRESH, UNKNOWN | there(setting_names=thing("force_parallel_mode"))),
    ("unknown_settings", FRESH, UNKNOWN | {"destination.server.user": "app"}),
    (  # 18 takes it
        "unknown_settings",
        FRESH,
        ESCAPES | here(stored_settings=(ESCAPING,)) | {"destination.server.version_num": 180_006},
    ),
    (
        "unknown_settings",
        FRESH,
        ESCAPES | here(stored_settings=(replace(ESCAPING, value="yes"),)),
    ),
    (
        "unknown_settings",
        FRESH,
        UNKNOWN | {"policy.role_conflicts": "merge", "roles": OTHER_ROLE},
    ),
    ("time_zones", FRESH, here(time_zones=thing("<+05>-5")) | there(time_zone_names=thing("utc"))),
    ("md5_passwords", FRESH, here(md5_passwords=()) | {}),
    (
        "leaf_partitions",
        FRESH,
        TEXT_TABLE | here(collations=ICU) | there(available_collations=ICU),
    ),
    (
        "locales",
        FRESH,
        here(collations=collation("c:de_DE.UTF-8"))
        | there(available_collations=collation("c:de_DE.utf8")),
    ),
    ("collation_versions", FRESH, here(collations=ICU) | there(available_collations=ICU)),
    ("extension_rows", STREAMING, here(extension_rows=rows()) | THERE_TOO),
    ("extension_rows", STREAMING, here(extension_rows=rows(0)) | there(extension_rows=rows(0))),
    ("extension_rows", STREAMING, here(extension_rows=rows(0))),
    ("extension_members", STREAMING, here(extension_members=member()) | MEMBER_THERE),
    ("extension_members", STREAMING, MEMBER_THERE),
    # what is read there before is another database
    ("extension_members", marked(), here(extension_members=member()) | OTHERS_THERE),
    *(
        (
            "extension_members",
            STREAMING,
            here(extension_members=member()) | there(unread={unread: "cancelled"}),
        )
        for unread in ("everything", "extension_members")
    ),
    # a table that only a newer version of the extension has
    ("extension_rows", STREAMING, THERE_TOO),
    (
        "security_labels",
        STREAMING,
        here(shared_labels=LABEL, security_labels=thing("p")) | there(shared_labels=LABEL),
    ),
    *(
        ("security_labels", STREAMING, here(shared_labels=label) | {SERVER_USER: user})
        for user, label in (
            ("app", LABEL),
            ("App", (replace(LABEL[0], object='ROLE "App"'),)),
            ("user", (replace(LABEL[0], object='ROLE "user"'),)),
        )
    ),
    ("complete_waits", SWITCHED, {"policy.complete": True}),
    ("complete_waits", SWITCHED, {"policy.complete": True, "source.late_writes": 1}),
    ("complete_waits", SWITCHED, {"policy.complete": True, "source.slot": None}),
    ("complete_waits", SWITCHED, SILENT_SOURCE | {"policy.complete": False}),
    ("complete_waits", STREAMING, SILENT_SOURCE),
    ("complete_waits", COMPLETED, SILENT_SOURCE),
    *(
        ("minor_releases", FRESH, release("source", version_num))
        for version_num in (150_020, 160_016, 160_017, 170_012, 180_006, 180_099, 190_000, 200_001)
    ),
    ("client_programs", FRESH, {"environment.pg_dump_versions": (170_001, 180_007)}),
    *(("output_plugins", FRESH, plugins(value)) for value in PLUGINS_WITH_OURS),
    ("disk_space", FRESH, {"source.tables.0.estimated_bytes": 1024**2}),
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


NOT_BY_FULL: dict[str, object] = {
    "source.tables.0.full_reason": "of a reason",
    "source.tables.0.identity_reason": "it has no primary key",
}


def test_an_identity_is_proposed() -> None:
    lacking = change(
        FRESH,
        {"source.tables.0.identity_usable": False, "source.tables.0.identity_candidate": "by_no"},
    )
    (found,) = find_problems(lacking)
    assert 'REPLICA IDENTITY USING INDEX "by_no"' in found.fix
    full = change(lacking, {"source.tables.0.identity_candidate": ""})
    (found,) = find_problems(full)
    assert f"ALTER TABLE {ORDERS} REPLICA IDENTITY FULL;" in found.fix
    (found,) = find_problems(change(full, NOT_BY_FULL))
    assert f"already: ALTER TABLE {ORDERS} ADD PRIMARY KEY (...); (REPLICA" in found.fix
    assert "is no way: of a reason" in found.fix


def test_a_change_that_inserts_do_not_carry_needs_one_table_only() -> None:
    changed = change(by_inserts(), {"source.tables.1.changes": 8})
    (found,) = [p for p in find_problems(changed) if p.check == "inserts_only"]
    assert found.fix.startswith(f"copy it anew: pgmigrator resync orders shop '{ITEMS}'; to have")
    (found,) = find_problems(change(changed, {"source.tables.1.identity_usable": True}))
    assert "it is replicated whole then" in found.fix
    ended = change(changed, {"destination.marker": switched().marker})
    (found,) = [p for p in find_problems(ended) if p.check == "inserts_only"]
    assert found.fix.startswith("carry the changes over by hand.")


def test_rows_of_extensions_replace_those_that_were_copied_before() -> None:
    odd = here(extension_rows=rows(object='public."Odd rates"'))
    (found,) = [p for p in find_problems(change(STREAMING, odd)) if p.check == "extension_rows"]
    assert (
        """(echo 'DELETE FROM public."Odd rates" WHERE a > 1;'; pg_dump --data-only"""
        """ --table='public."Odd rates"' SOURCE) | psql --single-transaction"""
    ) in found.fix


def test_parallel_apply_counts_only_where_the_source_can_stream_so() -> None:
    tight: dict[str, object] = {THERE + "max_logical_replication_workers": "3"}
    assert fired("destination_headroom", change(FRESH, tight)) == []
    newer = {**tight, "source.server.version_num": 160_014}
    assert fired("destination_headroom", change(FRESH, newer)) == [(BLOCKS, "destination")]


LATIN1 = change(database(), {"encoding": "LATIN1"})


@pytest.mark.parametrize(
    ("base", "changes"),
    [
        (FRESH, {"destination.database": LATIN1, "destination.has_user_objects": True}),
        (FRESH, {"destination.database": LATIN1, "destination.other_mapping": "theirs"}),
        (
            FRESH,
            {
                "source.tables": MANY[:1000],
                "destination.database": database(),
                "destination.has_user_objects": True,
            },
        ),
        (ADOPTED, {"destination.has_user_objects": True}),
    ],
)
def test_nobody_is_told_to_drop_what_holds_somebody_elses_objects(
    base: Observation, changes: dict[str, object]
) -> None:
    found = [p for p in find_problems(change(base, changes)) if p.severity is BLOCKS]
    assert [p.check for p in found if p.check.endswith(("_database", "_empty"))]
    assert not any("DROP DATABASE" in p.fix for p in found)
    assert not any("empty database" in p.reason for p in found)


@pytest.mark.parametrize(
    ("version_num", "words", "release_"),
    [
        (150_012, "can lose the changes of transactions that are open", "15.20"),
        (150_013, "much DDL: its messages outgrow 1 GB", "15.20"),
        (150_019, "can rarely copy wrong rows", "15.20"),
        (160_000, "sends NULL for columns", "16.16"),
        (170_011, "can rarely copy wrong rows", "17.12"),
        (180_005, "NaN or Infinity", "18.6"),
    ],
)
def test_a_release_is_told_by_its_gravest_faults(
    version_num: int, words: str, release_: str
) -> None:
    said = lack("source", version_num)
    assert said is not None
    assert (words in said.said, said.release) == (True, release_)
    assert said.said.count("; it ") <= SAID_MAX


def test_the_table_of_releases_is_in_order() -> None:
    """What is gravest of a part comes first; a fault ends after it began; each has a source."""
    for part in get_args(Part):
        grave = [fix.grave for fix in FIXES if fix.part == part]
        assert grave == sorted(grave, reverse=True)
    for fix in FIXES:
        assert all(fix.since[major] < first for major, first in fix.first.items() if fix.since)
        releases = {f"{major}.{minor}" for major, minor in fix.first.items()}
        assert releases & set(fix.notes.partition(":")[0].split(", ")), fix
