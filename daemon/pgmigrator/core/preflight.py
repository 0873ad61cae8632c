"""The checks: each looks at one observation and names what is wrong, why, and the exact fix.

`CHECKS` is the one place: adding a check is adding a function. A check that only matters before
anything is created says so with `before`; the others stay on for the whole migration. Blocking
findings keep the database in `blocked`, where nothing is created.
"""

from collections.abc import Callable, Iterable, Iterator

from pgmigrator.core import plan
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation, Problem, Server, Severity
from pgmigrator.core.names import quote_identifier

BLOCKS, DEGRADES, NOTE = Severity.BLOCKS, Severity.DEGRADES, Severity.NOTE

MIN_SOURCE_VERSION_NUM = 150000
MIN_DESTINATION_VERSION_NUM = 180000
#: left free on the source for standbys and backups
SPARE = 2

Found = tuple[Severity, str, str, str]
Check = Callable[[Observation], Iterable[Found]]


def before(check: Check) -> Check:
    """Run a check only until the subscription stands: later its facts include our own use."""

    def only_before(obs: Observation) -> Iterable[Found]:
        if obs.marker is None or Step.SUBSCRIBED not in obs.marker.steps:
            yield from check(obs)

    only_before.__name__ = check.__name__
    only_before.__doc__ = check.__doc__
    return only_before


def find_problems(obs: Observation) -> tuple[Problem, ...]:
    """Run every check; without the source only what the marker says of it is known."""
    if obs.destination is None:
        return ()
    checks = CHECKS if obs.source is not None else (leftovers,)
    return tuple(
        Problem(check=check.__name__, severity=severity, object=thing, reason=reason, fix=fix)
        for check in checks
        for severity, thing, reason, fix in check(obs)
    )


def _source(obs: Observation) -> Server:
    assert obs.source is not None
    return obs.source.server


def _destination(obs: Observation) -> Server:
    assert obs.destination is not None
    return obs.destination.server


def _setting(name: str, value: int | str, *, restart: bool) -> str:
    then = "restart the server" if restart else "SELECT pg_reload_conf();"
    return f"ALTER SYSTEM SET {name} = '{value}'; then {then}"


# --- the servers ---------------------------------------------------------------------------------


@before
def versions(obs: Observation) -> Iterator[Found]:
    """Source 15 or newer, destination 18 or newer and not older than the source."""
    source, destination = _source(obs), _destination(obs)
    if source.version_num < MIN_SOURCE_VERSION_NUM:
        yield BLOCKS, "source", f"version {source.version} is below 15", "upgrade it to 15 first"
    if destination.version_num < MIN_DESTINATION_VERSION_NUM:
        reason = f"version {destination.version} is below 18"
        yield BLOCKS, "destination", reason, "use a destination of version 18 or newer"
    if destination.version_num // 10000 < source.version_num // 10000:
        reason = f"version {destination.version} is older than the source's {source.version}"
        yield BLOCKS, "destination", reason, "use a destination at least as new as the source"


@before
def different_servers(obs: Observation) -> Iterator[Found]:
    """Source and destination are two servers."""
    if _source(obs).identity.system_identifier == _destination(obs).identity.system_identifier:
        yield (
            BLOCKS,
            "destination",
            "source and destination are the same server (equal system identifier)",
            "correct HOST or PORT of one of the two instances",
        )


@before
def not_a_standby(obs: Observation) -> Iterator[Found]:
    """Neither server is in recovery."""
    for side, server in (("source", _source(obs)), ("destination", _destination(obs))):
        if server.in_recovery:
            yield BLOCKS, side, "it is a standby", "connect to the primary"


@before
def logical_wal(obs: Observation) -> Iterator[Found]:
    """The source writes WAL that can be decoded."""
    level = _source(obs).settings["wal_level"]
    if level != "logical":
        fix = "on the source: " + _setting("wal_level", "logical", restart=True)
        yield BLOCKS, "source", f"wal_level is {level}", fix


@before
def source_headroom(obs: Observation) -> Iterator[Found]:
    """Slots and senders for every database still to come, one to verify, two to spare."""
    server = _source(obs)
    workers = _destination(obs).setting("max_sync_workers_per_subscription")
    new = obs.environment.source_databases * (1 + workers) + 1 + SPARE
    for name, used in (
        ("max_replication_slots", server.slots_used),
        ("max_wal_senders", server.walsenders_used),
    ):
        have = server.setting(name)
        if have < used + new:
            reason = f"{name} is {have}, {used} are in use and {new} more are needed"
            fix = "on the source: " + _setting(name, used + new, restart=True)
            yield BLOCKS, "source", reason, fix


@before
def destination_headroom(obs: Observation) -> Iterator[Found]:
    """Origins and workers for every database still to come; short workers stall silently."""
    server = _destination(obs)
    databases = obs.environment.destination_databases
    sync = server.setting("max_sync_workers_per_subscription")
    parallel = server.setting("max_parallel_apply_workers_per_subscription")
    streams_in_parallel = _source(obs).version_num >= 160000
    workers = databases * (1 + sync + (parallel if streams_in_parallel else 0))
    needs = (
        ("max_active_replication_origins", databases * (1 + sync)),
        ("max_logical_replication_workers", workers),
        ("max_worker_processes", workers + 1),
    )
    for name, need in needs:
        have = server.setting(name)
        if have < need:
            reason = f"{name} is {have}, {need} are needed for {databases} databases"
            fix = "on the destination: " + _setting(name, need, restart=True)
            yield BLOCKS, "destination", reason, fix


@before
def sync_workers(obs: Observation) -> Iterator[Found]:
    """One database alone copies as many tables at once as the destination has sync workers."""
    workers = _destination(obs).setting("max_sync_workers_per_subscription")
    bound = obs.policy.max_parallel_tables
    variable = f"PGMIGRATOR_MAPPINGS__{obs.mapping.upper()}__MAX_PARALLEL_TABLES"
    if workers < 1:
        fix = "on the destination: " + _setting(
            "max_sync_workers_per_subscription", 2, restart=False
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


def slots_are_limited(obs: Observation) -> Iterator[Found]:
    """A dead daemon protects nobody: the source itself must bound what a slot keeps."""
    if _ended(obs):
        return
    if _source(obs).setting("max_slot_wal_keep_size") < 0:
        fix = "on the source: " + _setting("max_slot_wal_keep_size", "50GB", restart=False)
        reason = "max_slot_wal_keep_size is -1: a slot can fill the disk while this daemon is down"
        yield DEGRADES, "source", reason, fix


def slots_do_not_idle_out(obs: Observation) -> Iterator[Found]:
    """A source that drops idle slots would drop ours."""
    value = _source(obs).settings.get("idle_replication_slot_timeout", "0")
    if value != "0" and not _ended(obs):
        fix = "on the source: " + _setting("idle_replication_slot_timeout", 0, restart=False)
        yield DEGRADES, "source", f"idle_replication_slot_timeout is {value}", fix


@before
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


@before
def privileges(obs: Observation) -> Iterator[Found]:
    """Superuser on both sides: what less would do is not worked out yet."""
    for side, server in (("source", _source(obs)), ("destination", _destination(obs))):
        if not server.superuser:
            yield (
                BLOCKS,
                side,
                f"role {server.user} is no superuser",
                f"connect as a superuser, or run there: ALTER ROLE"
                f" {quote_identifier(server.user)} SUPERUSER",
            )


@before
def client_programs(obs: Observation) -> Iterator[Found]:
    """pg_dump and pg_restore are there, and of the destination's version or newer."""
    major = obs.environment.pg_dump_major
    need = _destination(obs).version_num // 10000
    fix = (
        f"install PostgreSQL {need}'s client programs beside the daemon, or name their folder in"
        " PGMIGRATOR_POSTGRES_BIN_DIR"
    )
    if major is None:
        yield BLOCKS, "pg_dump", "it was not found", fix
    elif major < need:
        reason = f"version {major} is older than the destination's {need}"
        yield BLOCKS, "pg_dump", reason, fix


# --- the database --------------------------------------------------------------------------------


@before
def source_database(obs: Observation) -> Iterator[Found]:
    """The database is there."""
    assert obs.source is not None
    if obs.source.database is None:
        variable = f"PGMIGRATOR_MAPPINGS__{obs.mapping.upper()}__DATABASES"
        yield BLOCKS, obs.database, "the source has no such database", f"correct {variable}"


@before
def destination_database(obs: Observation) -> Iterator[Found]:
    """The destination has no database of that name, or an empty one of the same kind."""
    assert obs.source is not None
    assert obs.destination is not None
    there, here = obs.destination.database, obs.source.database
    if obs.marker is not None or there is None or here is None:
        return
    if obs.destination.other_mapping:
        yield (
            BLOCKS,
            obs.database,
            f"mapping {obs.destination.other_mapping} of another daemon brings a database of the"
            " same name to the same destination",
            "set DATABASES or EXCLUDE_DATABASES of one of the two mappings",
        )
    elif obs.destination.has_user_objects:
        yield (
            BLOCKS,
            obs.database,
            "the destination has a database of that name with objects in it",
            "rename or drop it there, or leave the database out with EXCLUDE_DATABASES",
        )
    alike = ("encoding", "collate", "ctype")
    differences = [
        f"{name} {getattr(there, name)} instead of {getattr(here, name)}"
        for name in alike
        if getattr(there, name) != getattr(here, name)
    ]
    if differences:
        yield (
            BLOCKS,
            obs.database,
            f"the destination's empty database differs: {', '.join(differences)}",
            f"on the destination: DROP DATABASE {quote_identifier(obs.database)}; the daemon then"
            " creates it as it must be",
        )


@before
def adopted_database_stays_empty(obs: Observation) -> Iterator[Found]:
    """Nobody puts objects into a database that we adopted."""
    marker = obs.marker
    assert obs.destination is not None
    if (
        marker is not None
        and not marker.created
        and not marker.steps
        and obs.destination.has_user_objects
        and not plan.adopted_is_restored(obs)
    ):
        yield (
            BLOCKS,
            obs.database,
            "somebody created objects in the database after it was adopted empty",
            f"on the destination: DROP DATABASE {quote_identifier(obs.database)}",
        )


@before
def one_mapping_per_name(obs: Observation) -> Iterator[Found]:
    """No other mapping brings a database of the same name to the same destination."""
    for other in obs.environment.colliding_mappings:
        yield (
            BLOCKS,
            obs.database,
            f"mapping {other} brings a database of the same name to the same destination",
            "set DATABASES or EXCLUDE_DATABASES of one of the two mappings",
        )


@before
def publication_is_ours(obs: Observation) -> Iterator[Found]:
    """Nobody else owns a publication with our name."""
    assert obs.source is not None
    publication = obs.source.publication
    if publication is None or obs.names is None:
        return
    if publication.comment != obs.names.publication_comment:
        yield (
            BLOCKS,
            obs.names.publication,
            "the source has a publication of that name that is not ours",
            "rename the mapping, or drop the publication if nothing uses it",
        )


@before
def slot_is_ours(obs: Observation) -> Iterator[Found]:
    """A slot of our name belongs to our publication."""
    assert obs.source is not None
    if obs.source.slot is not None and obs.source.publication is None and obs.names is not None:
        yield (
            BLOCKS,
            obs.names.subscription,
            "the source has a slot of that name without our publication",
            f"if nothing uses it: SELECT pg_drop_replication_slot('{obs.names.subscription}')",
        )


@before
def extensions(obs: Observation) -> Iterator[Found]:
    """Every extension of the source's database can be created on the destination."""
    assert obs.source is not None
    if obs.source.database is None:
        return
    available = _destination(obs).available_extensions
    for name in obs.source.database.extensions:
        if name not in available:
            reason = "the destination server does not have this extension"
            yield BLOCKS, f"extension {name}", reason, "install its package there"


@before
def role_conflicts(obs: Observation) -> Iterator[Found]:
    """A role that the destination has otherwise is a conflict, unless the setting allows it."""
    if obs.roles is None:
        return
    severity = BLOCKS if obs.policy.role_conflicts == "fail" else NOTE
    for difference in obs.roles.value:
        if difference.exists:
            yield severity, f"role {difference.role}", difference.reason, difference.fix


@before
def lock_table(obs: Observation) -> Iterator[Found]:
    """Dumping locks every table at once: at most a quarter of the source's lock table."""
    assert obs.source is not None
    server = _source(obs)
    slots = server.setting("max_connections") + server.setting("max_prepared_transactions")
    budget = server.setting("max_locks_per_transaction") * slots // 4
    if (tables := len(obs.source.tables)) > budget:
        need = -(-tables * 4 // slots)
        fix = "on the source: " + _setting("max_locks_per_transaction", need, restart=True)
        reason = f"a dump locks {tables} tables at once, the source's lock table allows {budget}"
        yield BLOCKS, obs.database, reason, fix


# --- tables --------------------------------------------------------------------------------------


def replica_identity(obs: Observation) -> Iterator[Found]:
    """Every table can be updated and deleted from while it is published."""
    assert obs.source is not None
    if _ended(obs):
        return
    for table in obs.source.tables:
        if table.identity_usable:
            continue
        if table.identity_candidate:
            index = quote_identifier(table.identity_candidate)
            identity = f"USING INDEX {index}"
        else:
            identity = "FULL"
        yield (
            NOTE if obs.policy.tables_without_identity == "exclude" else DEGRADES,
            f"table {table.name}",
            f"it is not migrated: {table.identity_reason}",
            f"on the source: ALTER TABLE {table.name} REPLICA IDENTITY {identity};"
            " (or add a primary key)",
        )


def large_objects(obs: Observation) -> Iterator[Found]:
    """Logical replication never carries large objects."""
    assert obs.source is not None
    if obs.source.large_objects and not _ended(obs):
        yield (
            DEGRADES,
            obs.database,
            f"it holds {obs.source.large_objects} large objects, which are not replicated",
            "move them into bytea columns, or remove them if they are orphans (vacuumlo)",
        )


def unlogged_tables(obs: Observation) -> Iterator[Found]:
    """The rows of unlogged tables stay behind; a crash would lose them too."""
    assert obs.source is not None
    if _ended(obs):
        return
    for name in obs.source.unlogged_tables:
        fix = f"if its rows matter, on the source: ALTER TABLE {name} SET LOGGED"
        yield NOTE, f"table {name}", "it is unlogged: its rows are not migrated", fix


def tables_left_publication(obs: Observation) -> Iterator[Found]:
    """A table that left the publication has missed changes since."""
    if _ended(obs):
        return
    for name in plan.left_publication(obs):
        yield (
            DEGRADES,
            f"table {name}",
            "it was replicated and is not published any more: its changes since are missing",
            "copy the database anew (drop it on the destination), or leave the table behind",
        )


def tables_swapped(obs: Observation) -> Iterator[Found]:
    """A table of the same name is not the same table."""
    if _ended(obs):
        return
    for name in plan.swapped(obs):
        yield (
            DEGRADES,
            f"table {name}",
            "the source has another table under this name than the one that was copied",
            "copy the database anew (drop it on the destination)",
        )


def tables_not_followed(obs: Observation) -> Iterator[Found]:
    """A table that came later, or that the restore could not create, is not on the destination."""
    if _ended(obs) or obs.marker is None or Step.SUBSCRIBED not in obs.marker.steps:
        return
    assert obs.destination is not None
    there = {table.name: table for table in obs.destination.tables}
    for table in plan.uncopied(obs):
        if not table.identity_usable:
            continue
        counterpart = there.get(table.name)
        if counterpart is None:
            yield (
                DEGRADES,
                f"table {table.name}",
                "the destination does not have it",
                "create it there with the same definition and owner, empty"
                f" (pg_dump --schema-only --table='{table.name}'); it is then followed",
            )
        elif counterpart.has_rows:
            yield (
                DEGRADES,
                f"table {table.name}",
                "its counterpart on the destination holds rows that did not come from here",
                f"on the destination, if they are worth nothing: TRUNCATE {table.name}",
            )


def sequences_missing(obs: Observation) -> Iterator[Found]:
    """Every sequence of the source is on the destination."""
    if _ended(obs) or obs.marker is None or Step.SUBSCRIBED not in obs.marker.steps:
        return
    for name in plan.sequences_missing(obs):
        fix = f"create it there (pg_dump --schema-only --table='{name}')"
        yield DEGRADES, f"sequence {name}", "the destination does not have it", fix


# --- the comfort of the source, and the words of the operator ------------------------------------


def blocks_source(obs: Observation) -> Iterator[Found]:
    """No session of the source waits behind one of ours."""
    assert obs.source is not None
    if obs.source.blocked_sessions:
        yield (
            DEGRADES,
            "source",
            f"{obs.source.blocked_sessions} sessions wait behind a session of this migration",
            "finish the DDL that queues there first, or stop the daemon to let it pass",
        )


def late_writes(obs: Observation) -> Iterator[Found]:
    """After the switch, nobody writes to the source."""
    assert obs.source is not None
    if obs.source.late_writes:
        yield (
            DEGRADES,
            obs.database,
            f"{obs.source.late_writes} transactions were written to the source after the switch;"
            " the destination does not have them",
            "find the writer and stop it; carry its rows over by hand, or `unswitch`",
        )


def complete_too_early(obs: Observation) -> Iterator[Found]:
    """COMPLETE=true ends a migration only after its switch."""
    if not obs.policy.complete or _ended(obs):
        return
    variable = f"PGMIGRATOR_MAPPINGS__{obs.mapping.upper()}__COMPLETE"
    reason = "it is true, but the database is not switched: nothing is removed"
    yield NOTE, variable, reason, "set it only after the switch"


def leftovers(obs: Observation) -> Iterator[Found]:
    """What `complete` could not remove from a source that did not answer."""
    if obs.marker is None or Step.COMPLETED not in obs.marker.steps or obs.names is None:
        return
    source, slot, publication = obs.source, obs.names.subscription, obs.names.publication
    unseen = source is None and obs.marker.source_left
    if unseen or (source is not None and source.slot is not None):
        fix = f"on the source: SELECT pg_drop_replication_slot('{slot}')"
        yield DEGRADES, slot, "our slot is still on the source", fix
    if unseen or (source is not None and source.publication is not None):
        fix = f"in the source's database: DROP PUBLICATION {quote_identifier(publication)}"
        yield DEGRADES, publication, "our publication is still on the source", fix


def _ended(obs: Observation) -> bool:
    """From the switch on, the source's tables are no longer followed."""
    ended = {Step.SWITCHED, Step.COMPLETING, Step.COMPLETED, Step.ABANDONED}
    return obs.marker is not None and bool(obs.marker.steps & ended)


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
    source_database,
    destination_database,
    adopted_database_stays_empty,
    one_mapping_per_name,
    publication_is_ours,
    slot_is_ours,
    extensions,
    role_conflicts,
    lock_table,
    replica_identity,
    large_objects,
    unlogged_tables,
    tables_left_publication,
    tables_swapped,
    tables_not_followed,
    sequences_missing,
    blocks_source,
    late_writes,
    complete_too_early,
    leftovers,
)
