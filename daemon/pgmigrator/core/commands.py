"""The operator's verbs: what can be asked of a mapping, and what the answer can be."""

from dataclasses import dataclass
from enum import StrEnum

from pgmigrator.core.report import DrainProof


class Verb(StrEnum):
    """What an operator can ask for."""

    DRAIN = "drain"
    SWITCH = "switch"
    UNSWITCH = "unswitch"
    COMPLETE = "complete"
    RESYNC = "resync"


class OutcomeStatus(StrEnum):
    """How a command ended."""

    #: it is done, for every database it covers
    DONE = "done"
    #: it goes on in the background; `/status` shows when it is done
    ACCEPTED = "accepted"
    #: the state does not allow it; `blocking` says why
    CONFLICT = "conflict"
    #: a server that is needed for it did not answer
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One request of an operator, already validated."""

    verb: Verb
    mapping: str
    #: None: every database of the mapping
    databases: tuple[str, ...] | None = None
    timeout_seconds: float = 30.0
    #: drain and switch: accept other sessions that are idle; the proof then holds up to L only
    allow_idle: bool = False
    #: complete: without a switch, or with late writes; needs a reason, which is kept in the marker
    force: bool = False
    reason: str = ""
    #: resync: the table to copy anew, as "schema"."name", schema.name, or a name in `public`; of a
    #: partitioned one, all partitions that it has itself
    table: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """One thing that stands against a command; `object` is a gate, a session, a table, ..."""

    database: str
    object: str
    status: str
    reason: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer to a command."""

    status: OutcomeStatus
    #: one sentence for people
    message: str
    blocking: tuple[Blocker, ...] = ()
    #: one per database, of drain and switch
    drains: tuple[DrainProof, ...] = ()
