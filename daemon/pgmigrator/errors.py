"""The exceptions of the daemon.

Expected situations are data (findings, problems, gates). An exception means that the work at hand
cannot go on: the server does not answer, it refuses, or an invariant does not hold.
"""


class MigratorError(Exception):
    """Base of everything the daemon raises on purpose; its text is fit for operators."""


class Unreachable(MigratorError, ConnectionError):
    """A server did not answer in time; retried with exponential back-off."""


class Refused(MigratorError, PermissionError):
    """A server understood and said no: a privilege, a missing feature, a conflict."""


class InvariantBroken(MigratorError, AssertionError):
    """Something that must never happen was about to; the daemon stops acting there."""
