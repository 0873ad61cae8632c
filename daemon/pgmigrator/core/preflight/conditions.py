"""What surrounds the data: sessions, settings, standbys, triggers, other replication."""

import re
from collections.abc import Iterator

from pgmigrator.core.conditions import (
    DestinationConditions,
    Setting,
    SourceConditions,
    UsedTablespace,
)
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation, Severity
from pgmigrator.core.names import quote_identifier, quote_literal
from pgmigrator.core.preflight.finding import (
    BLOCKS,
    DEGRADES,
    NOTE,
    Check,
    Found,
    check,
    destination_server,
    ended,
    source_server,
)
from pgmigrator.core.preloads import first_load
from pgmigrator.core.text import CARRIED_TEXT, OWN_ROLE

#: a destination of this version hands the options of a subscription's conninfo to the source
OPTIONS_HONOURED_VERSION_NUM = 180002
#: a stream that is cut more often than this hardly gets anywhere
SENDER_TIMEOUT_MIN_MS = 5000

COPY_TIMEOUTS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
COPY_SETTINGS = ("lc_monetary", "role")
#: what the workers of replication have, as far as it is in our hands
UNMISLED = CARRIED_TEXT | OWN_ROLE
#: locales that write money as C does
LIKE_C = re.compile(r"(C|POSIX|en_US)([.@].*)?$")
#: what quote_ident() leaves as it is, unless it is a keyword
PLAIN_NAME = re.compile("[a-z_][a-z0-9_]*")
APPLY_TIMEOUTS = ("lock_timeout", "transaction_timeout", "idle_in_transaction_session_timeout")


def _here(obs: Observation) -> SourceConditions:
    found = obs.source.conditions if obs.source else None
    return found or SourceConditions()


def _there(obs: Observation) -> DestinationConditions:
    found = obs.destination.conditions if obs.destination else None
    return found or DestinationConditions()


def _subscribed(obs: Observation) -> bool:
    return obs.marker is not None and Step.SUBSCRIBED in obs.marker.steps


def _blocks_at_first(obs: Observation) -> Severity:
    """Nothing is begun with it; what is under way goes on without a green light."""
    return DEGRADES if _subscribed(obs) else BLOCKS


def _for_our_role(user: str, database: str, name: str, value: str) -> str:
    role, where = quote_identifier(user), quote_identifier(database)
    return f"ALTER ROLE {role} IN DATABASE {where} SET {name} = {value};"


@check("both", BLOCKS, DEGRADES)
def conditions_read(obs: Observation) -> Iterator[Found]:
    """Whatever the other checks look at can be read."""
    if ended(obs):
        return
    for side, conditions in (("source", _here(obs)), ("destination", _there(obs))):
        for what, reason in conditions.unread.items():
            yield (
                _blocks_at_first(obs),
                f"{side}: {what}",
                f"it could not be read, and so is not known to be right: {reason}",
                "mend what it says, or grant our role what it lacks; it is read again by itself",
            )


@check("source", BLOCKS, DEGRADES)
def copy_timeouts(obs: Observation) -> Iterator[Found]:
    """No time-out of the source ends the sessions that copy its tables."""
    if ended(obs):
        return
    overridden = destination_server(obs).version_num >= OPTIONS_HONOURED_VERSION_NUM
    names = ("transaction_timeout", *(() if overridden else COPY_TIMEOUTS))
    for setting in _here(obs).settings:
        if setting.name in names and setting.setting != "0":
            yield (
                _blocks_at_first(obs),
                setting.name,
                f"it is {_shown(setting)} for our role: each copy that takes longer is"
                " ended and begins again, for ever",
                "on the source: "
                + _for_our_role(source_server(obs).user, obs.database, setting.name, "0"),
            )


@check("source", BLOCKS, DEGRADES)
def copy_settings(obs: Observation) -> Iterator[Found]:
    """No other role than ours reads the rows, and no other locale than C writes their money."""
    if ended(obs) or destination_server(obs).version_num >= OPTIONS_HONOURED_VERSION_NUM:
        return  # it has the source set both aside
    for setting in _here(obs).settings:
        # the others say how text is read, which the destination does
        if setting.name in COPY_SETTINGS and (consequence := _misleads(obs, setting)):
            yield (
                _blocks_at_first(obs),
                setting.name,
                f"it is {_shown(setting)} for our role, and a destination before 18.2 cannot"
                f" override it: {consequence}",
                "on the source: " + _set_back(source_server(obs).user, obs, setting.name),
            )


@check("destination", DEGRADES)
def apply_settings(obs: Observation) -> Iterator[Found]:
    """The workers that apply changes take the text that they get for what it was."""
    if ended(obs) or not _subscribed(obs):
        return  # the subscription brings its own settings along
    for setting in _there(obs).settings:
        if consequence := _misleads(obs, setting):
            yield (
                DEGRADES,
                setting.name,
                f"it is {_shown(setting)} for our role: {consequence}",
                "on the destination: "
                + _set_back(destination_server(obs).user, obs, setting.name)
                + " Then resync the tables that changed meanwhile.",
            )


def _misleads(obs: Observation, setting: Setting) -> str:
    """Say what a setting does to rows that are copied or applied; "": nothing."""
    money = _here(obs).money
    if setting.name == "lc_monetary":
        if not money or LIKE_C.match(setting.setting):
            return ""
        return f"amounts as in table {money[0].object} come out otherwise, by factors of 100"
    if setting.setting == UNMISLED.get(setting.name, setting.setting):
        return ""
    if setting.name in OWN_ROLE:
        return "rows are read and written as that role, which lacks the rights of ours"
    return "values that hold NULL, or documents, are taken for others, or refused"


def _set_back(user: str, obs: Observation, name: str) -> str:
    first = "SET ROLE none; " if name in OWN_ROLE else ""
    return first + _for_our_role(user, obs.database, name, f"'{UNMISLED[name]}'")


@check("destination", BLOCKS, before=True)
def restore_timeout(obs: Observation) -> Iterator[Found]:
    """No transaction_timeout of the destination ends a restore."""
    for setting in _there(obs).settings:
        if setting.name == "transaction_timeout" and setting.setting != "0":
            role = quote_identifier(destination_server(obs).user)
            yield (
                BLOCKS,
                setting.name,
                f"it is {_shown(setting)} for our role: it ends each restore that takes longer",
                f"on the destination: ALTER ROLE {role} SET transaction_timeout = 0;",
            )


@check("destination", DEGRADES)
def apply_timeouts(obs: Observation) -> Iterator[Found]:
    """No time-out of the destination ends the workers that apply changes."""
    if ended(obs) or not _subscribed(obs):
        return  # the subscription brings its own settings along
    for setting in _there(obs).settings:
        hinders = setting.name in APPLY_TIMEOUTS and setting.setting != "0"
        refuses = setting.name == "default_transaction_read_only" and setting.setting == "on"
        if hinders or refuses:
            value = "off" if refuses else "0"
            yield (
                DEGRADES,
                setting.name,
                f"it is {_shown(setting)} for our role: it ends the apply worker again and again",
                "on the destination: "
                + _for_our_role(destination_server(obs).user, obs.database, setting.name, value),
            )


@check("source", DEGRADES, NOTE)
def sender_timeout(obs: Observation) -> Iterator[Found]:
    """The source notices a destination that is gone, and does not take a slow one for it."""
    for setting in _here(obs).settings if not ended(obs) else ():
        if setting.name != "wal_sender_timeout":
            continue
        fix = "on the source: " + _for_our_role(
            source_server(obs).user, obs.database, setting.name, "'60s'"
        )
        if setting.setting == "0":
            reason = "it is 0: the slot of a destination that vanished stays taken for hours"
            yield NOTE, setting.name, reason, fix
        elif int(setting.setting) < SENDER_TIMEOUT_MIN_MS:
            reason = f"it is {_shown(setting)}: the stream is cut whenever apply takes that long"
            yield DEGRADES, setting.name, reason, fix


def _shown(setting: Setting) -> str:
    return f"{setting.setting} {setting.unit} ({setting.source})".replace("  ", " ")


@check("source", BLOCKS, DEGRADES)
def row_security(obs: Observation) -> Iterator[Found]:
    """Our role on the source sees every row of every table."""
    for table in _here(obs).row_security if not ended(obs) else ():
        yield (
            _blocks_at_first(obs),
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
    for standby in _here(obs).standbys:
        yield (
            NOTE,
            f"source standby {standby.object}",
            f"{standby.detail}; our slot is not on it, and no failover slot (17 or newer) either:"
            " after a failover to it the databases are failed and must be copied anew",
            "put off planned failovers of the source until the switch",
        )
    for standby in _there(obs).standbys:
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
    for subscription in _here(obs).subscriptions if not ended(obs) else ():
        yield (
            NOTE,
            f"subscription {subscription.object}",
            f"{subscription.detail}; it is not moved, and while it runs no drain proves anything",
            "at the cutover disable it, and create it anew on the destination with copy_data=false",
        )


@check("source", NOTE)
def publications(obs: Observation) -> Iterator[Found]:
    """The source publishes to nobody: publications are not moved."""
    for publication in _here(obs).publications if not ended(obs) else ():
        yield (
            NOTE,
            f"publication {publication.object}",
            f"{publication.detail}; it is not moved: its subscribers get nothing after the switch",
            "create it on the destination by hand, and let its subscribers subscribe there",
        )


@check("source", NOTE)
def logical_slots(obs: Observation) -> Iterator[Found]:
    """Nobody else decodes the source's changes: slots are not moved."""
    for slot in _here(obs).logical_slots if not ended(obs) else ():
        yield (
            NOTE,
            f"slot {slot.object}",
            f"{slot.detail}; it is not moved: its reader gets nothing after the switch",
            "let its reader begin anew with a slot on the destination",
        )


@check("source", NOTE, before=True)
def open_transactions(obs: Observation) -> Iterator[Found]:
    """No transaction that has written anything stays open: our slot waits for all of them."""
    for transaction in _here(obs).open_transactions:
        yield (
            NOTE,
            f"pid {transaction.object}",
            f"{transaction.detail}: the slot cannot be made before it ends",
            f"end it; or on the source: SELECT pg_terminate_backend({transaction.object});",
        )


@check("source", NOTE)
def prepared_transactions(obs: Observation) -> Iterator[Found]:
    """No prepared transaction is left: our slot waits for them, and they are not moved."""
    for transaction in _here(obs).prepared_transactions if not ended(obs) else ():
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
    for trigger in _here(obs).held_triggers if not ended(obs) else ():
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
    for table in _here(obs).unenforced_constraints if not ended(obs) else ():
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
    for trigger in _here(obs).event_triggers if not ended(obs) else ():
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
    for function in _here(obs).path_functions if not ended(obs) else ():
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
    for schema in _here(obs).reserved_schemas if not ended(obs) else ():
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
            _blocks_at_first(obs),
            f"schema {schema.object}",
            f"{reason}; what is in it would neither be followed nor compared",
            fix,
        )


@check("destination", BLOCKS, DEGRADES, NOTE)
def tablespaces(obs: Observation) -> Iterator[Found]:
    """The destination has the tablespaces that the database uses, if they are to be kept."""
    there = obs.destination.database if obs.destination else None
    for tablespace in _here(obs).tablespaces if not ended(obs) else ():
        if not obs.policy.keeps_tablespaces:
            if not _subscribed(obs):
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
    known = {each.object: each.detail for each in _there(obs).tablespace_names}
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
        _blocks_at_first(obs),
        f"tablespace {used.object}",
        f"{used.detail} use it, and {reason}",
        f"on the destination: {fix} {otherwise}",
    )


@check("destination", BLOCKS, DEGRADES)
def preload_libraries(obs: Observation) -> Iterator[Found]:
    """The destination has the libraries that settings of roles and databases load at each login."""
    for preload in _here(obs).preloads if not ended(obs) else ():
        if preload.role == destination_server(obs).user:
            continue  # ours is left as it is
        refusal = obs.logins.get(preload.login, obs.destination_error or "it was not tried yet")
        if refusal is not None:
            name = preload.setting.partition("=")[0]
            yield (
                _blocks_at_first(obs),
                f"{name} of {preload.object}",
                f"with it, the destination would refuse each login that it is for: {refusal}",
                "install the library on the destination's server; or, if nothing needs it, on the"
                f" source: ALTER {preload.object} RESET {name};",
            )


@check("destination", DEGRADES)
def unknown_settings(obs: Observation) -> Iterator[Found]:
    """The destination knows the settings that roles and databases of the source have."""
    known = {each.object for each in _there(obs).setting_names}
    own = {source_server(obs).user, destination_server(obs).user}
    accepted = {f"ROLE {name}" for name in _spelt(*_kept(obs, "merge", "skip"))}
    for stored in _here(obs).stored_settings if known and not ended(obs) else ():
        comes = stored.role not in own and stored.object not in accepted
        if comes and stored.name.lower() not in known:
            yield (
                DEGRADES,
                f"{stored.name} of {stored.object}",
                "the destination's version has no such setting, and refuses it",
                f"if nothing needs it any more, on the source: ALTER {stored.object} RESET"
                f" {stored.name};",
            )


@check("destination", NOTE)
def everywhere_settings(obs: Observation) -> Iterator[Found]:
    """No setting of the source is for all roles and databases: it becomes one of each database."""
    for setting in _here(obs).everywhere_settings if not ended(obs) else ():
        yield (
            NOTE,
            f"setting {setting.object}",
            "ALTER ROLE ALL sets it in every database of the source; on the destination each"
            " migrated database gets it, since for all it would reach those of others too",
            "nothing, unless databases that are made later need it too; then, after the switch, on"
            f" the destination: {first_load(setting.object)}ALTER ROLE ALL SET {setting.object} ="
            " (as on the source);",
        )


@check("destination", NOTE)
def time_zones(obs: Observation) -> Iterator[Found]:
    """The destination knows the time zones that settings of the source name."""
    known = {zone.object for zone in _there(obs).time_zone_names}
    for zone in _here(obs).time_zones if known and not ended(obs) else ():
        if not _is_offset(zone.object) and zone.object.lower() not in known:
            yield (
                NOTE,
                f"time zone {zone.object}",
                f"{zone.detail} names it, and the destination's time zone data does not have it:"
                " that setting will be refused there, and sessions fall back to the server's zone",
                "install the package tzdata-legacy (or a newer tzdata) on the destination",
            )


def _is_offset(zone: str) -> bool:
    """Tell whether a zone is written as an offset or a POSIX rule, which every server knows."""
    return any(character.isdigit() or character in "<+" for character in zone)


@check("source", NOTE, before=True)
def md5_passwords(obs: Observation) -> Iterator[Found]:
    """No password is kept as an MD5 hash, which 18 warns of and a later version will refuse."""
    if destination_server(obs).version_num < 180000:
        return
    for role in _here(obs).md5_passwords:
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
    methods = {method.object for method in _there(obs).compression_methods}
    for used in _here(obs).compressions if methods else ():
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
    for failure in _here(obs).archiving if not ended(obs) else ():
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
    for provider in () if restored else _here(obs).security_labels:
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
    arrived = _there(obs).shared_labels if restored else ()
    own = {f"ROLE {name}" for name in _spelt(source_server(obs).user, destination_server(obs).user)}
    skipped = {f"ROLE {name}" for name in _spelt(*_kept(obs, "skip"))}
    for label in _here(obs).shared_labels:
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


def _kept(obs: Observation, *policies: str) -> Iterator[str]:
    """Name the roles that the destination has otherwise and, by one of these policies, keeps so."""
    if obs.policy.role_conflicts in policies and obs.roles is not None:
        yield from (each.role for each in obs.roles.value if each.exists and not each.comment)


def _spelt(*names: str) -> Iterator[str]:
    """Write names as quote_ident() might: not knowing all of its keywords, both ways."""
    for name in names:
        yield quote_identifier(name)
        if PLAIN_NAME.fullmatch(name):
            yield name


_LOADED = (
    "on the destination, add the provider's module to session_preload_libraries, or to"
    " shared_preload_libraries and restart"
)


CHECKS: tuple[Check, ...] = (
    conditions_read,
    copy_timeouts,
    copy_settings,
    restore_timeout,
    apply_timeouts,
    apply_settings,
    sender_timeout,
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
    preload_libraries,
    unknown_settings,
    everywhere_settings,
    time_zones,
    md5_passwords,
    compression,
    archiving,
    security_labels,
)
