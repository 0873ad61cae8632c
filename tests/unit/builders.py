"""Builders of observations: two healthy ends of a migration, and one way to change any fact.

`fresh` is a database before anything was created, `streaming` one with a green light. Tests say
what differs, by path: `change(streaming(), {"source.slot.active": False})`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pgmigrator.core import history as h
from pgmigrator.core import late, plan
from pgmigrator.core.facts import (
    AtSwitch,
    Baseline,
    DatabaseProperties,
    DestinationFacts,
    DestinationTable,
    Publication,
    Sequence,
    Server,
    Slot,
    SourceFacts,
    SourceTable,
    Subscription,
)
from pgmigrator.core.gates import Evidence
from pgmigrator.core.marker import Marker, ServerIdentity, Step, Switch
from pgmigrator.core.model import Environment, Measured, Observation, Policy, RowCounts
from pgmigrator.core.names import TableName, names

T = TypeVar("T")

NOW = 1_000_000.0
SOURCE = ServerIdentity(system_identifier=7_100_000_000_000_000_001, timeline=1)
DESTINATION = ServerIdentity(system_identifier=7_200_000_000_000_000_002, timeline=1)
NAMES = names("orders", 16_400, DESTINATION.system_identifier)
ORDERS, ITEMS = TableName("public", "orders"), TableName("public", "items")
SEQUENCE = TableName("public", "orders_id_seq")
COUNTING = "never 1000000.000000"
INDEXED = (Step.SCHEMA_DONE, Step.SUBSCRIBED, Step.COPIED, Step.INDEXED)
#: of any table on the source and on the destination, as long as nothing rewrites it
STORAGE = ("16400/2", "16500/2")


def change(whole: T, changes: Mapping[str, object]) -> T:
    """Replace facts by dotted path, through dataclasses, mappings and tuples."""
    for path, value in changes.items():
        whole = _set(whole, path.split("."), value)
    return whole


def _set(node: Any, path: list[str], value: object) -> Any:
    head, *rest = path
    if isinstance(node, Mapping):
        return {**node, head: _set(node[head], rest, value) if rest else value}
    if isinstance(node, tuple):
        at = int(head)
        return (*node[:at], _set(node[at], rest, value) if rest else value, *node[at + 1 :])
    return replace(node, **{head: _set(getattr(node, head), rest, value) if rest else value})


def server(identity: ServerIdentity, version_num: int) -> Server:
    """A server with room for everything."""
    return Server(
        version_num=version_num,
        version=f"{version_num // 10000}.{version_num % 10000}",
        identity=identity,
        in_recovery=False,
        started_at=NOW - 86_400,
        user="postgres",
        superuser=True,
        settings={
            "wal_level": "logical",
            "max_replication_slots": "20",
            "max_wal_senders": "20",
            "max_slot_wal_keep_size": "51200",
            "idle_replication_slot_timeout": "0",
            "max_connections": "100",
            "max_prepared_transactions": "0",
            "max_locks_per_transaction": "64",
            "max_sync_workers_per_subscription": "2",
            "max_parallel_apply_workers_per_subscription": "2",
            "max_active_replication_origins": "20",
            "max_logical_replication_workers": "20",
            "max_worker_processes": "30",
            "track_commit_timestamp": "on",
        },
        slots_used=0,
        walsenders_used=0,
        flush_lsn=10_000,
        available_extensions={"plpgsql": "1.0"},
    )


def database(oid: int = 16_400) -> DatabaseProperties:
    """A database in UTF8."""
    return DatabaseProperties(
        oid=oid,
        owner="app",
        encoding="UTF8",
        collate="C.UTF-8",
        ctype="C.UTF-8",
        locale_provider="c",
        locale="",
        extensions={"plpgsql": "1.0"},
    )


def marker(*steps: Step, created: bool = True) -> Marker:
    """Our marker with these steps; from `switched` on with the switch."""
    ended = {Step.SWITCHED, Step.COMPLETING, Step.COMPLETED} & set(steps)
    return Marker(
        mapping="orders",
        database_oid=20_000,
        source=SOURCE,
        destination=DESTINATION,
        source_database="shop",
        source_database_oid=16_400,
        created=created,
        steps=frozenset(steps),
        switch=Switch(lsn=10_000, at=NOW, baseline="") if ended else None,
    )


def sequence(last_value: int, *, increment: int = 1, cycle: bool = False) -> Sequence:
    """The sequence of orders."""
    return Sequence(
        name=SEQUENCE, increment=increment, cycle=cycle, last_value=last_value, is_called=True
    )


def source_table(oid: int, name: TableName, *, usable: bool = True) -> SourceTable:
    """A table with or without a usable identity."""
    return SourceTable(
        oid=oid,
        name=name,
        identity_usable=usable,
        identity_reason="" if usable else "it has no primary key",
        estimated_rows=100,
        estimated_bytes=8192,
        storage=STORAGE[0],
    )


def fresh() -> Observation:
    """A database of which nothing was created yet, and every check is clean."""
    return Observation(
        mapping="orders",
        database="shop",
        at=NOW,
        policy=Policy(),
        environment=Environment(route_error="", pg_dump_versions=(180_006,)),
        names=NAMES,
        source=SourceFacts(
            server=server(SOURCE, 150_020),
            database=database(),
            tables=(source_table(101, ORDERS), source_table(102, ITEMS)),
            sequences=(sequence(7),),
            counting_since=COUNTING,
        ),
        destination=DestinationFacts(
            server=server(DESTINATION, 180_006), database=None, source_start=NOW - 86_400
        ),
        roles=Measured((), NOW, 25.0),
    )


def subscription(**changes: Any) -> Subscription:
    """Our subscription, enabled and applying."""
    found = Subscription(
        oid=30_000,
        enabled=True,
        slot_name=NAMES.subscription,
        publications=(NAMES.publication,),
        worker_running=True,
        apply_error_count=0,
        sync_error_count=0,
        conflicts={"confl_insert_exists": 0},
        workers={"apply": 1},
    )
    return replace(found, **changes)


def slot(**changes: Any) -> Slot:
    """Our slot, read by the subscription."""
    found = Slot(
        wal_status="reserved",
        active=True,
        confirmed_flush_lsn=10_000,
        retained_bytes=1000,
        sync_retained_bytes=0,
        safe_wal_bytes=10**9,
    )
    return replace(found, **changes)


def destination_table(name: TableName, state: str = "", **changes: Any) -> DestinationTable:
    """The counterpart of a table: empty, or subscribed and copied."""
    oid = {ORDERS: 101, ITEMS: 102}.get(name, 103) if state else None
    found = DestinationTable(
        name=name,
        state=state,
        has_rows=None if state else False,
        has_statistics=bool(state),
        source_oid=oid,
        created=bool(state),
        filled=bool(state),
        synchronized_lsn=1 if state == "r" else None,
        storage=STORAGE[1],
        compared=STORAGE if state else None,
    )
    return replace(found, **changes)


def publication(*tables: tuple[int, TableName]) -> Publication:
    """Our publication of these tables."""
    return Publication(comment=NAMES.publication_comment, tables=dict(tables))


def marked(*steps: Step, created: bool = True) -> Observation:
    """A database that bears our marker; from `schema_done` on with its tables, not replicated."""
    there = Step.SCHEMA_DONE in steps
    return change(
        fresh(),
        {
            "destination.database": database(20_000),
            "destination.marker": marker(*steps, created=created),
            "destination.has_user_objects": there,
            "destination.tables": tuple(map(destination_table, (ORDERS, ITEMS))) if there else (),
            "destination.sequences": (sequence(7),) if there else (),
            "schema": Measured((), NOW, 20.0) if there else None,
        },
    )


def row_counts(**changes: Any) -> Measured[RowCounts]:
    """A comparison of both tables, just now, without a difference."""
    started = NOW - 86_400
    counts = RowCounts(
        lsn=10_000,
        tables=frozenset({ORDERS, ITEMS}),
        deltas=(),
        source_started_at=started,
        destination_started_at=started,
    )
    return Measured(replace(counts, **changes), NOW, 120.0)


def streaming(*steps: Step) -> Observation:
    """A database with a green light; or at other steps, everything being in place."""
    return change(
        marked(*(steps or INDEXED)),
        {
            "environment.route_error": None,
            "source.publication": publication((101, ORDERS), (102, ITEMS)),
            "source.slot": slot(),
            "destination.subscription": subscription(),
            "destination.tables": (
                destination_table(ORDERS, "r"),
                destination_table(ITEMS, "r"),
            ),
            "row_counts": row_counts(),
        },
    )


def by_inserts() -> Observation:
    """A database with a green light whose table ITEMS is replicated by its inserts alone."""
    return change(
        streaming(),
        {
            "policy.tables_without_identity": "insert_only",
            "source.tables.1": source_table(102, ITEMS, usable=False),
            "source.tables.1.changes": 7,
            "source.publication": publication((101, ORDERS)),
            "source.insert_only": publication((102, ITEMS)),
            "destination.tables.1.baseline": Baseline(7, COUNTING),
            "destination.subscription.publications": NAMES.publications,
        },
    )


def at_switch(obs: Observation) -> AtSwitch:
    """What a switch now would remember of the source."""
    assert obs.source is not None
    return AtSwitch(
        tables=frozenset(table.oid for table in obs.source.tables),
        published=frozenset(plan.published(obs)),
        sequences=late.positions(obs.source.sequences),
    )


def switched(*steps: Step) -> Observation:
    """A database after the operator's switch, without a late write."""
    return change(
        streaming(*INDEXED, Step.SWITCHED, *steps),
        {
            "destination.subscription.enabled": False,
            "source.slot.active": False,
            "source.late_writes": 0,
            "destination.at_switch": at_switch(streaming()),
        },
    )


def history_of(*observations: Observation) -> h.History:
    """The history of these ticks."""
    found = h.History(started_at=NOW)
    for obs in observations:
        found = h.observe(found, obs)
    return found


def green() -> Evidence:
    """What the gates see when all of them pass."""
    obs = streaming()
    return Evidence(obs, history_of(obs, obs), ())
