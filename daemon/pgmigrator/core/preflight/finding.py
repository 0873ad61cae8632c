"""What every check is made of: its findings, the moment from which it is silent, wordings."""

from collections.abc import Callable, Iterable

from pgmigrator.core.marker import Step
from pgmigrator.core.model import Observation, Server, Severity

BLOCKS, DEGRADES, NOTE = Severity.BLOCKS, Severity.DEGRADES, Severity.NOTE

#: severity, object, reason, fix
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


def ended(obs: Observation) -> bool:
    """From the switch on, the source's tables are no longer followed."""
    return obs.marker is not None and obs.marker.ended


def source_server(obs: Observation) -> Server:
    """Return the source; checks run only once it is known."""
    assert obs.source is not None
    return obs.source.server


def destination_server(obs: Observation) -> Server:
    """Return the destination; checks run only once it is known."""
    assert obs.destination is not None
    return obs.destination.server


def set_to(name: str, value: int | str, *, restart: bool) -> str:
    """Write the SQL that changes a setting of a server."""
    then = "restart the server" if restart else "SELECT pg_reload_conf();"
    return f"ALTER SYSTEM SET {name} = '{value}'; then {then}"
