"""The servers: versions, settings, headroom, the way from one to the other."""

from collections.abc import Iterator

from pgmigrator.core.minors import Part, is_unfinished, lack
from pgmigrator.core.model import Observation
from pgmigrator.core.names import quote_identifier
from pgmigrator.core.preflight.finding import (
    BLOCKS,
    DEGRADES,
    NOTE,
    SERVICES,
    SLOT_LIMIT,
    Check,
    Found,
    check,
    destination_server,
    ended,
    set_to,
    source_server,
)

MIN_SOURCE_VERSION_NUM = 150000
MIN_DESTINATION_VERSION_NUM = 180000
#: from here on, replica becomes logical by itself once there is a logical slot
ON_DEMAND_SINCE = 190000
#: smaller databases fit anywhere
DISK_WORTH_A_WORD_BYTES = 1024**3
#: WAL that a slot should be allowed to keep, as a part of what is copied
SLOT_SHARE = 0.05
#: left free on the source for standbys and backups
SPARE = 2


@check("both", BLOCKS, before=True)
def versions(obs: Observation) -> Iterator[Found]:
    """Source 15 or newer, destination 18 or newer and not older than the source."""
    source, destination = source_server(obs), destination_server(obs)
    if source.version_num < MIN_SOURCE_VERSION_NUM:
        yield BLOCKS, "source", f"version {source.version} is below 15", "upgrade it to 15 first"
    if destination.version_num < MIN_DESTINATION_VERSION_NUM:
        reason = f"version {destination.version} is below 18"
        yield BLOCKS, "destination", reason, "use a destination of version 18 or newer"
    if destination.version_num // 10000 < source.version_num // 10000:
        reason = f"version {destination.version} is older than the source's {source.version}"
        yield BLOCKS, "destination", reason, "use a destination at least as new as the source"


@check("destination", BLOCKS, before=True)
def different_servers(obs: Observation) -> Iterator[Found]:
    """Source and destination are two servers."""
    if (
        source_server(obs).identity.system_identifier
        == destination_server(obs).identity.system_identifier
    ):
        yield (
            BLOCKS,
            "destination",
            "source and destination are the same server (equal system identifier)",
            "correct HOST or PORT of one of the two instances",
        )


@check("both", BLOCKS, before=True)
def not_a_standby(obs: Observation) -> Iterator[Found]:
    """Neither server is in recovery."""
    for side, server in (("source", source_server(obs)), ("destination", destination_server(obs))):
        if server.in_recovery:
            yield BLOCKS, side, "it is a standby", "connect to the primary"


@check("source", BLOCKS, before=True)
def logical_wal(obs: Observation) -> Iterator[Found]:
    """The source writes WAL that can be decoded, or from 19 on will with our first slot."""
    level = source_server(obs).settings["wal_level"]
    on_demand = source_server(obs).version_num >= ON_DEMAND_SINCE and level == "replica"
    if level != "logical" and not on_demand:
        fix = "on the source: " + set_to(source_server(obs), "wal_level", "logical", restart=True)
        yield BLOCKS, "source", f"wal_level is {level}", fix


@check("source", BLOCKS, before=True)
def source_headroom(obs: Observation) -> Iterator[Found]:
    """Slots and senders for every database still to come, one to verify, two to spare."""
    server = source_server(obs)
    workers = destination_server(obs).setting("max_sync_workers_per_subscription")
    new = obs.environment.source_databases * (1 + workers) + 1 + SPARE
    for name, used in (
        # those that we have made are no longer to come
        ("max_replication_slots", server.slots_used - obs.environment.source_slots),
        ("max_wal_senders", server.walsenders_used),
    ):
        have = server.setting(name)
        if have < used + new:
            reason = f"{name} is {have}, {used} are in use and {new} more are needed"
            fix = "on the source: " + set_to(server, name, used + new, restart=True)
            yield BLOCKS, "source", reason, fix


@check("destination", BLOCKS, before=True)
def destination_headroom(obs: Observation) -> Iterator[Found]:
    """Origins and workers for every database still to come; short workers stall silently."""
    server = destination_server(obs)
    if server.version_num < MIN_DESTINATION_VERSION_NUM:
        return  # some of the settings are not there yet
    conditions = obs.destination.conditions if obs.destination else None
    others = len(conditions.subscriptions) if conditions else 0
    databases = obs.environment.destination_databases + others
    sync = server.setting("max_sync_workers_per_subscription")
    parallel = server.setting("max_parallel_apply_workers_per_subscription")
    streams_in_parallel = source_server(obs).version_num >= 160000
    workers = databases * (1 + sync + (parallel if streams_in_parallel else 0))
    needs = (
        ("max_active_replication_origins", databases * (1 + sync)),
        ("max_logical_replication_workers", workers),
        ("max_worker_processes", workers + 1),
    )
    for name, need in needs:
        have = server.setting(name)
        if have < need:
            reason = f"{name} is {have}, {need} are needed for {databases - others} databases"
            reason += f" and {others} other subscriptions" if others else ""
            fix = "on the destination: " + set_to(server, name, need, restart=True)
            yield BLOCKS, "destination", reason, fix


@check("destination", BLOCKS, before=True)
def sync_workers(obs: Observation) -> Iterator[Found]:
    """One database alone copies as many tables at once as the destination has sync workers."""
    workers = destination_server(obs).setting("max_sync_workers_per_subscription")
    bound = obs.policy.max_parallel_tables
    variable = f"PGMIGRATOR_MAPPINGS__{obs.mapping.upper()}__MAX_PARALLEL_TABLES"
    if workers < 1:
        fix = "on the destination: " + set_to(
            destination_server(obs), "max_sync_workers_per_subscription", 2, restart=False
        )
        yield BLOCKS, "destination", "max_sync_workers_per_subscription is 0", fix
    elif bound < workers:
        yield (
            BLOCKS,
            variable,
            f"{bound} is below the destination's max_sync_workers_per_subscription, {workers}:"
            " a single database would already copy more tables at once",
            f"set {variable}={workers} or more, or lower the destination's setting",
        )


@check("source", DEGRADES, NOTE)
def slots_are_limited(obs: Observation) -> Iterator[Found]:
    """A dead daemon protects nobody: the source itself bounds what a slot keeps, with room."""
    if ended(obs):
        return
    assert obs.source is not None
    limit_mb = source_server(obs).setting("max_slot_wal_keep_size")
    size_mb = sum(table.estimated_bytes for table in obs.source.tables) / 1024**2
    if 0 <= limit_mb < size_mb * SLOT_SHARE:
        fix = "on the source, if its disk allows: " + set_to(
            source_server(obs), "max_slot_wal_keep_size", SLOT_LIMIT, restart=False
        )
        reason = (
            f"max_slot_wal_keep_size is {limit_mb} MB for {size_mb / 1024:.0f} GB of tables: what"
            " is written while they are copied may exceed it; the slot is then lost and all is"
            " copied anew"
        )
        yield NOTE, "source", reason, fix
    if limit_mb < 0:
        fix = "on the source: " + set_to(
            source_server(obs), "max_slot_wal_keep_size", SLOT_LIMIT, restart=False
        )
        reason = "max_slot_wal_keep_size is -1: a slot can fill the disk while this daemon is down"
        yield DEGRADES, "source", reason, fix


@check("source", DEGRADES)
def slots_do_not_idle_out(obs: Observation) -> Iterator[Found]:
    """A source that drops idle slots would drop ours."""
    value = source_server(obs).settings.get("idle_replication_slot_timeout", "0")
    if value != "0" and not ended(obs):
        fix = "on the source: " + set_to(
            source_server(obs), "idle_replication_slot_timeout", 0, restart=False
        )
        yield DEGRADES, "source", f"idle_replication_slot_timeout is {value}", fix


@check("destination", BLOCKS, before=True)
def route(obs: Observation) -> Iterator[Found]:
    """The destination server itself can connect to the source."""
    if obs.environment.route_error:
        yield (
            BLOCKS,
            "destination",
            f"it cannot connect to the source: {obs.environment.route_error}",
            "open the network path and pg_hba.conf, or set REPLICATION_HOST and REPLICATION_PORT of"
            " the source's instance to its address as the destination server sees it",
        )


@check("both", BLOCKS, before=True)
def privileges(obs: Observation) -> Iterator[Found]:
    """Superuser on both sides: what less would do is not worked out yet."""
    for side, server in (("source", source_server(obs)), ("destination", destination_server(obs))):
        if server.superuser:
            continue
        service = SERVICES.get(server.service)
        fix = (
            f"none: {service.name} gives nobody a superuser"
            if service
            else f"connect as a superuser, or run there: ALTER ROLE {quote_identifier(server.user)}"
            " SUPERUSER;"
        )
        yield BLOCKS, side, f"role {server.user} is no superuser, which is needed so far", fix


@check("both", BLOCKS)
def direct_connection(obs: Observation) -> Iterator[Found]:
    """Both addresses are those of servers, not of a connection pooler before one."""
    for side, server in (("source", source_server(obs)), ("destination", destination_server(obs))):
        if server.pooled:
            yield (
                BLOCKS,
                side,
                "a connection pooler answers there: what a session sets, locks or exports is lost"
                " between two statements",
                f"set HOST and PORT of the {side}'s instance to those of the server itself",
            )


@check("both", DEGRADES, NOTE)
def minor_releases(obs: Observation) -> Iterator[Found]:
    """Both servers are finished releases, with the fixes that matter to a migration."""
    if ended(obs):
        return
    for side, server in (("source", source_server(obs)), ("destination", destination_server(obs))):
        part: Part = "source" if side == "source" else "destination"
        if is_unfinished(server.version):
            yield (
                NOTE,
                side,
                f"version {server.version} is not a finished release: PostgreSQL's makers advise"
                " against it for production",
                f"use it for tests; for production, the release {server.version_num // 10000}.0 or"
                " newer once it is out",
            )
        elif found := lack(part, server.version_num):
            yield (
                DEGRADES if found.grave else NOTE,
                side,
                f"version {server.version} has faults that a later one has not: it {found.said}",
                f"update it to {found.release} or newer",
            )


@check("destination", NOTE, before=True)
def commit_timestamps(obs: Observation) -> Iterator[Found]:
    """The destination's log can tell that a change met a row which somebody else wrote."""
    if destination_server(obs).settings.get("track_commit_timestamp") == "off":
        fix = "on the destination: " + set_to(
            destination_server(obs), "track_commit_timestamp", "on", restart=True
        )
        reason = (
            "track_commit_timestamp is off: when a change meets a row that somebody else wrote on"
            " the destination, its server log does not tell"
        )
        yield NOTE, "destination", reason, fix


@check("both", NOTE, before=True)
def disk_space(obs: Observation) -> Iterator[Found]:
    """There is room for what is to come: only people can see that, SQL cannot."""
    assert obs.source is not None
    size = sum(table.estimated_bytes for table in obs.source.tables)
    limit = source_server(obs).setting("max_slot_wal_keep_size")
    if size < DISK_WORTH_A_WORD_BYTES:
        return
    kept = f"{limit / 1024:.0f} GB" if limit >= 0 else "any amount"
    yield (
        NOTE,
        "disk",
        "SQL does not show how much is free: the source may have to keep"
        f" {kept} of WAL (max_slot_wal_keep_size), the destination needs room for"
        f" {size / 1024**3:.0f} GB of tables, and for their indexes and WAL",
        "look with df on both hosts",
    )


@check("destination", BLOCKS, NOTE, before=True)
def client_programs(obs: Observation) -> Iterator[Found]:
    """pg_dump and pg_restore are there, of the destination's major version and with its fixes."""
    found = obs.environment.pg_dump_versions
    need = destination_server(obs).version_num // 10000
    beside = (
        f"PostgreSQL {need}'s client programs beside the daemon (postgresql-client-{need} on Debian"
        f" and Ubuntu, postgresql{need} on Red Hat, from postgresql.org/download)"
    )
    fix = f"install {beside}, or name their folder in PGMIGRATOR_POSTGRES_BIN_DIR"
    ours = next((each for each in found if each // 10000 == need), None)
    if not any(found):
        yield BLOCKS, "pg_dump", "it does not run" if found else "it was not found", fix
    elif ours is None:
        had = ", ".join(str(major) for major in sorted({each // 10000 for each in found if each}))
        reason = (
            f"version {had} was found, and only {need} is made for the destination: an older one"
            " may not know all that it has, a newer one may write what it does not know"
        )
        yield BLOCKS, "pg_dump", reason, fix
    elif missing := lack("pg_dump", ours):
        reason = f"version {need}.{ours % 10000} has faults that a later one has not: it "
        update = f"update {beside} to {missing.release} or newer"
        yield NOTE, "pg_dump", reason + missing.said, update


CHECKS: tuple[Check, ...] = (
    versions,
    different_servers,
    not_a_standby,
    logical_wal,
    source_headroom,
    destination_headroom,
    sync_workers,
    slots_are_limited,
    slots_do_not_idle_out,
    route,
    privileges,
    client_programs,
    direct_connection,
    minor_releases,
    commit_timestamps,
    disk_space,
)
