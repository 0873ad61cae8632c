"""Logs: structured, to one stream, and free of secrets.

Our own events (structlog) and those of libraries (stdlib logging) pass the same processors, the
last of which before rendering replaces every known secret, in tracebacks too. Bind `mapping`,
`database` and `action` with `structlog.contextvars`, and every line of that task carries them.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, TextIO
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from pgmigrator.settings import Log

REDACTED = "[redacted]"

_FIRST_KEYS = ("time", "level", "event", "mapping", "database", "action")
#: our own; nothing of a secret can get into them, and a secret may well be the word "info"
_SAFE_KEYS = ("time", "level")
#: libraries that report each scrape and each tick at level info
_CHATTY = ("aiohttp.access", "apscheduler")


def configure(log: Log, secrets: tuple[str, ...], stream: TextIO) -> None:
    """Send all logs to `stream`, as console lines on a terminal, else as JSON lines.

    :param secrets: every secret value; none of them reaches the stream.
    """
    level = logging.getLevelNamesMapping()[log.level.upper()]
    handler = _Handler(stream)
    handler.setFormatter(_formatter(log, secrets, stream))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(level if level != logging.INFO else logging.WARNING)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def redactor(secrets: tuple[str, ...]) -> Callable[[str], str]:
    """Return a function that replaces every secret in a text, however it was quoted there."""
    forms = {form for secret in secrets if secret for form in _forms(secret)}
    if not forms:
        return lambda text: text
    # the longest first: a secret may be part of another
    pattern = re.compile("|".join(re.escape(f) for f in sorted(forms, key=len, reverse=True)))
    return lambda text: pattern.sub(REDACTED, text)


def _forms(secret: str) -> tuple[str, ...]:
    """List how a secret looks in a text, a URL, SQL, a connection string, JSON and a repr."""
    backslashed = secret.replace("\\", "\\\\")
    return (
        secret,
        quote(secret),
        quote(secret, safe=""),
        secret.replace("'", "''"),
        backslashed.replace("'", "\\'"),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
    )


class _Handler(logging.StreamHandler[TextIO]):
    """Says that a line was lost, where logging's own way is to print its arguments unredacted."""

    def handleError(self, record: logging.LogRecord) -> None:
        lost = logging.LogRecord(
            record.name, logging.ERROR, "", 0, "a log line could not be written", None, None
        )
        try:
            self.stream.write(self.format(lost) + self.terminator)
        except (OSError, ValueError):
            return


def _formatter(log: Log, secrets: tuple[str, ...], stream: TextIO) -> logging.Formatter:
    console = log.format == "console" or (log.format is None and stream.isatty())
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            timestamp_key="time",
            sort_keys=False,
            exception_formatter=structlog.dev.plain_traceback,
        )
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _redact_with(redactor(secrets)),
            _in_order,
            renderer,
        ],
    )


def _redact_with(redact: Callable[[str], str]) -> Processor:
    def clean(value: object) -> object:
        match value:
            case None | bool() | int() | float():
                return value
            case Mapping():
                return {redact(str(key)): clean(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [clean(item) for item in value]
            case _:
                return redact(str(value))

    def processor(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: v if key in _SAFE_KEYS else clean(v) for key, v in event.items()}

    return processor


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> dict[str, Any]:
    """Put what people look for first."""
    first = {key: event[key] for key in _FIRST_KEYS if key in event}
    return first | dict(event)
