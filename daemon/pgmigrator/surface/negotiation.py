"""JSON or text: by `?format=`, else by the Accept header, JSON when in doubt."""

from http import HTTPStatus

from aiohttp import web

from pgmigrator.surface.problems import ProblemError

_JSON, _TEXT = "application/json", "text/plain"


def wants_text(request: web.Request) -> bool:
    """Tell whether a request asks for the aligned text.

    :raises ProblemError: 400 for a format that we do not have.
    """
    wanted = request.query.get("format")
    if wanted is None:
        return prefers_text(",".join(request.headers.getall("Accept", [])))
    if wanted not in ("json", "text"):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "format must be json or text")
    return wanted == "text"


def prefers_text(accept: str) -> bool:
    """Tell whether text is named, and JSON is not named with a weight as high.

    >>> prefers_text("*/*"), prefers_text("text/plain"), prefers_text("text/plain;q=0.5, */*")
    (False, True, True)
    >>> prefers_text("text/plain, application/json")
    False
    """
    weights = dict(_weight(part) for part in accept.split(","))
    return weights.get(_TEXT, 0.0) > weights.get(_JSON, 0.0)


def _weight(part: str) -> tuple[str, float]:
    kind, *parameters = (text.strip().lower() for text in part.split(";"))
    quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
    try:
        return kind, float(quality)
    except ValueError:
        return kind, 0.0
