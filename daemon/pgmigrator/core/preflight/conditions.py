"""What surrounds the data: sessions, standbys, triggers, tablespaces, other replication."""

from collections.abc import Iterator

from pgmigrator.core.conditions import (
    UsedTablespace,
)
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation
from pgmigrator.core.names import quote_identifier, quote_literal
from pgmigrator.core.preflight.finding import (
    BLOCKS,
    DEGRADES,
    NOTE,
    Check,
    Found,
    blocks_at_first,
    check,
    conditions_here,
    conditions_there,
    destination_server,
    ended,
    kept_roles,
    source_server,
    spelt,
    subscribed,
)


@check("both", BLOCKS, DEGRADES)
def conditions_read(obs: Observation) -> Iterator[Found]:
    """Whatever the other checks look at can be read."""
    if ended(obs):
        return
    for side, conditions in (
        ("source", conditions_here(obs)),
        ("destination", conditions_there(obs)),
    ):
        for what, reason in conditions.unread.items():
            yield (
                blocks_at_first(obs),
                f"{side}: {what}",
                f"it could not be read, and so is not known to be right: {reason}",
                "mend what it says, or grant our role what it lacks; it is read again by itself",
            )


@check("source", BLOCKS, DEGRADES)
def row_security(obs: Observation) -> Iterator[Found]:
    """Our role on the source sees every row of every table."""
    for table in conditions_here(obs).row_security if not ended(obs) else ():
        yield (
            blocks_at_first(obs),
            f"table {table.object}",
            "it has row-level security and our role does not bypass it: rows would be left out of"
            " the copy without a word",
            f"on the source: ALTER ROLE {quote_identifier(source_server(obs).user)} BYPASSRLS;",
        )


@check("both", NOTE)
def standbys(obs: Observation) -> Iterator[Found]:
    """No failover comes between: it would end the migration of the databases."""
    if ended(obs):
        return
    for standby in conditions_here(obs).standbys:
        yield (
            NOTE,
            f"source standby {standby.object}",
            f"{standby.detail}; our slot is not on it, and no failover slot (17 or newer) either:"
            " after a failover to it the databases are failed and must be copied anew",
            "put off planned failovers of the source until the switch",
        )
    for standby in conditions_there(obs).standbys:
        yield (
            NOTE,
            f"destination standby {standby.object}",
            f"{standby.detail}; after a failover to it the databases are failed: what it had not"
            " received is confirmed and never comes again",
            "put off planned failovers of the destination until the switch",
        )


@check("source", NOTE)
def subscriptions(obs: Observation) -> Iterator[Found]:
    """The source subscribes to nobody: a subscription is not moved, and keeps writing to it."""
    for subscription in conditions_here(obs).subscriptions if not ended(obs) else ():
        yield (
            NOTE,
            f"subscription {subscription.object}",
            f"{subscription.detail}; it is not moved, and while it runs no drain proves anything",
            "at the cutover disable it, and create it anew on the destination with copy_data=false",
        )


@check("source", NOTE)
def publications(obs: Observation) -> Iterator[Found]:
    """The source publishes to nobody: publications are not moved."""
    for publication in conditions_here(obs).publications if not ended(obs) else ():
        yield (
            NOTE,
            f"publication {publication.object}",
            f"{publication.detail}; it is not moved: its subscribers get nothing after the switch",
            "create it on the destination by hand, and let its subscribers subscribe there",
        )


@check("source", NOTE)
def logical_slots(obs: Observation) -> Iterator[Found]:
    """Nobody else decodes the source's changes: slots are not moved."""
    for slot in conditions_here(obs).logical_slots if not ended(obs) else ():
        yield (
            NOTE,
            f"slot {slot.object}",
            f"{slot.detail}; it is not moved: its reader gets nothing after the switch",
            "let its reader begin anew with a slot on the destination",
        )


@check("source", NOTE, before=True)
def open_transactions(obs: Observation) -> Iterator[Found]:
    """No transaction that has written anything stays open: our slot waits for all of them."""
    for transaction in conditions_here(obs).open_transactions:
        yield (
            NOTE,
            f"pid {transaction.object}",
            f"{transaction.detail}: the slot cannot be made before it ends",
            f"end it; or on the source: SELECT pg_terminate_backend({transaction.object});",
        )


@check("source", NOTE)
def prepared_transactions(obs: Observation) -> Iterator[Found]:
    """No prepared transaction is left: our slot waits for them, and they are not moved."""
    for transaction in conditions_here(obs).prepared_transactions if not ended(obs) else ():
        yield (
            NOTE,
            f"prepared transaction {transaction.object}",
            f"{transaction.detail}: neither slot nor cutover can come before it ends",
            f"in its database: COMMIT PREPARED {transaction.object}; or ROLLBACK PREPARED"
            f" {transaction.object};",
        )


@check("both", NOTE)
def held_triggers(obs: Observation) -> Iterator[Found]:
    """Triggers that fire on replicated changes are held back until the switch."""
    for trigger in conditions_here(obs).held_triggers if not ended(obs) else ():
        yield (
            NOTE,
            f"trigger {trigger.object}",
            f"{trigger.detail}: on the destination it would do its work a second time, and so it"
            " is an ordinary trigger there until the switch",
            "nothing, if it may wait; what it does is replicated from the source meanwhile",
        )


@check("source", NOTE)
def unenforced_constraints(obs: Observation) -> Iterator[Found]:
    """No constraint of the source is out of force: no dump says so, the destination enforces it."""
    for table in conditions_here(obs).unenforced_constraints if not ended(obs) else ():
        yield (
            NOTE,
            f"table {table.object}",
            f"DISABLE TRIGGER ALL left {table.detail} unenforced on the source; no dump carries"
            " that, so that the destination enforces it, for what is there and what comes",
            "nothing, if it is to hold there; else drop it on the source, or after the switch, on"
            f" the destination: ALTER TABLE {table.object} DISABLE TRIGGER ALL; which disables its"
            " other triggers too",
        )


@check("source", NOTE)
def event_triggers(obs: Observation) -> Iterator[Found]:
    """No event trigger of the source runs on what we do there."""
    for trigger in conditions_here(obs).event_triggers if not ended(obs) else ():
        yield (
            NOTE,
            f"event trigger {trigger.object}",
            f"it calls {trigger.detail}, also when we create, alter or drop our publication (or"
            " log in): it may refuse that, or write something",
            "let its function return at once IF current_setting('application_name') LIKE"
            f" 'pgmigrator/%'; or: ALTER EVENT TRIGGER {trigger.object} DISABLE;",
        )


@check("source", DEGRADES)
def path_functions(obs: Observation) -> Iterator[Found]:
    """Functions in CHECKs, indexes, generated columns and partition keys need no search_path."""
    for function in conditions_here(obs).path_functions if not ended(obs) else ():
        names, _, schemas = function.detail.rpartition(" in ")
        yield (
            DEGRADES,
            f"function {function.object}",
            f"it names {names} without a schema: replication calls it with an empty search_path,"
            " where it fails, and the copy begins again for ever",
            "on the source, and on the destination if it is there already: ALTER FUNCTION"
            f" {function.object} SET search_path = {schemas}, pg_temp;",
        )


@check("source", BLOCKS, DEGRADES)
def reserved_schema(obs: Observation) -> Iterator[Found]:
    """No schema has the name of our bookkeeping: what is in it would be left out unnoticed."""
    for schema in conditions_here(obs).reserved_schemas if not ended(obs) else ():
        rename = f"ALTER SCHEMA {schema.object} RENAME TO {schema.object}_earlier;"
        reason = "on the destination that is the name of this daemon's bookkeeping"
        fix = f"on the source: {rename} and adapt whatever names it"
        if schema.detail:
            reason += "; it may be the rest of the migration that brought this database here"
            fix = (
                "end that migration first, with its `complete`: that removes what is its own. What"
                f" is left then may be yours: look at it, and {fix}"
            )
        yield (
            blocks_at_first(obs),
            f"schema {schema.object}",
            f"{reason}; what is in it would neither be followed nor compared",
            fix,
        )


@check("destination", BLOCKS, DEGRADES, NOTE)
def tablespaces(obs: Observation) -> Iterator[Found]:
    """The destination has the tablespaces that the database uses, if they are to be kept."""
    there = obs.destination.database if obs.destination else None
    for tablespace in conditions_here(obs).tablespaces if not ended(obs) else ():
        if not obs.policy.keeps_tablespaces:
            if not subscribed(obs):
                yield (
                    NOTE,
                    f"tablespace {tablespace.object}",
                    f"{tablespace.detail} use it; they come into the destination's default one",
                    "nothing, if that has room for all; or move them after the switch: ALTER TABLE"
                    " ... SET TABLESPACE",
                )
        # a database that is there keeps its own
        elif there is None or not tablespace.whole:
            yield from _unusable(obs, tablespace)


def _unusable(obs: Observation, used: UsedTablespace) -> Iterator[Found]:
    """Name a tablespace that is to be kept and cannot be: we create none, a path is not ours."""
    known = {each.object: each.detail for each in conditions_there(obs).tablespace_names}
    if not known or known.get(used.object):
        return  # unread, which `conditions_read` says; or usable
    otherwise = (
        "or, to have everything in the destination's default one, set"
        f" PGMIGRATOR_MAPPINGS__{obs.mapping.upper()}__TABLESPACES=default"
    )
    if used.object in known:
        reason = "our role may not create objects in the destination's"
        role = quote_identifier(destination_server(obs).user)
        fix = f"GRANT CREATE ON TABLESPACE {used.object} TO {role};"
    else:
        reason = "the destination has none of that name"
        fix = f"CREATE TABLESPACE {used.object} LOCATION '<an empty folder of that server>';"
    yield (
        blocks_at_first(obs),
        f"tablespace {used.object}",
        f"{used.detail} use it, and {reason}",
        f"on the destination: {fix} {otherwise}",
    )


@check("source", NOTE, before=True)
def md5_passwords(obs: Observation) -> Iterator[Found]:
    """No password is kept as an MD5 hash, which 18 warns of and a later version will refuse."""
    if destination_server(obs).version_num < 180000:
        return
    for role in conditions_here(obs).md5_passwords:
        yield (
            NOTE,
            f"role {role.object}",
            "its password is an MD5 hash: it is copied as it is, but cannot log in where"
            " the destination's pg_hba.conf demands scram-sha-256",
            f"set it anew with password_encryption = 'scram-sha-256': \\password {role.object}",
        )


@check("destination", BLOCKS, before=True)
def compression(obs: Observation) -> Iterator[Found]:
    """The destination was built with the compression methods that columns name."""
    methods = {method.object for method in conditions_there(obs).compression_methods}
    for used in conditions_here(obs).compressions if methods else ():
        if used.object not in methods:
            yield (
                BLOCKS,
                f"compression {used.object}",
                f"{used.detail} name it, and the destination was built without it: their tables"
                " cannot be created",
                f"use a destination that was built with {used.object}; or on the source: ALTER"
                " TABLE ... ALTER COLUMN ... SET COMPRESSION default;",
            )


@check("source", NOTE)
def archiving(obs: Observation) -> Iterator[Found]:
    """The source's archiver works: else WAL stays, whatever our slot is allowed to keep."""
    for failure in conditions_here(obs).archiving if not ended(obs) else ():
        yield (
            NOTE,
            "archive_command",
            f"{failure.detail}: until it succeeds no WAL is removed, and the disk may fill",
            "read the source's server log, and mend its archive_command or archive_library",
        )


@check("destination", DEGRADES, NOTE)
def security_labels(obs: Observation) -> Iterator[Found]:
    """Security labels meet their provider on the destination; those of roles are there too."""
    if ended(obs):
        return
    restored = obs.marker is not None and Step.SCHEMA_DONE in obs.marker.steps
    # once the schema is there, its comparison names each that is not
    for provider in () if restored else conditions_here(obs).security_labels:
        yield (
            NOTE,
            f"provider {provider.object}",
            f"its labels are on {provider.detail}: a destination that has not loaded it refuses"
            " each of them, and what they hide would be seen there",
            f"{_LOADED}; if nothing needs them, on the source: SECURITY LABEL FOR"
            f" {provider.object} ON ... IS NULL;",
        )
    yield from _shared_labels(obs, restored=restored)


def _shared_labels(obs: Observation, *, restored: bool) -> Iterator[Found]:
    arrived = conditions_there(obs).shared_labels if restored else ()
    own = {f"ROLE {name}" for name in spelt(source_server(obs).user, destination_server(obs).user)}
    skipped = {f"ROLE {name}" for name in spelt(*kept_roles(obs, "skip"))}
    for label in conditions_here(obs).shared_labels:
        if label in arrived or label.object in own:
            continue
        kind, _, name = label.object.partition(" ")
        left = label.object in skipped
        yield (
            DEGRADES if restored and not left else NOTE,
            f"{kind.lower()} {name}",
            f"its security label of provider {label.provider} is not moved: it is in no dump"
            " of a database"
            + (", and ROLE_CONFLICTS=skip leaves the role as it is" if left else ""),
            f"{_LOADED}, and once it has the {kind.lower()}: SECURITY LABEL FOR"
            f" {label.provider} ON {label.object} IS {quote_literal(label.detail)};",
        )


_LOADED = (
    "on the destination, add the provider's module to session_preload_libraries, or to"
    " shared_preload_libraries and restart"
)


CHECKS: tuple[Check, ...] = (
    conditions_read,
    row_security,
    standbys,
    subscriptions,
    publications,
    logical_slots,
    open_transactions,
    prepared_transactions,
    held_triggers,
    unenforced_constraints,
    event_triggers,
    path_functions,
    reserved_schema,
    tablespaces,
    md5_passwords,
    compression,
    archiving,
    security_labels,
)
