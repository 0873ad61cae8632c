"""Errors as problem documents (RFC 9457), and the headers that every response carries."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from pgmigrator.surface.instruments import Instruments

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_log = structlog.get_logger("pgmigrator.http")


class ProblemError(Exception):
    """Ends a request with a problem document."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        """Say what happened and what to do; `members` are added to the document."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def json_response(body: Mapping[str, Any], status: int = HTTPStatus.OK) -> web.Response:
    """Answer with indented JSON and a newline at its end."""
    return web.Response(text=_text(body), status=status, content_type="application/json")


def problem_response(problem: ProblemError, instance: str) -> web.Response:
    """Answer with a problem document about the request to `instance`."""
    body = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
        "instance": instance,
    }
    return web.Response(
        text=_text(body | problem.members),
        status=problem.status,
        headers=problem.headers,
        content_type="application/problem+json",
    )


def middleware(instruments: Instruments) -> Middleware:
    """Turn every error into a problem document, set common headers, count the request."""

    @web.middleware
    async def run(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await _answer(request, handler)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Vary"] = "Accept"
        resource = request.match_info.route.resource
        instruments.http_requests.labels(
            route=resource.canonical if resource else "unmatched",
            method=request.method if request.method in _METHODS else "other",
            code=str(response.status),
        ).inc()
        return response

    return run


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ProblemError as problem:
        return problem_response(problem, request.rel_url.raw_path)
    except web.HTTPException as error:
        return problem_response(_from_aiohttp(error), request.rel_url.raw_path)
    except Exception:  # noqa: BLE001  (the outermost place: logged, and the daemon goes on serving)
        _log.exception("request failed", path=request.rel_url.raw_path)
        detail = "the daemon failed to answer this request: its log says why"
        failure = ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
        return problem_response(failure, request.rel_url.raw_path)


def _from_aiohttp(error: web.HTTPException) -> ProblemError:
    status = HTTPStatus(error.status)
    kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    details = {
        HTTPStatus.NOT_FOUND: "there is nothing here: see docs/http.md for the paths",
        HTTPStatus.METHOD_NOT_ALLOWED: f"use {kept.get('Allow', 'another method')}",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body is too large",
    }
    return ProblemError(status, details.get(status, status.phrase), kept)


def _text(body: Mapping[str, Any]) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
