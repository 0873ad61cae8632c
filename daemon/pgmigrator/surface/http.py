"""The HTTP application: every route of docs/http.md, over a `Control`.

Reading needs no token and touches no server; commanding is in verbs.py.
"""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client.aiohttp import make_aiohttp_handler

from pgmigrator.core.commands import Verb
from pgmigrator.core.report import MappingReport
from pgmigrator.surface import guide, status, status_text, verbs
from pgmigrator.surface.control import Check, Control, current
from pgmigrator.surface.instruments import Instruments
from pgmigrator.surface.lookup import known_database, known_mapping
from pgmigrator.surface.metrics import ReportCollector
from pgmigrator.surface.negotiation import wants_text
from pgmigrator.surface.problems import ProblemError, json_response, middleware

BODY_MAX_BYTES = 64 * 1024
_TEXT = "text/plain"


def create_application(
    control: Control, instruments: Instruments, token: str | None
) -> web.Application:
    """Build the application, and register the metrics of its reports with the instruments.

    :param token: what callers of the verbs must bear; None turns the verbs off.
    """
    instruments.registry.register(ReportCollector(lambda: current(control)))
    application = web.Application(
        middlewares=[middleware(instruments)], client_max_size=BODY_MAX_BYTES
    )
    routes = _Routes(control)
    reads: dict[str, Handler] = {
        "/metrics": make_aiohttp_handler(instruments.registry),
        "/status": routes.status,
        "/status/{mapping}": routes.mapping,
        "/status/{mapping}/{database}": routes.database,
        "/status/{mapping}/{database}/tables": routes.tables,
        "/cutover/{mapping}": routes.cutover,
        "/cutover/{mapping}/guide": routes.guide,
        "/livez": _probe(control.live),
        "/readyz": _probe(control.ready),
        "/startupz": _probe(control.started),
    }
    for path, handler in reads.items():
        application.router.add_get(path, handler)
    for verb in Verb:
        application.router.add_post(
            f"/cutover/{{mapping}}/{verb}", verbs.handler(verb, control, token)
        )
    return application


async def serve(application: web.Application, host: str, port: int) -> web.AppRunner:
    """Start to serve; `await runner.cleanup()` ends it.

    :raises OSError: the address cannot be used.
    """
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


class _Routes:
    """The routes that render the report."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def _mapping(self, request: web.Request) -> MappingReport:
        return known_mapping(current(self._control), request.match_info["mapping"])

    async def status(self, request: web.Request) -> web.Response:
        document = status.status(current(self._control))
        return _document(request, document, lambda: status_text.of_status(document))

    async def mapping(self, request: web.Request) -> web.Response:
        document = status.mapping_status(self._mapping(request))
        return _document(request, document, lambda: status_text.of_mapping(document))

    async def database(self, request: web.Request) -> web.Response:
        mapping = self._mapping(request)
        database = known_database(mapping, request.match_info["database"])
        document = status.database_status(database)
        return _document(request, document, lambda: status_text.of_database(mapping.name, document))

    async def tables(self, request: web.Request) -> web.Response:
        database = known_database(self._mapping(request), request.match_info["database"])
        query = request.query
        try:
            document = status.tables_page(
                database, query.get("state"), query.get("limit"), query.get("cursor")
            )
        except status.BadPage as error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, str(error)) from None
        return _document(request, document, lambda: status_text.of_tables(document))

    async def cutover(self, request: web.Request) -> web.Response:
        document = status.cutover(self._mapping(request))
        green = HTTPStatus.OK if document["ready"] else HTTPStatus.SERVICE_UNAVAILABLE
        return json_response(document, green)

    async def guide(self, request: web.Request) -> web.Response:
        mapping = self._mapping(request)
        wanted = request.query.getall("database", [])
        databases = tuple(known_database(mapping, name) for name in wanted) or mapping.databases
        context = self._control.guide(mapping.name)
        text = guide.render(mapping, databases, context, self._control.now())
        return web.Response(text=text, content_type="text/markdown")


def _document(
    request: web.Request,
    document: Mapping[str, Any],
    parts: Callable[[], Sequence[status_text.Part]],
) -> web.Response:
    if wants_text(request):
        return web.Response(text=status_text.aligned(parts()), content_type=_TEXT)
    return json_response(document)


def _probe(checks: Callable[[], Sequence[Check]]) -> Handler:
    """Answer 200 if every check is fine, else 503; `?verbose` lists them all."""

    async def probe(request: web.Request) -> web.Response:
        found = checks()
        ok = all(check.ok for check in found)
        shown = [check for check in found if "verbose" in request.query or not check.ok]
        lines = [*map(_line, shown), "ok" if ok else "not ok"]
        return web.Response(
            text="\n".join(lines) + "\n",
            status=HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE,
            content_type=_TEXT,
        )

    return probe


def _line(check: Check) -> str:
    detail = f": {check.detail}" if check.detail else ""
    return f"[{'+' if check.ok else '-'}]{check.name} {'ok' if check.ok else 'failed'}{detail}"
