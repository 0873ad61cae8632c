"""The client of a running daemon, for our own command line; it needs no valid mappings.

It talks to the daemon directly, past any proxy, since it may carry the control token.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from pydantic import ValidationError

from pgmigrator.errors import MigratorError
from pgmigrator.settings import Http, SettingsError
from pgmigrator.settings.model import PREFIX
from pgmigrator.settings.sources import CONFIG_FILE, SECRETS_DIR, gather, path_of

READ_TIMEOUT_SECONDS = 10.0
#: beyond the time-out of a command itself, for the daemon to answer
COMMAND_GRACE_SECONDS = 30.0

_HTTP = f"{PREFIX}HTTP__"
#: the addresses that mean every interface, and how to reach this host then
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (not bound to here)


class NoAnswer(MigratorError, ConnectionError):
    """The daemon did not answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the daemon answered."""

    status: int
    text: str

    def document(self) -> Any:
        """Read the JSON of the answer.

        :raises NoAnswer: it is none, so that it was no daemon of ours that answered.
        """
        try:
            return json.loads(self.text)
        except ValueError:
            raise NoAnswer(
                f"status {self.status} without JSON: is --url the address of the daemon?"
            ) from None


@dataclass(frozen=True, slots=True)
class Client:
    """Requests to one daemon."""

    base_url: str
    token: str | None = None

    def get(self, path: str) -> Answer:
        """Read.

        :raises NoAnswer: there was none in time.
        """
        return self._open(Request(self.base_url + path), READ_TIMEOUT_SECONDS)  # noqa: S310

    def post(self, path: str, body: Mapping[str, object], timeout_seconds: float) -> Answer:
        """Command, with a time-out for the command itself.

        :raises NoAnswer: there was none in time; the command may still go on.
        """
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        request = Request(  # noqa: S310  (the scheme was checked by the command line)
            self.base_url + path, json.dumps(body).encode(), headers, method="POST"
        )
        return self._open(request, timeout_seconds + COMMAND_GRACE_SECONDS)

    def _open(self, request: Request, timeout_seconds: float) -> Answer:
        opener: OpenerDirector = build_opener(ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout_seconds) as response:
                return Answer(response.status, response.read().decode())
        except HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode("utf-8", "replace"))
        except (URLError, OSError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            raise NoAnswer(f"no answer from {self.base_url}: {reason}; is it running?") from None


def exit_status(answer: Answer) -> int:
    """Translate an answer: 0 done, 1 refused, 2 no (useful) answer, 64 wrong arguments."""
    if answer.status < HTTPStatus.BAD_REQUEST:
        return 0
    if answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
        return 64
    return 2 if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR else 1


def base_url(http: Http) -> str:
    """Return the address at which this host reaches the daemon with these settings."""
    host = _ANY_ADDRESS.get(http.host, http.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{http.port}"


def http_settings(environ: Mapping[str, str]) -> Http:
    """Read only the HTTP settings; mistakes elsewhere do not matter to a client.

    :raises SettingsError: naming the variables that are wrong.
    """
    mistakes: dict[str, str] = {}
    given = gather(environ, mistakes)
    ours = {path_of(name)[-1]: text for name, text in given.items() if name.startswith(_HTTP)}
    wrong = {
        name: text
        for name, text in mistakes.items()
        if name.startswith(_HTTP) or name in (CONFIG_FILE, SECRETS_DIR)
    }
    http = None
    try:
        http = Http.model_validate(ours)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            wrong.setdefault(_HTTP + str(found["loc"][0]).upper(), "is not valid")
    # raised outside of `except`: a chained error of pydantic's would carry the values along
    if wrong or http is None:
        raise SettingsError("\n".join(f"{name}: {text}" for name, text in sorted(wrong.items())))
    return http
