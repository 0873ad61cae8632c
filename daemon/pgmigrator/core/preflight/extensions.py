"""What people keep in the tables of extensions."""

import shlex
from collections.abc import Iterator

from pgmigrator.core.conditions import ExtensionRows
from pgmigrator.core.extension_rows import differing, to_copy
from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation
from pgmigrator.core.preflight.finding import DEGRADES, NOTE, Check, Found, check, ended


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


CHECKS: tuple[Check, ...] = (extension_rows,)
