"""What servers, databases and roles set: for replication, and for what comes along."""

import re
from collections.abc import Iterator

from pgmigrator.core.conditions import Setting
from pgmigrator.core.left_out import STANDARD_STRINGS, is_left_out, pattern
from pgmigrator.core.model import Observation
from pgmigrator.core.names import quote_identifier, quote_literal
from pgmigrator.core.preflight.finding import (
    BLOCKS,
    DEGRADES,
    NOTE,
    SERVICES,
    Check,
    Found,
    blocks_at_first,
    check,
    conditions_here,
    conditions_there,
    destination_server,
    ended,
    kept_roles,
    set_to,
    source_server,
    spelt,
    subscribed,
)
from pgmigrator.core.preloads import first_load
from pgmigrator.core.text import CARRIED_TEXT, OWN_ROLE
from pgmigrator.core.ties import concerns

#: a destination of this version hands the options of a subscription's conninfo to the source
OPTIONS_HONOURED_VERSION_NUM = 180002
#: a stream that is cut more often than this hardly gets anywhere
SENDER_TIMEOUT_MIN_MS = 5000

#: the library that decodes for subscriptions
OUTPUT_PLUGIN = "pgoutput"
#: one of a list of libraries: quoted, or anything up to white space or a comma
LIBRARY = re.compile(r'"(?:[^"]|"")*"|[^\s",][^\s,]*')
LIBRARY_LIST = re.compile(rf"\s*(?:(?:{LIBRARY.pattern})\s*(?:,\s*(?:{LIBRARY.pattern})\s*)*)?")

COPY_TIMEOUTS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
COPY_SETTINGS = ("lc_monetary", "role")
#: what the workers of replication have, as far as it is in our hands
UNMISLED = CARRIED_TEXT | OWN_ROLE
#: locales that write money as C does
LIKE_C = re.compile(r"(C|POSIX|en_US)([.@].*)?$")
APPLY_TIMEOUTS = ("lock_timeout", "transaction_timeout", "idle_in_transaction_session_timeout")


@check("source", BLOCKS, DEGRADES)
def copy_timeouts(obs: Observation) -> Iterator[Found]:
    """No time-out of the source ends the sessions that copy its tables."""
    if ended(obs):
        return
    overridden = destination_server(obs).version_num >= OPTIONS_HONOURED_VERSION_NUM
    names = ("transaction_timeout", *(() if overridden else COPY_TIMEOUTS))
    for setting in conditions_here(obs).settings:
        if setting.name in names and setting.setting != "0":
            yield (
                blocks_at_first(obs),
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
    for setting in conditions_here(obs).settings:
        # the others say how text is read, which the destination does
        if setting.name in COPY_SETTINGS and (consequence := _misleads(obs, setting)):
            yield (
                blocks_at_first(obs),
                setting.name,
                f"it is {_shown(setting)} for our role, and a destination before 18.2 cannot"
                f" override it: {consequence}",
                "on the source: " + _set_back(source_server(obs).user, obs, setting.name),
            )


@check("destination", DEGRADES)
def apply_settings(obs: Observation) -> Iterator[Found]:
    """The workers that apply changes take the text that they get for what it was."""
    if ended(obs) or not subscribed(obs):
        return  # the subscription brings its own settings along
    for setting in conditions_there(obs).settings:
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
    money = conditions_here(obs).money
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
    for setting in conditions_there(obs).settings:
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
    if ended(obs) or not subscribed(obs):
        return  # the subscription brings its own settings along
    for setting in conditions_there(obs).settings:
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
    for setting in conditions_here(obs).settings if not ended(obs) else ():
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


@check("source", BLOCKS, DEGRADES)
def output_plugins(obs: Observation) -> Iterator[Found]:
    """The source lets the library pgoutput decode its WAL."""
    for setting in conditions_here(obs).settings if not ended(obs) else ():
        if setting.name != "output_plugin_libraries":
            continue
        libraries = _libraries(setting.setting)
        if libraries is not None and OUTPUT_PLUGIN in libraries:
            continue
        wrong = "is no list of libraries" if libraries is None else f"lacks {OUTPUT_PLUGIN}"
        yield (
            blocks_at_first(obs),
            setting.name,
            f"it is '{setting.setting}' ({setting.source}) for our role, which {wrong}: the source"
            " refuses each new slot, and each stream once it connects again",
            "on the source: " + _with_our_plugin(obs, setting, libraries or ()),
        )


def _libraries(value: str) -> tuple[str, ...] | None:
    """Split a list of libraries as the server does; None: its syntax is wrong."""
    if not LIBRARY_LIST.fullmatch(value):
        return None
    return tuple(
        each[1:-1].replace('""', '"') if each.startswith('"') else each
        for each in LIBRARY.findall(value)
    )


def _with_our_plugin(obs: Observation, setting: Setting, present: tuple[str, ...]) -> str:
    """Say how to add our plugin to a list: where its value comes from, each library by itself."""
    server = source_server(obs)
    libraries = dict.fromkeys((OUTPUT_PLUGIN, *(each for each in present if each)))
    if server.service in SERVICES:
        return set_to(server, setting.name, ", ".join(libraries), restart=False)
    value = ", ".join(quote_literal(library) for library in libraries)
    if setting.source == "configuration file":
        # in one pair of quotes it would be one library with a comma in its name
        return f"ALTER SYSTEM SET {setting.name} = {value}; then SELECT pg_reload_conf();"
    return _for_our_role(server.user, obs.database, setting.name, value)


def _shown(setting: Setting) -> str:
    return f"{setting.setting} {setting.unit} ({setting.source})".replace("  ", " ")


def _for_our_role(user: str, database: str, name: str, value: str) -> str:
    role, where = quote_identifier(user), quote_identifier(database)
    return f"ALTER ROLE {role} IN DATABASE {where} SET {name} = {value};"


@check("destination", BLOCKS, DEGRADES, NOTE)
def preload_libraries(obs: Observation) -> Iterator[Found]:
    """The destination has the libraries that settings of roles and databases load at each login."""
    for preload in conditions_here(obs).preloads if not ended(obs) else ():
        if preload.role == destination_server(obs).user:
            continue  # ours is left as it is
        refusal = obs.logins.get(preload.login, obs.destination_error or "it was not tried yet")
        if refusal is not None:
            name = preload.setting.partition("=")[0]
            needed = not preload.role or concerns(preload.role, obs)
            yield (
                blocks_at_first(obs) if needed else NOTE,
                f"{name} of {preload.object}",
                f"with it, the destination would refuse each login that it is for: {refusal}",
                "install the library on the destination's server; or, if nothing needs it, on the"
                f" source: ALTER {preload.object} RESET {name};",
            )


@check("destination", NOTE)
def unknown_settings(obs: Observation) -> Iterator[Found]:
    """The destination takes what roles, databases and functions set; else it is left out."""
    known = {each.object for each in conditions_there(obs).setting_names}
    if not known or ended(obs):
        return
    own = {source_server(obs).user, destination_server(obs).user}
    accepted = {f"ROLE {name}" for name in spelt(*kept_roles(obs, "merge", "skip"))}
    stored = conditions_here(obs).stored_settings
    unknown = {each.name.lower() for each in stored} - known
    refused = pattern(unknown, destination_server(obs).version_num)
    for each in stored:
        comes = each.role not in own and each.object not in accepted
        if not comes or not is_left_out(f"{each.name}={each.value}", refused):
            continue
        reason, fix = (
            (_STANDARD_STRINGS, _ESCAPES + "; then")
            if each.name.lower() == STANDARD_STRINGS
            else (
                "the destination's version has no such setting: it is left out there, and no"
                " difference",
                "nothing, unless something needs it; to be rid of this note",
            )
        )
        fix += f", on the source: ALTER {each.object} RESET {each.name};"
        yield NOTE, f"{each.name} of {each.object}", reason, fix
    for setting in conditions_here(obs).settings:
        everywhere = setting.name == STANDARD_STRINGS and setting.source not in _OF_A_SESSION
        if everywhere and is_left_out(f"{setting.name}={setting.setting}", refused):
            yield NOTE, f"{setting.name} of the source", _STANDARD_STRINGS, _ESCAPES


#: where pg_settings has it from, if a role or a database has it
_OF_A_SESSION = ("user", "database", "database user", "global", "client", "session")
_STANDARD_STRINGS = (
    "from 19 on it is always on: off is left out there, and no difference. A backslash in '...' is"
    " then an ordinary character: bodies of functions, and what applications send, may mean"
    " something else or fail. Defaults, CHECKs, indexes and views keep their meaning"
)
_ESCAPES = (
    "before the switch, write E'...' in function bodies and applications wherever a backslash"
    " begins an escape"
)


@check("destination", NOTE)
def everywhere_settings(obs: Observation) -> Iterator[Found]:
    """No setting of the source is for all roles and databases: it becomes one of each database."""
    for setting in conditions_here(obs).everywhere_settings if not ended(obs) else ():
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
    known = {zone.object for zone in conditions_there(obs).time_zone_names}
    for zone in conditions_here(obs).time_zones if known and not ended(obs) else ():
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


CHECKS: tuple[Check, ...] = (
    copy_timeouts,
    copy_settings,
    restore_timeout,
    apply_timeouts,
    apply_settings,
    sender_timeout,
    output_plugins,
    preload_libraries,
    unknown_settings,
    everywhere_settings,
    time_zones,
)
