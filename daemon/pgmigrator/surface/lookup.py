"""From the names in a request to elements of the report; unknown names are answered with 404."""

from collections.abc import Iterable
from http import HTTPStatus

from pgmigrator.core.report import DatabaseReport, MappingReport, Report
from pgmigrator.surface.problems import ProblemError


def known_mapping(report: Report, name: str) -> MappingReport:
    """Return a mapping.

    :raises ProblemError: 404 with the known names; 503 before the first report.
    """
    mapping = report.mapping(name)
    if mapping is not None:
        return mapping
    if report.generated_at is None:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the first report is not made yet: ask again in a few seconds",
            {"Retry-After": "5"},
        )
    raise _unknown("mapping", name, (each.name for each in report.mappings))


def known_database(mapping: MappingReport, name: str) -> DatabaseReport:
    """Return a database of a mapping.

    :raises ProblemError: 404 with the known names.
    """
    for database in mapping.databases:
        if database.name == name:
            return database
    raise _unknown("database", name, (each.name for each in mapping.databases))


def _unknown(kind: str, name: str, known: Iterable[str]) -> ProblemError:
    names = list(known)
    return ProblemError(
        HTTPStatus.NOT_FOUND,
        f"there is no {kind} {name!r}; known are: {', '.join(names) or 'none'}",
        known=names,
    )
