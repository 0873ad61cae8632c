"""The HTTP contract, over real sockets and a control of our own protocol."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from structlog.testing import capture_logs
from yarl import URL

from pgmigrator.core.commands import Blocker, Command, Outcome, OutcomeStatus, Verb
from pgmigrator.core.model import Phase
from pgmigrator.errors import InvariantBroken, Refused, Unreachable
from pgmigrator.surface.control import Check
from pgmigrator.surface.http import create_application, serve
from pgmigrator.surface.instruments import create_instruments
from tests.unit.surface_samples import NOW, PROOF, FakeControl, database, mapping, report

TOKEN = "right-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ODD = "a/tables é%2F?"

Http = TestClient[Request, Application]


@dataclass
class Served:
    client: Http
    control: FakeControl

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        async with self.client.get(path, **options) as response:
            return response.status, await response.json(content_type=None)

    async def post(
        self, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> tuple[int, Any]:
        chosen = BEARER if headers is None else headers
        async with self.client.post(path, headers=chosen, **options) as response:
            return response.status, await response.json(content_type=None)


@asynccontextmanager
async def served(control: FakeControl, token: str | None = TOKEN) -> AsyncIterator[Served]:
    application = create_application(control, create_instruments(), token)
    async with TestClient(TestServer(application)) as client:
        yield Served(client, control)


@pytest.fixture
async def green() -> AsyncIterator[Served]:
    current = report(mapping(database("shop"), database(ODD)), mapping(name="empty"))
    async with served(FakeControl(current)) as found:
        yield found


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


# --- reading -------------------------------------------------------------------------------------


async def test_status_is_indented_json_that_nobody_caches(green: Served) -> None:
    async with green.client.get("/status") as response:
        text = await response.text()
        assert response.status == 200
        assert response.content_type == "application/json"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Vary"] == "Accept"
    assert text.startswith('{\n  "api_version": "v1"')
    assert text.endswith("}\n")


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "*/*", "application/json"),
        ("", "text/plain", "text/plain"),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("", "application/json, text/plain;q=0.9", "application/json"),
        ("", "text/plain;q=x", "application/json"),
        ("?format=text", "application/json", "text/plain"),
        ("?format=json", "text/plain", "application/json"),
    ],
)
@pytest.mark.parametrize(
    "path", ["/status", "/status/orders", "/status/orders/shop", "/status/orders/shop/tables"]
)
async def test_text_for_those_who_ask(
    green: Served, path: str, query: str, accept: str, kind: str
) -> None:
    async with green.client.get(path + query, headers={"Accept": accept}) as response:
        assert (response.status, response.content_type) == (200, kind)


async def test_an_unknown_format_is_a_mistake(green: Served) -> None:
    assert (await green.get("/status?format=xml"))[0] == 400


async def test_elements(green: Served) -> None:
    assert (await green.get("/status/orders"))[1]["name"] == "orders"
    status, found = await green.get("/status/orders/shop/tables?state=copying&limit=1")
    assert (status, found["total"], found["next_cursor"]) == (200, 1, None)
    assert (await green.get("/status/orders/shop/tables?limit=0"))[0] == 400


async def test_names_are_percent_encoded(green: Served) -> None:
    encoded = "a%2Ftables%20%C3%A9%252F%3F"
    base = str(green.client.make_url("/status/orders/")) + encoded
    # encoded=True: exactly these bytes, as curl sends them
    async with (
        aiohttp.ClientSession() as session,
        session.get(URL(base, encoded=True)) as response,
    ):
        assert (await response.json())["name"] == ODD
    async with (
        aiohttp.ClientSession() as session,
        session.get(URL(base + "/tables", encoded=True)) as response,
    ):
        assert (await response.json())["total"] == 6


async def test_unknown_names_are_answered_with_the_known(green: Served) -> None:
    async with green.client.get("/status/ordres") as response:
        body = await response.json(content_type="application/problem+json")
    assert (response.status, body["known"]) == (404, ["orders", "empty"])
    assert body["title"] == "Not Found"
    status, body = await green.get("/status/orders/shoop")
    assert (status, body["known"]) == (404, ["shop", ODD])
    assert (await green.get("/nothing"))[0] == 404


async def test_before_the_first_report_a_mapping_is_not_unknown() -> None:
    async with served(FakeControl(replace(report(), generated_at=None))) as found:
        assert (await found.get("/status"))[0] == 200
        status, body = await found.get("/cutover/orders")
        assert (status, body["status"]) == (503, 503)


async def test_the_cutover_is_200_only_while_it_is_green(green: Served) -> None:
    status, body = await green.get("/cutover/orders")
    assert (status, body["ready"], body["blocking"]) == (200, True, [])
    assert (await green.get("/cutover/empty"))[0] == 503
    green.control.at = NOW + 60  # the daemon hangs, but still serves
    status, body = await green.get("/cutover/orders")
    assert (status, body["ready"]) == (503, False)
    assert {each["status"] for each in body["blocking"]} == {"unknown"}
    summary = (await green.get("/status"))[1]["summary"]
    assert summary["ready"] == 0
    async with green.client.get("/metrics") as response:
        text = await response.text()
    assert 'pgmigrator_cutover_ready{database="shop",mapping="orders"} 0.0' in text


async def test_head_works(green: Served) -> None:
    for path, expected in (("/cutover/orders", 200), ("/cutover/empty", 503), ("/livez", 200)):
        async with green.client.head(path) as response:
            assert response.status == expected
            assert await response.read() == b""


async def test_metrics(green: Served) -> None:
    await green.get("/status/orders")
    await green.get("/nothing/at/all")
    async with green.client.request("PROPFIND", "/status") as response:
        assert response.status == 405
    async with green.client.get("/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        text = await response.text()
    for labels in (
        'code="200",method="GET",route="/status/{mapping}"',
        'code="404",method="GET",route="unmatched"',
        'code="405",method="other",route="unmatched"',
    ):
        assert f"pgmigrator_http_requests_total{{{labels}}} 1.0" in text
    assert "_created" not in text


async def test_the_guide_is_markdown(green: Served) -> None:
    async with green.client.get("/cutover/orders/guide") as response:
        assert response.content_type == "text/markdown"
        assert "# Cutover of orders" in await response.text()
    async with green.client.get("/cutover/orders/guide?database=shop") as response:
        assert "--database shop" in await response.text()
    assert (await green.get("/cutover/orders/guide?database=x"))[0] == 404


# --- probes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz"])
async def test_probes(green: Served, path: str) -> None:
    async with green.client.get(path) as response:
        assert (response.status, await response.text()) == (200, "ok\n")
    async with green.client.get(path + "?verbose") as response:
        assert await response.text() == "[+]last_tick ok: 2 s ago\nok\n"
    green.control.checks = (Check("settings", True), Check("last_tick", False, "90 s ago"))
    async with green.client.get(path) as response:
        body = await response.text()
        assert (response.status, body) == (503, "[-]last_tick failed: 90 s ago\nnot ok\n")


# --- commanding ----------------------------------------------------------------------------------


async def test_a_drain_answers_with_its_proof(green: Served) -> None:
    status, body = await green.post("/cutover/orders/drain")
    assert (status, body["outcome"]) == (200, "done")
    assert body["drains"][0]["lsn"] == "0/16B3740"
    assert green.control.commands == [Command(verb=Verb.DRAIN, mapping="orders")]


async def test_every_parameter_arrives(green: Served) -> None:
    body = {"databases": [ODD, "shop", ODD], "timeout_seconds": 5, "allow_idle": True}
    assert (await green.post("/cutover/orders/switch", json=body))[0] == 200
    body = {"force": True, "reason": "the source burnt"}
    assert (await green.post("/cutover/orders/complete", json=body))[0] == 200
    assert green.control.commands == [
        Command(
            verb=Verb.SWITCH,
            mapping="orders",
            databases=(ODD, "shop"),
            timeout_seconds=5,
            allow_idle=True,
        ),
        Command(verb=Verb.COMPLETE, mapping="orders", force=True, reason="the source burnt"),
    ]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(status=OutcomeStatus.ACCEPTED, message="goes on"), 202),
        (Outcome(status=OutcomeStatus.UNREACHABLE, message="pg15 does not answer"), 503),
        (Unreachable("pg15 does not answer"), 503),
        (Refused("permission denied"), 409),
        (InvariantBroken("must never be"), 500),
    ],
)
async def test_outcomes_have_codes(
    green: Served, outcome: Outcome | Exception, expected: int
) -> None:
    green.control.outcome = outcome
    status, body = await green.post("/cutover/orders/drain")
    assert status == expected
    if status in (409, 503):
        assert body["detail"] == body["message"] == str(getattr(outcome, "message", outcome))
    if status == 500:
        assert "must never be" not in str(body)


async def test_a_conflict_says_what_blocks(green: Served) -> None:
    missing = replace(PROOF, proved=False, lsn=None, missing=("pid 7 can still write",))
    blocker = Blocker(database="shop", object="pid 7", status="fail", reason="idle", fix="end it")
    green.control.outcome = Outcome(
        status=OutcomeStatus.CONFLICT, message="not drained", blocking=(blocker,), drains=(missing,)
    )
    async with green.client.post("/cutover/orders/switch", headers=BEARER) as response:
        body = await response.json(content_type="application/problem+json")
    assert response.status == body["status"] == 409
    assert body["blocking"][0]["object"] == "pid 7"
    assert body["drains"][0]["missing"] == ["pid 7 can still write"]
    assert body["instance"] == "/cutover/orders/switch"


@pytest.mark.parametrize(
    ("verb", "body", "words"),
    [
        ("drain", b"[]", "object"),
        ("drain", b"{", "not JSON"),
        ("drain", b"\xff", "not JSON"),
        ("drain", b'{"timeout": 5}', "timeout: unknown parameter, known are databases"),
        ("drain", b'{"force": true}', "force: unknown parameter"),
        ("drain", b'{"timeout_seconds": "5"}', "timeout_seconds"),
        ("drain", b'{"timeout_seconds": 0}', "timeout_seconds"),
        ("drain", b'{"timeout_seconds": 1e9}', "timeout_seconds"),
        ("drain", b'{"databases": []}', "databases"),
        ("drain", b'{"databases": "shop"}', "databases"),
        ("switch", b'{"allow_idle": 1}', "allow_idle"),
        ("unswitch", b'{"allow_idle": true}', "allow_idle"),
        ("complete", b'{"force": true}', "force needs a reason"),
        ("complete", b'{"force": true, "reason": " "}', "force needs a reason"),
        ("complete", b'{"reason": "x"}', "reason is for force only"),
        ("resync", b'{"database": "shop"}', "table: Field required"),
        ("resync", b'{"databases": ["shop"], "table": "t"}', "databases: unknown parameter"),
    ],
)
async def test_bad_bodies_are_named(green: Served, verb: str, body: bytes, words: str) -> None:
    status, found = await green.post(f"/cutover/orders/{verb}", data=body)
    assert status == 400
    assert words in found["detail"]
    assert not green.control.commands


async def test_large_bodies_are_refused(green: Served) -> None:
    assert (await green.post("/cutover/orders/drain", data=b" " * 70_000))[0] == 413


async def test_unknown_databases_and_mappings_are_404(green: Served) -> None:
    status, body = await green.post("/cutover/orders/drain", json={"databases": ["shoop"]})
    assert (status, body["known"]) == (404, ["shop", ODD])
    assert (await green.post("/cutover/ordres/drain"))[0] == 404
    assert (await green.post("/cutover/orders/guide"))[0] == 405
    assert (await green.post("/cutover/orders/finish"))[0] == 404


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, "no token was given"),
        ("", "no token was given"),
        (TOKEN, "no token was given"),
        (f"Basic {TOKEN}", "no token was given"),
        ("Bearer", "no token was given"),
        ("Bearer  ", "no token was given"),
        ("Bearer wrong", "a token was given, but it is not the daemon's"),
        ("Bearer schl\u00fcssel", "a token was given, but it is not the daemon's"),
    ],
)
async def test_without_the_token_nothing_is_commanded(
    green: Served, header: str | None, said: str
) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with green.client.post("/cutover/orders/drain", headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        text = await response.text()
    assert said in text
    assert "PGMIGRATOR_HTTP__CONTROL_TOKEN" in text
    assert not any(token in text for token in (TOKEN, "wrong", "schl"))
    assert not green.control.commands


async def test_without_a_configured_token_the_verbs_are_off() -> None:
    async with served(FakeControl(report(mapping(database()))), token=None) as found:
        status, body = await found.post("/cutover/orders/drain", {"Authorization": "Bearer "})
        assert status == 403
        assert "no token is configured" in body["detail"]
        assert "PGMIGRATOR_HTTP__CONTROL_TOKEN" in body["detail"]
        assert not found.control.commands


async def test_the_wrong_method_names_the_right_one(green: Served) -> None:
    async with green.client.get("/cutover/orders/drain") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
    async with green.client.post("/status") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")
        assert response.content_type == "application/problem+json"


async def test_every_post_leaves_one_audit_line(green: Served) -> None:
    with capture_logs() as lines:
        await green.post("/cutover/orders/drain")
        await green.post("/cutover/orders/drain", headers={"Authorization": "Bearer guess"})
        await green.post("/cutover/orders/complete", json={"nonsense": 1})
        green.control.outcome = RuntimeError("a bug")
        await green.post("/cutover/orders/switch")
    audit = [line for line in lines if line["event"] == "control request"]
    assert [(line["verb"], line["status"], line["outcome"]) for line in audit] == [
        ("drain", 200, "done"),
        ("drain", 401, "unauthorized"),
        ("complete", 400, "bad request"),
        ("switch", 500, "failed"),
    ]
    assert {line["mapping"] for line in audit} == {"orders"}
    assert {line["remote"] for line in audit} == {"127.0.0.1"}
    assert TOKEN not in str(lines)
    assert "guess" not in str(lines)


async def test_the_audit_keeps_why_a_complete_was_forced(green: Served) -> None:
    green.control.outcome = Outcome(status=OutcomeStatus.CONFLICT, message="late writes")
    body = {"force": True, "reason": "the source burnt", "databases": ["shop"]}
    with capture_logs() as lines:
        await green.post("/cutover/orders/complete", json=body)
    assert dict(lines[0]) | {"remote": ""} == {
        "event": "control request",
        "log_level": "info",
        "remote": "",
        "verb": "complete",
        "mapping": "orders",
        "databases": ["shop"],
        "force": True,
        "reason": "the source burnt",
        "outcome": "conflict",
        "status": 409,
    }


async def test_it_serves_on_an_address(unused_tcp_port: int) -> None:
    control = FakeControl(report(mapping(database())))
    application = create_application(control, create_instruments(), None)
    runner = await serve(application, "127.0.0.1", unused_tcp_port)
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{unused_tcp_port}/livez") as response,
        ):
            assert response.status == 200
    finally:
        await runner.cleanup()


async def test_a_switched_mapping_is_not_green() -> None:
    done = replace(database(), phase=Phase.SWITCHED, ready=False, ready_since=None)
    async with served(FakeControl(report(mapping(done)))) as found:
        assert (await found.get("/cutover/orders"))[0] == 503
