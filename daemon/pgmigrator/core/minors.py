"""What PostgreSQL's minor releases mended that matters to a migration: one table.

Minor releases of one day are siblings: 15.20, 16.16 and 17.12 carry the same fixes as far as their
versions need them. A new release is one new line of `FIXES`, or none, if it mended nothing of ours.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

Part = Literal["source", "destination", "pg_dump"]
#: what is said of one release: the gravest
SAID_MAX = 3

_UNFINISHED = re.compile(r"devel|alpha|beta|rc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A fault of some minor releases; `part` is who must be without it."""

    part: Part
    #: what a release with the fault does, as in "it ..."
    fault: str
    #: major version -> the first minor release without the fault
    first: Mapping[int, int]
    #: major version -> the minor release that brought it; none: all before `first` have it
    since: Mapping[int, int] = field(default_factory=dict)
    #: rows may differ, without any error, in a migration like any other
    grave: bool = False
    #: which of the release notes say so, and the beginning of the entry there
    notes: str

    def concerns(self, version_num: int) -> bool:
        """Tell whether a version, as in server_version_num, has the fault."""
        major, minor = divmod(version_num, 10000)
        return self.since.get(major, 0) <= minor < self.first.get(major, 0)


# the releases of one day, as far as a source may be one of them (18.5 was never released)
_2024_02 = {15: 6, 16: 2}
_2024_08 = {15: 8, 16: 4}
_2024_11 = {15: 10, 16: 6, 17: 2}
_2025_05 = {15: 13, 16: 9, 17: 5}
_2025_08 = {15: 14, 16: 10, 17: 6}
_2026_02 = {15: 16, 16: 12, 17: 8, 18: 2}
_2026_05 = {15: 18, 16: 14, 17: 10, 18: 4}
_2026_08 = {15: 19, 16: 15, 17: 11, 18: 6}
_2026_11 = {15: 20, 16: 16, 17: 12}

#: the gravest of each part first
FIXES: tuple[Fix, ...] = (
    Fix(
        part="source",
        fault="can lose the changes of transactions that are open while a table is published",
        first=_2025_05,
        grave=True,
        notes="15.13, 17.5: Avoid data loss when DDL operations that don't take a strong lock",
    ),
    Fix(
        part="source",
        fault="sends NULL for columns that were added with a default",
        first=_2024_02,
        grave=True,
        notes="15.6: Ensure that column default values are correctly transmitted by the pgoutput",
    ),
    Fix(
        part="source",
        fault="can begin a slot amid a transaction, and then decode it wrongly",
        first=_2024_08,
        grave=True,
        notes="15.8: Prevent incorrect initialization of logical replication slots",
    ),
    Fix(
        part="source",
        fault="can rarely copy wrong rows, since a new slot's snapshot may be taken too early",
        first=_2026_11,
        notes="15.20, 17.12: Avoid race condition when building an initial decoding snapshot",
    ),
    Fix(
        part="source",
        fault="can decode rows wrongly after a savepoint with DDL was rolled back",
        first=_2026_11,
        notes="15.20, 17.12: In logical replication, handle subtransaction aborts better",
    ),
    Fix(
        part="source",
        fault="can stop decoding for good where there is much DDL: its messages outgrow 1 GB",
        since=_2025_05,
        first=_2025_08,
        notes="15.14, 17.6: Avoid re-distributing cache invalidation messages from other",
    ),
    Fix(
        part="source",
        fault="can lose rows in VACUUM FULL or CLUSTER",
        first=_2026_11,
        notes="15.20, 17.12: Fix possible loss of tuples updated by later-aborted subtransactions",
    ),
    Fix(
        part="source",
        fault="may not start again, or may commit what was rolled back, if it crashes with prepared"
        " transactions",
        first=_2026_11,
        notes="15.20, 17.12: Ensure that state files for pending prepared transactions; Do not"
        " start a checkpoint in the middle of aborting a prepared transaction",
    ),
    Fix(
        part="source",
        fault="can lose a slot that was just made, so that the copy begins again",
        first=_2026_02,
        notes="15.16, 17.8, 18.2: Prevent invalidation of newly created or newly synced",
    ),
    Fix(
        part="source",
        fault="can need WAL again that it removed already",
        first=_2024_11,
        notes="15.10, 17.2: Fix cases where a logical replication slot's restart_lsn could go",
    ),
    Fix(
        part="source",
        fault="can wait for ever when it decodes WAL after a crash",
        first=_2025_08,
        notes="15.14, 17.6: Avoid infinite wait in logical decoding when reading a partially-",
    ),
    Fix(
        part="source",
        fault="can wait for ever when it is shut down while it replicates",
        first=_2026_05,
        notes="15.18, 17.10, 18.4: Prevent indefinite wait in shutdown of a walsender process",
    ),
    Fix(
        part="source",
        fault="can note NaN or Infinity as the rows of a table when it builds a GIN index",
        first={18: 6},
        notes="18.6: Ensure that parallel GIN index builds update the table's reltuples",
    ),
    Fix(
        part="destination",
        fault="can lose transactions in parallel workers, and so none are used",
        first={18: 2},
        notes="18.2: Don't advance logical replication progress after a parallel worker apply",
    ),
    Fix(
        part="destination",
        fault="takes no settings along to the source's sessions",
        first={18: 2},
        notes="18.2: Pass connection options specified in CREATE SUBSCRIPTION ... CONNECTION",
    ),
    Fix(
        part="destination",
        fault="can be left in disorder by a copy that failed",
        first={18: 2},
        notes="18.2: During initial synchronization of a logical replication subscription, commit",
    ),
    Fix(
        part="destination",
        fault="refuses the partitions of an exclusion constraint on a partitioned table",
        first={18: 6},
        notes="18.6: Fix attaching partitions of indexes that are exclusion constraints",
    ),
    Fix(
        part="destination",
        fault="shows copies that are over as still running",
        first={18: 6},
        notes="18.6: Fix stale progress reports during logical replication table synchronization",
    ),
    Fix(
        part="destination",
        fault="can note NaN or Infinity as the rows of a table when it builds a GIN index",
        first={18: 6},
        notes="18.6: Ensure that parallel GIN index builds update the table's reltuples",
    ),
    Fix(
        part="pg_dump",
        fault="loses NOT NULL of a child table whose parent lets the column be NULL",
        first={18: 1},
        notes="18.1: Fix dumping of non-inherited not-null constraints on inherited table columns",
    ),
    Fix(
        part="pg_dump",
        fault="loses NO INHERIT of some NOT NULL constraints",
        first={18: 4},
        notes="18.4: In pg_dump, preserve NO INHERIT property of NOT NULL constraints",
    ),
    Fix(
        part="pg_dump",
        fault="fails if a sequence is dropped meanwhile",
        first={18: 2},
        notes="18.2: Fix pg_dump's logic for collecting sequence values",
    ),
    Fix(
        part="pg_dump",
        fault="can write beyond its memory when it reads functions of the source (CVE-2026-19385)",
        first={18: 6},
        notes="18.6: Remove pg_dump's assumption that pg_proc.protrftypes cannot have more than",
    ),
)


@dataclass(frozen=True, slots=True)
class Lack:
    """What a release lacks: some of it in words, and the first release of its major with it all."""

    said: str
    release: str
    grave: bool


def lack(part: Part, version_num: int) -> Lack | None:
    """Say what a version, as in server_version_num, has not mended; None: nothing we know of."""
    faults = [fix for fix in FIXES if fix.part == part and fix.concerns(version_num)]
    if not faults:
        return None
    major = version_num // 10000
    words = [fix.fault for fix in faults[:SAID_MAX]]
    if more := len(faults) - len(words):
        words.append(f"lacks {more} more fix{'es' if more > 1 else ''} of this kind")
    return Lack(
        said="; it ".join(words),
        release=f"{major}.{max(_firsts(part, major))}",
        grave=any(fix.grave for fix in faults),
    )


def is_unfinished(version: str) -> bool:
    """Tell whether a version is a beta, a release candidate or the like: "19rc1"."""
    return _UNFINISHED.search(version) is not None


def _firsts(part: Part, major: int) -> Iterator[int]:
    for fix in FIXES:
        if fix.part == part and major in fix.first:
            yield fix.first[major]
