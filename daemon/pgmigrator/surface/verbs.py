"""`POST /cutover/{mapping}/<verb>`: who may command, what is asked, and one audit line for each."""

import hmac
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from pgmigrator.core.commands import Command, Outcome, OutcomeStatus, Verb
from pgmigrator.core.report import MappingReport
from pgmigrator.errors import Refused, Unreachable
from pgmigrator.surface.control import Control, current
from pgmigrator.surface.lookup import known_database, known_mapping
from pgmigrator.surface.parameters import BadParameters, parse
from pgmigrator.surface.problems import ProblemError, json_response, problem_response
from pgmigrator.surface.status import outcome as outcome_document

TOKEN_VARIABLE = "PGMIGRATOR_HTTP__CONTROL_TOKEN"  # noqa: S105  (its name, not its value)

_STATUSES = {
    OutcomeStatus.DONE: HTTPStatus.OK,
    OutcomeStatus.ACCEPTED: HTTPStatus.ACCEPTED,
    OutcomeStatus.CONFLICT: HTTPStatus.CONFLICT,
    OutcomeStatus.UNREACHABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
_audit = structlog.get_logger("pgmigrator.audit")


def handler(verb: Verb, control: Control, token: str | None) -> Handler:
    """Make the handler of one verb.

    :param token: what callers must bear; None turns every verb off.
    """

    async def post(request: web.Request) -> web.Response:
        audit: dict[str, Any] = {"outcome": "failed", "status": 500}
        try:
            _authorize(request, token)
            command = await _command(request, verb, control)
            audit |= _asked(command)
            result = await _carry_out(control, command)
            audit |= {"outcome": result.status.value, "status": int(_STATUSES[result.status])}
            return _response(request, command, result)
        except ProblemError as problem:
            audit |= {"outcome": problem.status.phrase.lower(), "status": int(problem.status)}
            raise
        finally:
            _audit.info(
                "control request",
                remote=request.remote,
                verb=verb.value,
                mapping=request.match_info["mapping"],
                **audit,
            )

    return post


def _asked(command: Command) -> dict[str, Any]:
    """Return what else an auditor must see of a command."""
    asked: dict[str, Any] = {}
    if command.databases is not None:
        asked["databases"] = list(command.databases)
    if command.table:
        asked["table"] = command.table
    if command.force:
        asked |= {"force": True, "reason": command.reason}
    return asked


def _authorize(request: web.Request, token: str | None) -> None:
    if token is None:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "no token is configured: this daemon was started without one, so that nobody may"
            f" command it. Set {TOKEN_VARIABLE} (or a secret file of that name) and restart it",
        )
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    given = given.strip()
    # compared as bytes: compare_digest takes no other text than ASCII
    right = hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())
    if scheme.lower() == "bearer" and right:
        return
    if scheme.lower() == "bearer" and given:
        said = (
            "a token was given, but it is not the daemon's: it differs from the"
            f" {TOKEN_VARIABLE} that the daemon was started with. Use that one (one that is made"
            " anew in each terminal is another one each time), or restart the daemon with yours"
        )
    else:
        said = (
            "no token was given: send the header `Authorization: Bearer ...` with the"
            f" {TOKEN_VARIABLE} that the daemon was started with"
        )
    raise ProblemError(
        HTTPStatus.UNAUTHORIZED, said, {"WWW-Authenticate": 'Bearer realm="pgmigrator"'}
    )


async def _command(request: web.Request, verb: Verb, control: Control) -> Command:
    mapping = known_mapping(current(control), request.match_info["mapping"])
    try:
        command = parse(verb, mapping.name, await request.read())
    except BadParameters as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, str(error)) from None
    _check_databases(mapping, command)
    return command


def _check_databases(mapping: MappingReport, command: Command) -> None:
    for name in command.databases or ():
        known_database(mapping, name)


async def _carry_out(control: Control, command: Command) -> Outcome:
    try:
        return await control.command(command)
    except Unreachable as error:
        return Outcome(status=OutcomeStatus.UNREACHABLE, message=str(error))
    except Refused as error:
        return Outcome(status=OutcomeStatus.CONFLICT, message=str(error))


def _response(request: web.Request, command: Command, result: Outcome) -> web.Response:
    status = _STATUSES[result.status]
    document = outcome_document(command, result)
    if status < HTTPStatus.BAD_REQUEST:
        return json_response(document, status)
    return problem_response(
        ProblemError(status, result.message, **document), request.rel_url.raw_path
    )
