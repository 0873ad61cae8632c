"""What people keep in the tables of extensions, and what they made a part of one."""

import shlex
from collections.abc import Iterator

from pgmigrator.core.conditions import ExtensionMember, ExtensionRows
from pgmigrator.core.extension_rows import differing, to_copy
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation
from pgmigrator.core.preflight.finding import (
    DEGRADES,
    NOTE,
    Check,
    Found,
    check,
    conditions_here,
    conditions_there,
    ended,
)

#: members that a note names
SHOWN = 3


@check("destination", DEGRADES, NOTE)
def extension_rows(obs: Observation) -> Iterator[Found]:
    """Rows that people put into the tables of an extension are on the destination too."""
    if ended(obs):
        return
    copied = obs.marker is not None and Step.INDEXED in obs.marker.steps
    copyable = to_copy(obs)
    for here, there in differing(obs):
        what = f"table {here.object}"
        if error := here.error or (there.error if there else ""):
            reason = f"rows of yours in this table of an extension could not be compared: {error}"
            yield DEGRADES, what, reason, "mend what it says; they are compared again by themselves"
        elif copied:
            by_itself = "they are copied by themselves, which is tried again; or by hand, "
            yield (
                DEGRADES,
                what,
                f"it belongs to an extension and holds {here.rows} rows of yours, which replication"
                f" does not carry; the destination's holds {_held(here, there)}",
                (by_itself if here.object in copyable else "") + _copied_by_hand(here),
            )
        elif here.rows:
            yield (
                NOTE,
                what,
                f"it belongs to an extension and holds {here.rows} rows of yours, which replication"
                " does not carry",
                "nothing: they are copied once, after the tables, if the destination's holds none;"
                " what differs from then on is named here",
            )


def _held(here: ExtensionRows, there: ExtensionRows | None) -> str:
    if there is None:
        return "nothing: its version of the extension keeps no such rows"
    return "others" if there.rows == here.rows else f"{there.rows}"


def _copied_by_hand(table: ExtensionRows) -> str:
    delete = f"DELETE FROM {table.object} {table.condition}".strip() + ";"  # noqa: S608
    return (
        "as often as they change, with the connection strings of both databases:"
        f" (echo {shlex.quote(delete)}; pg_dump --data-only --table={shlex.quote(table.object)}"
        " SOURCE) | psql --single-transaction --set=ON_ERROR_STOP=1 DESTINATION"
    )


@check("source", DEGRADES, NOTE)
def extension_members(obs: Observation) -> Iterator[Found]:
    """What a person made a member of an extension is on the destination too: no dump has it."""
    there = obs.destination.conditions if obs.destination else None
    restored = obs.marker is not None and Step.SCHEMA_DONE in obs.marker.steps
    if ended(obs) or not restored or there is None:
        return
    if there.unread.keys() & {"everything", "extension_members"}:
        return  # `conditions_read` says so
    versions = {member.extension: member.version for member in there.extension_members}
    # another version may be without them
    given_up: dict[str, list[ExtensionMember]] = {}
    for member in _lacking(obs):
        if member.data or member.version == versions.get(member.extension):
            yield DEGRADES, member.object, _lost(member), _made_independent(member)
        else:
            given_up.setdefault(member.extension, []).append(member)
    for extension, members in given_up.items():
        names = ", ".join(member.object for member in members[:SHOWN])
        more = f" and {len(members) - SHOWN} more" if len(members) > SHOWN else ""
        yield (
            NOTE,
            f"extension {extension}",
            f"the destination's has version {versions.get(extension, 'unknown')} instead of"
            f" {members[0].version}, and not {names}{more}",
            "nothing, if that version is without them; one that a person added to the extension: "
            + _made_independent(members[0]),
        )


def _lacking(obs: Observation) -> Iterator[ExtensionMember]:
    there = conditions_there(obs).extension_members
    present = {(member.extension, member.object) for member in there}
    for member in conditions_here(obs).extension_members:
        if (member.extension, member.object) not in present:
            yield member


def _lost(member: ExtensionMember) -> str:
    what = ", rows and all" if member.data else ""
    return (
        f"it belongs to extension {member.extension}, and the destination's does not have it: as no"
        f" dump has members of an extension, it would be lost{what}"
    )


def _made_independent(member: ExtensionMember) -> str:
    return (
        f"on the source: ALTER EXTENSION {member.extension} DROP {member.object}; which leaves it"
        " as it is, and has it migrated: a table by itself, else by the SQL that is named then"
    )


CHECKS: tuple[Check, ...] = (extension_rows, extension_members)
