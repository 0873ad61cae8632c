"""What a drain must find for a proof, and what a proof does not cover.

Everything is read again after the LSN is confirmed; each fact that does not hold is a sentence that
ends with its fix. No sentence means proved.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pgmigrator.core.drift import drifts
from pgmigrator.core.facts import Sequence
from pgmigrator.core.known import Known
from pgmigrator.core.marker import Marker, ServerIdentity
from pgmigrator.core.model import SchemaItem
from pgmigrator.core.names import TableName

#: sessions, tables or differences that one sentence names
NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSession:
    """Somebody else who is connected to the database."""

    pid: int
    role: str
    application: str
    address: str
    #: backend_type and state of pg_stat_activity
    kind: str
    state: str

    @property
    def idle(self) -> bool:
        """It is a client that has no transaction open."""
        return self.kind == "client backend" and self.state == "idle"

    def __str__(self) -> str:
        """Say who it is."""
        who = f"pid {self.pid}, role {self.role or '?'}, application {self.application or '?'}"
        return f"{self.kind} ({who}, from {self.address}, {self.state})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Writers:
    """Who could still write to a database."""

    sessions: tuple[OtherSession, ...] = ()
    #: identifiers of prepared transactions
    prepared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Both sides, read after the LSN was confirmed."""

    source: ServerIdentity
    destination: ServerIdentity
    #: name -> oid, of every plain table and leaf of the source
    source_tables: Mapping[TableName, int]
    #: those without usable identity -> why
    unidentified: Mapping[TableName, str]
    #: by both publications; None: there is none of ours
    published: Mapping[TableName, int] | None
    #: those that are published by their inserts alone -> why rows may differ; "": they do not
    by_inserts: Mapping[TableName, str] = field(default_factory=dict)
    #: name -> srsubstate
    subscribed: Mapping[TableName, str]
    #: name -> oid of the source's table that was copied into it
    copied_from: Mapping[TableName, int]
    #: those that were rewritten since they were copied, or last compared
    rewritten: frozenset[TableName] = frozenset()
    enabled: bool
    worker_running: bool
    #: our publication publishes every change of its tables
    whole: bool = True
    #: sides of which the last start is not known to have lost nothing
    unknown_starts: tuple[str, ...] = ()
    differences: tuple[SchemaItem, ...]
    unlogged_tables: tuple[str, ...] = ()
    materialized_views: tuple[str, ...] = ()
    large_objects: int = 0
    #: error and conflict counters of the subscription before the LSN, and now
    counters_before: Mapping[str, object] = field(default_factory=dict)
    counters: Mapping[str, object] = field(default_factory=dict)
    #: what was known to differ before
    known: Known = field(default_factory=Known)


def who_can_write(writers: Writers, *, allow_idle: bool) -> Iterator[str]:
    """Name each session and prepared transaction, with the SQL that ends it."""
    for session in writers.sessions:
        if not (allow_idle and session.idle):
            yield (
                f"can still write: {session};"
                f" end it on the source: SELECT pg_terminate_backend({session.pid});"
            )
    for gid in writers.prepared:
        literal = "'" + gid.replace("'", "''") + "'"
        yield (
            f"prepared transaction {literal} can still commit;"
            f" end it on the source: ROLLBACK PREPARED {literal}; or COMMIT PREPARED {literal};"
        )


def what_is_missing(
    evidence: Evidence, marker: Marker, excluded: frozenset[TableName]
) -> Iterator[str]:
    """Say what keeps the evidence from being a proof."""
    yield from _servers(evidence, marker)
    yield from _stream(evidence)
    yield from _tables(evidence, excluded)
    if evidence.known.rows:
        yield from evidence.known.rows[:NAMED]
        if (more := len(evidence.known.rows) - NAMED) > 0:
            yield f"{more} more tables differ"
    if evidence.differences:
        found = [f"{drift.object}: {drift.reason}" for drift in drifts(evidence.differences)]
        yield f"the schema differs: {_some(found)}; make both sides equal"


def sequences_behind(source: Iterable[Sequence], destination: Iterable[Sequence]) -> Iterator[str]:
    """Say which sequences are missing on the destination or not at the source's position."""
    there = {sequence.name: sequence for sequence in destination}
    for sequence in source:
        counterpart = there.get(sequence.name)
        if counterpart is None:
            yield f"sequence {sequence.name} is missing on the destination; create it there"
        elif _behind(sequence, counterpart):
            yield (
                f"sequence {sequence.name} could not be set to {sequence.last_value};"
                " give it the source's bounds on the destination"
            )


def what_is_not_covered(
    evidence: Evidence, writers: Writers, excluded: frozenset[TableName], *, allow_idle: bool
) -> Iterator[str]:
    """Say what a proof is silent about."""
    # those that are not accepted are missing for a proof, and named there
    idle = [session for session in writers.sessions if session.idle] if allow_idle else []
    if idle:
        yield f"idle sessions stay connected, so it holds up to its LSN only: {_some(idle)}"
    if left := sorted(excluded & evidence.source_tables.keys()):
        yield f"tables that are excluded: {_some(left)}"
    if evidence.by_inserts and idle:
        yield (
            "updates and deletes of idle sessions that PostgreSQL has not counted yet (up to a"
            f" minute), in tables replicated by their inserts alone: {_some(evidence.by_inserts)}"
        )
    if evidence.unlogged_tables:
        yield f"rows of unlogged tables: {_some(evidence.unlogged_tables)}"
    if tables := evidence.known.extension_tables:
        yield (
            "rows of yours in tables of extensions, if they changed since they were compared (see"
            f" the check extension_rows): {_some(tables)}"
        )
    if evidence.large_objects:
        yield f"{evidence.large_objects} large objects (pg_largeobject): copy them by hand"
    if evidence.materialized_views:
        yield (
            "what materialized views hold, until they are refreshed:"
            f" {_some(evidence.materialized_views)}"
        )


def _servers(evidence: Evidence, marker: Marker) -> Iterator[str]:
    for side, then, now in (
        ("source", marker.source, evidence.source),
        ("destination", marker.destination, evidence.destination),
    ):
        if then != now:
            yield (
                f"the {side} is not the server (or not on the timeline) that was subscribed;"
                " migrate this database anew"
            )

    for side in evidence.unknown_starts:
        yield (
            f"the {side} was restarted, and it is not known yet that it is no older copy;"
            " `pgmigrator status` says what to do"
        )


def _stream(evidence: Evidence) -> Iterator[str]:
    if not evidence.enabled:
        yield "the subscription is disabled or gone; look why, then enable it"
    elif not evidence.worker_running:
        yield "the apply worker does not run; the destination's log says why"
    before, now = evidence.counters_before, evidence.counters
    if risen := [name for name in now if now[name] != before.get(name)]:
        yield f"changed during the drain: {_some(risen)}; the destination's log says why"
    conflicts = dict(evidence.known.conflicts)
    for name, count in now.items():
        if name.startswith("confl_") and isinstance(count, int) and count:
            conflicts[name] = max(count, conflicts.get(name, 0))
    if counted := [f"{name} {count}" for name, count in sorted(conflicts.items())]:
        yield f"conflicts were counted: {_some(counted)}; see the gate no_conflicts"


def _tables(evidence: Evidence, excluded: frozenset[TableName]) -> Iterator[str]:
    if evidence.published is None:
        yield "there is no publication of ours"
        return
    if not evidence.whole:
        yield "our publication was altered and does not publish every change; copy anew"
    published, subscribed = evidence.published.keys(), evidence.subscribed.keys()
    moved = [
        name for name, oid in evidence.published.items() if evidence.copied_from.get(name) != oid
    ]
    lists: tuple[tuple[str, Iterable[TableName]], ...] = (
        ("not published; publish or exclude", evidence.source_tables.keys() - published - excluded),
        ("published but not subscribed; refresh the subscription", published - subscribed),
        ("subscribed but no longer published; copy anew", subscribed - published),
        (
            "not streaming yet; wait",
            (name for name, state in evidence.subscribed.items() if state != "r"),
        ),
        ("another table than the one that was copied; copy anew", set(moved) & subscribed),
        (
            "rewritten, and not compared since (see the gate row_counts_match); wait for that",
            evidence.rewritten & subscribed,
        ),
        (
            "published without a usable identity; give it one",
            published & evidence.unidentified.keys() - evidence.by_inserts.keys(),
        ),
    )
    for what, names in lists:
        if named := sorted(names):
            yield f"tables {what}: {_some(named)}"
    for name, why in sorted(evidence.by_inserts.items()):
        if why:
            yield f"table {name} is replicated by its inserts alone, and {why}; see the status"


def _behind(source: Sequence, destination: Sequence) -> bool:
    if source.cycle:
        return source.position() != destination.position()
    return source.position() > destination.position()


def _some(items: Iterable[object]) -> str:
    texts = [str(item) for item in items]
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return ", ".join(texts[:NAMED]) + more
