"""The database as a whole: conflicts on the destination, taken names, extensions, roles."""

import re
from collections.abc import Iterator

from pgmigrator.core import plan
from pgmigrator.core.facts import DatabaseProperties
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation
from pgmigrator.core.names import quote_identifier
from pgmigrator.core.preflight.finding import (
    BLOCKS,
    DEGRADES,
    NOTE,
    Check,
    Found,
    check,
    destination_server,
    ended,
    set_to,
    source_server,
)
from pgmigrator.core.ties import concerns

UNSUPPORTED_EXTENSIONS = ("timescaledb", "citus")
JOB_EXTENSIONS = ("pg_cron", "pg_partman")


@check("source", BLOCKS, before=True)
def source_database(obs: Observation) -> Iterator[Found]:
    """The database is there, and the destination takes its name."""
    assert obs.source is not None
    if obs.source.database is None:
        variable = f"PGMIGRATOR_MAPPINGS__{obs.mapping.upper()}__DATABASES"
        yield BLOCKS, obs.database, "the source has no such database", f"correct {variable}"
    elif destination_server(obs).version_num >= 190000 and set(obs.database) & {"\n", "\r"}:
        yield (
            BLOCKS,
            obs.database,
            "its name has a line break: 19 and newer refuse such names",
            f"on the source: ALTER DATABASE {quote_identifier(obs.database)} RENAME TO ...; or"
            " leave it out with EXCLUDE_DATABASES",
        )


@check("destination", BLOCKS, before=True)
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
            "the destination has a database of that name with objects in it, be it a schema alone",
            "rename it there, or leave the database out with EXCLUDE_DATABASES",
        )
    else:
        yield from _unlike(obs, there, here)


def _unlike(
    obs: Observation, there: DatabaseProperties, here: DatabaseProperties
) -> Iterator[Found]:
    """Name what a database of the destination, empty and nobody's, has otherwise."""
    alike = ("encoding", "collate", "ctype", "locale_provider", "locale")
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


@check("source", NOTE)
def encoding_known(obs: Observation) -> Iterator[Found]:
    """The database has an encoding: SQL_ASCII checks and converts nothing."""
    assert obs.source is not None
    here = obs.source.database
    if here is not None and here.encoding == "SQL_ASCII" and not ended(obs):
        yield (
            NOTE,
            obs.database,
            "its encoding is SQL_ASCII: text may be bytes in any encoding. The destination's"
            " database gets the same, and every byte as it is; a table or column whose name is no"
            " valid UTF-8 makes the database unknown",
            "none is needed; to give it an encoding, move it with pg_dump -E instead",
        )


@check("destination", BLOCKS, before=True)
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
            "move them out of it, to another database of the destination; or, if they are to stay:"
            f" on the destination: ALTER DATABASE {quote_identifier(obs.database)} RENAME TO ...;",
        )


@check("destination", BLOCKS, before=True)
def one_mapping_per_name(obs: Observation) -> Iterator[Found]:
    """No other mapping brings a database of the same name to the same destination."""
    for other in obs.environment.colliding_mappings:
        yield (
            BLOCKS,
            obs.database,
            f"mapping {other} brings a database of the same name to the same destination",
            "set DATABASES or EXCLUDE_DATABASES of one of the two mappings",
        )


@check("source", BLOCKS, before=True)
def publication_is_ours(obs: Observation) -> Iterator[Found]:
    """Nobody else owns a publication with our name."""
    assert obs.source is not None
    if obs.names is None:
        return
    needs_both = obs.policy.tables_without_identity == "insert_only"
    found = (obs.source.publication, obs.source.insert_only if needs_both else None)
    for name, publication in zip(obs.names.publications, found, strict=True):
        if publication is not None and publication.comment != obs.names.publication_comment:
            yield (
                BLOCKS,
                name,
                "the source has a publication of that name that is not ours",
                "rename the mapping, or drop the publication if nothing uses it",
            )


@check("source", BLOCKS, before=True)
def slot_is_ours(obs: Observation) -> Iterator[Found]:
    """A slot of our name belongs to our publication."""
    assert obs.source is not None
    if obs.source.slot is not None and obs.source.publication is None and obs.names is not None:
        yield (
            BLOCKS,
            obs.names.subscription,
            "the source has a slot of that name without our publication",
            f"if nothing uses it: SELECT pg_drop_replication_slot('{obs.names.subscription}');",
        )


@check("destination", BLOCKS, before=True)
def extensions(obs: Observation) -> Iterator[Found]:
    """Every extension of the source's database can be created on the destination, no older."""
    assert obs.source is not None
    if obs.source.database is None:
        return
    available = destination_server(obs).available_extensions
    for name, version in obs.source.database.extensions.items():
        if name not in available:
            reason = "the destination server does not have this extension"
            yield BLOCKS, f"extension {name}", reason, "install its package there"
        elif is_older(available[name], version):
            reason = f"the source has version {version}, the destination offers {available[name]}"
            yield BLOCKS, f"extension {name}", reason, "install a newer package of it there"


def is_older(offered: str, wanted: str) -> bool:
    """Compare versions of an extension by their numbers.

    >>> is_older("1.9", "1.10"), is_older("3.5.0", "3.5"), is_older("next", "1.0")
    (True, False, False)
    """
    there, here = _numbers(offered), _numbers(wanted)
    return bool(there and here) and there < here


def _numbers(version: str) -> tuple[int, ...]:
    """Return its numbers; 3.5 is 3.5.0."""
    text = re.sub(r"(\.0+)+$", "", version)
    return tuple(map(int, re.findall(r"\d+", text)))


@check("source", BLOCKS, before=True)
def unsupported_extensions(obs: Observation) -> Iterator[Found]:
    """No extension keeps its data in a way that logical replication of tables does not carry."""
    assert obs.source is not None
    installed = obs.source.database.extensions if obs.source.database else {}
    for name in UNSUPPORTED_EXTENSIONS:
        if name in installed:
            yield (
                BLOCKS,
                f"extension {name}",
                "it spreads tables over parts and catalogs of its own: replicated one by one they"
                " make no whole",
                f"leave the database out with EXCLUDE_DATABASES, and move it with {name}'s means",
            )


@check("both", NOTE)
def scheduled_jobs(obs: Observation) -> Iterator[Found]:
    """No extension runs jobs by itself: they would run on both sides."""
    assert obs.source is not None
    installed = obs.source.database.extensions if obs.source.database else {}
    for name in JOB_EXTENSIONS if not ended(obs) else ():
        if name in installed:
            yield (
                NOTE,
                f"extension {name}",
                "it runs jobs: what they do on the source is replicated, and on the destination"
                " they would do it again",
                "keep its jobs off the destination until the switch, and then take them over from"
                " the source by hand",
            )


@check("destination", BLOCKS, DEGRADES, NOTE)
def role_conflicts(obs: Observation) -> Iterator[Found]:
    """A role that the destination has otherwise is a conflict, unless the setting allows it."""
    if obs.roles is None or ended(obs):
        return
    under_way = obs.marker is not None and Step.SUBSCRIBED in obs.marker.steps
    severity = DEGRADES if under_way else BLOCKS
    if obs.policy.role_conflicts != "fail":
        severity = NOTE
    for difference in obs.roles.value:
        if difference.comment:
            yield NOTE, f"comment of role {difference.role}", difference.reason, difference.fix
        elif difference.exists:
            weight = severity if concerns(difference.role, obs) else NOTE
            yield weight, f"role {difference.role}", difference.reason, difference.fix


@check("destination", DEGRADES, NOTE)
def roles_refused(obs: Observation) -> Iterator[Found]:
    """The destination takes every role of the source; one that it refuses stops nobody else."""
    for refusal in obs.roles_refused if not ended(obs) else ():
        needed = concerns(refusal.role, obs)
        yield (
            DEGRADES if needed else NOTE,
            refusal.object,
            f"the destination refuses it: {refusal.reason}"
            + ("" if needed else " (nothing in this database needs that role)"),
            "mend what the reason names: a role or a membership is then made by itself; for what"
            " else a role lacks, the problem role_conflicts has the SQL",
        )


@check("destination", NOTE, before=True)
def common_passwords(obs: Observation) -> Iterator[Found]:
    """No role gets a password that others have too."""
    for difference in obs.roles.value if obs.roles else ():
        if difference.common_password:
            yield (
                NOTE,
                f"role {difference.role}",
                "it will be created with the common password of the settings: whoever knows that"
                " can log in as this role",
                "give it one of its own once it is there, and before applications log in: on the"
                f" destination: \\password {quote_identifier(difference.role)}; or set"
                " ROLE_PASSWORDS to copy",
            )


@check("source", BLOCKS, NOTE, before=True)
def role_collisions(obs: Observation) -> Iterator[Found]:
    """No other source of the destination has a role of the same name otherwise."""
    compared = obs.roles.value if obs.roles else ()
    known = {each.role for each in compared if each.exists and not each.comment}
    severity = BLOCKS if obs.policy.role_conflicts == "fail" else NOTE
    for difference in obs.environment.colliding_roles:
        if difference.role not in known:
            yield severity, f"role {difference.role}", difference.reason, difference.fix


@check("destination", NOTE)
def connection_limit(obs: Observation) -> Iterator[Found]:
    """The source's database lets in others than superusers, or is closed for the cutover alone."""
    assert obs.source is not None
    assert obs.destination is not None
    here, there = obs.source.database, obs.destination.database
    if ended(obs) or here is None or here.connection_limit != 0:
        return
    limit = there.connection_limit if there else -1
    name = quote_identifier(obs.database)
    statement = f"on the destination: ALTER DATABASE {name} CONNECTION LIMIT"
    if limit == 0:
        has, fix = "a limit of 0 too", f"before its applications come, {statement} -1;"
    else:
        has = "no limit" if limit < 0 else f"a limit of {limit}"
        fix = f"nothing, if that is for the cutover; else, after the switch, {statement} 0;"
    yield (
        NOTE,
        f"database {obs.database}",
        "CONNECTION LIMIT 0 keeps all but superusers out of the source's; that is not carried over,"
        f" and the destination's has {has}",
        fix,
    )


#: what one table, with a key, a sequence and long values, locks until a restore of it commits
LOCKS_PER_TABLE = 10


@check("both", BLOCKS, before=True)
def lock_table(obs: Observation) -> Iterator[Found]:
    """A dump fits into a quarter of the source's lock table, an adopted restore into the other."""
    assert obs.source is not None
    assert obs.destination is not None
    server = source_server(obs)
    slots = server.setting("max_connections") + server.setting("max_prepared_transactions")
    budget = server.setting("max_locks_per_transaction") * slots // 4
    if (tables := len(obs.source.tables)) > budget:
        need = -(-tables * 4 // slots)
        fix = "on the source: " + set_to(server, "max_locks_per_transaction", need, restart=True)
        reason = f"a dump locks {tables} tables at once, the source's lock table allows {budget}"
        yield BLOCKS, obs.database, reason, fix
    there = destination_server(obs)
    slots = there.setting("max_connections") + there.setting("max_prepared_transactions")
    budget = there.setting("max_locks_per_transaction") * slots
    if _is_adopted(obs) and (need := tables * LOCKS_PER_TABLE) > budget:
        yield (
            BLOCKS,
            obs.database,
            f"its empty database on the destination is restored in one transaction, which may take"
            f" {need} locks: the destination's lock table has {budget}",
            f"on the destination: DROP DATABASE {quote_identifier(obs.database)}; the daemon then"
            " creates it, and restores it table by table",
        )


def _is_adopted(obs: Observation) -> bool:
    """Tell whether the schema is still to be restored into an empty one that we did not create."""
    there = obs.destination
    if there is None or there.database is None or there.other_mapping or there.has_user_objects:
        return False
    return obs.marker is None or not (obs.marker.created or obs.marker.steps)


CHECKS: tuple[Check, ...] = (
    source_database,
    destination_database,
    encoding_known,
    adopted_database_stays_empty,
    one_mapping_per_name,
    publication_is_ours,
    slot_is_ours,
    extensions,
    unsupported_extensions,
    scheduled_jobs,
    role_conflicts,
    roles_refused,
    common_passwords,
    role_collisions,
    connection_limit,
    lock_table,
)
