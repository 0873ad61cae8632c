"""Logs: one structured line per event from every logger, and no secret in any of them."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import quote

import pytest
import structlog

from pgmigrator.settings import Log
from pgmigrator.surface.logs import REDACTED, configure, redactor

SECRET = "pa'ss \\ wörd\"1"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("aiohttp.access", "apscheduler"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def start(
    secrets: tuple[str, ...] = (SECRET,),
    log: Log | None = None,
    stream: io.StringIO | None = None,
) -> io.StringIO:
    stream = stream or io.StringIO()
    configure(log or Log(), secrets, stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_keys_and_their_order() -> None:
    stream = start()
    with structlog.contextvars.bound_contextvars(database="shop", mapping="orders"):
        structlog.get_logger().info("copied", rows=3, action="copy")
    (line,) = lines(stream)
    assert list(line) == ["time", "level", "event", "mapping", "database", "action", "rows"]
    assert line["time"].endswith("Z")
    assert (line["level"], line["event"], line["rows"]) == ("info", "copied", 3)


def test_library_loggers_write_the_same_lines() -> None:
    stream = start()
    structlog.contextvars.bind_contextvars(mapping="orders")
    logging.getLogger("aiohttp.server").error("broken %s", SECRET)
    (line,) = lines(stream)
    assert list(line) == ["time", "level", "event", "mapping", "logger"]
    assert line["event"] == f"broken {REDACTED}"


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("error", ["error"]),
    ],
)
@pytest.mark.parametrize("library", [True, False])
def test_levels(
    level: Literal["debug", "info", "error"], expected: list[str], library: bool
) -> None:
    stream = start(log=Log(level=level))
    logger = logging.getLogger("x") if library else structlog.get_logger()
    for name in ("debug", "info", "warning", "error"):
        getattr(logger, name)("hello")
    assert [line["level"] for line in lines(stream)] == expected


def test_each_scrape_and_tick_is_no_line_of_its_own() -> None:
    stream = start()
    logging.getLogger("aiohttp.access").info("GET /metrics")
    logging.getLogger("apscheduler.executors.default").info("Running job")
    logging.getLogger("apscheduler.executors.default").error("job raised")
    assert [line["event"] for line in lines(stream)] == ["job raised"]


@pytest.mark.parametrize(
    ("form", "stream", "console"),
    [
        (None, io.StringIO(), False),
        (None, Terminal(), True),
        ("json", Terminal(), False),
        ("console", io.StringIO(), True),
    ],
)
def test_console_on_a_terminal_else_json(
    form: Literal["json", "console"] | None, stream: io.StringIO, console: bool
) -> None:
    start(log=Log(format=form), stream=stream)
    structlog.get_logger().info("hello", secret=SECRET)
    assert stream.getvalue().startswith("{") is not console
    assert "hello" in stream.getvalue()
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("library", [True, False])
def test_secrets_in_tracebacks(form: Literal["json", "console"], library: bool) -> None:
    stream = start(log=Log(format=form), secrets=("hunter2",))
    logger = logging.getLogger("x") if library else structlog.get_logger()
    try:
        try:
            raise ConnectionError("password=hunter2")
        except ConnectionError as error:
            raise RuntimeError("with hunter2") from error
    except RuntimeError:
        logger.exception("failed with hunter2")
    text = stream.getvalue()
    assert "hunter2" not in text
    assert "RuntimeError" in text
    assert "ConnectionError" in text
    assert text.count(REDACTED) >= 3


def test_secrets_in_values_of_any_kind() -> None:
    stream = start()
    structlog.get_logger().info(
        SECRET,
        text=f"a {SECRET} b",
        error=ValueError(SECRET),
        many=[SECRET, (SECRET,), {SECRET}],
        nested={"dsn": {SECRET: SECRET}},
        raw={"repr": repr([SECRET])},
        count=1,
        none=None,
    )
    (line,) = lines(stream)
    assert line["event"] == REDACTED
    assert line["text"] == f"a {REDACTED} b"
    assert line["many"] == [REDACTED, [REDACTED], [REDACTED]]
    assert line["nested"] == {"dsn": {REDACTED: REDACTED}}
    assert line["raw"] == {"repr": f"['{REDACTED}']"}
    assert (line["count"], line["none"]) == (1, None)
    assert SECRET not in json.dumps(line, ensure_ascii=False)


def test_warnings_are_lines_too() -> None:
    stream = start()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(f"careful {SECRET}", UserWarning, stacklevel=1)
    (line,) = lines(stream)
    assert f"careful {REDACTED}" in line["event"]
    assert line["level"] == "warning"


def test_a_line_that_cannot_be_written_leaks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    stream = start()
    wrong_template = "%s and %s"
    logging.getLogger("x").error(wrong_template, SECRET)
    (line,) = lines(stream)
    assert line["event"] == "a log line could not be written"
    stream.close()
    logging.getLogger("x").error(SECRET)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET),
        f"postgresql://u:{quote(SECRET, safe='')}@h/d",
        "ALTER ROLE r PASSWORD '" + SECRET.replace("'", "''") + "'",
        "password='" + SECRET.replace("\\", "\\\\").replace("'", "\\'") + "'",
        json.dumps({"a": SECRET}),
        json.dumps({"a": SECRET}, ensure_ascii=False),
        repr({"a": SECRET}),
    ],
)
def test_secrets_are_found_however_they_are_quoted(text: str) -> None:
    clean = redactor((SECRET,))(text)
    assert REDACTED in clean
    assert "ss " not in clean
    assert "rd" not in clean.replace(REDACTED, "").replace("password", "").replace("PASSWORD", "")


def test_the_longest_secret_wins() -> None:
    assert redactor(("abc", "abcdef", ""))("x abcdef abc") == f"x {REDACTED} {REDACTED}"
    assert redactor(())("as it is") == "as it is"
