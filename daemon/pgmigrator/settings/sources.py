"""Where settings come from: the environment, secret files and a TOML file.

Each source is reduced to variables, a name and a text, so that precedence is a union of
dictionaries and a mistake has the same name wherever it was made. pydantic-settings ignores what it
does not know; here every name is looked at, and an unknown one is a mistake.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from pgmigrator.settings.model import DELIMITER, PREFIX, Settings

CONFIG_FILE = f"{PREFIX}CONFIG_FILE"
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
#: stands for the name of an instance or a mapping
ANY_NAME = "<NAME>"

#: variable -> text
Variables = dict[str, str]
#: variable -> what is wrong with it; the first finding stands
Mistakes = dict[str, str]

# Kubernetes describes every Service of the namespace to every pod, as Docker links once did.
_SERVICE_LINK = re.compile(
    rf"{PREFIX}([A-Z0-9]+_)*"
    r"(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9]+)*|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_PORT = re.compile(rf"{PREFIX}([A-Z0-9]+_)*PORT")
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://")

_LIKENESS_TO_SUGGEST = 0.6


def gather(environ: Mapping[str, str], mistakes: Mistakes) -> Variables:
    """Bring all sources together, the environment first, then secret files, then TOML.

    Unknown names and unreadable sources are added to `mistakes`.
    """
    environment = _environment(environ, mistakes)
    secret_files = _secret_files(environ, mistakes)
    toml = _toml(environ, mistakes)
    given = toml | secret_files | environment
    for names, where in (
        (environment, "in the environment"),
        (secret_files, "as a secret file"),
        (toml, "in the TOML file"),
    ):
        for name in names:
            if not is_known(name):
                mistakes.setdefault(name, f"unknown setting {where}{_suggestion(name, given)}")
    return given


@cache
def known_variables() -> tuple[str, ...]:
    """Name every setting, with `<NAME>` for the name of an instance or mapping."""
    return tuple(PREFIX + DELIMITER.join(path).upper() for path in _known_paths())


def is_known(name: str) -> bool:
    """Tell whether a variable is a setting."""
    path = path_of(name)
    return name.startswith(PREFIX) and any(
        _matches(path, path_of(known)) for known in known_variables()
    )


def path_of(name: str) -> tuple[str, ...]:
    """Split a variable into the keys that lead to its setting.

    >>> path_of("PGMIGRATOR_HTTP__PORT")
    ('http', 'port')
    """
    return tuple(name.removeprefix(PREFIX).lower().split(DELIMITER))


def _known_paths() -> Iterator[tuple[str, ...]]:
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if get_origin(kind) is dict:
            yield from ((name, ANY_NAME, key) for key in get_args(kind)[1].model_fields)
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from ((name, key) for key in kind.model_fields)
        else:
            yield (name,)


def _matches(path: tuple[str, ...], known: tuple[str, ...]) -> bool:
    return len(path) == len(known) and all(
        want in (ANY_NAME.lower(), part) for part, want in zip(path, known, strict=True)
    )


# --- the sources ---------------------------------------------------------------------------------


def _environment(environ: Mapping[str, str], mistakes: Mistakes) -> Variables:
    found: Variables = {}
    for name, value in environ.items():
        variable = name.upper()
        if not variable.startswith(PREFIX) or variable in (CONFIG_FILE, SECRETS_DIR):
            continue
        if is_known(variable) or not _is_service_link(variable, value):
            _add(found, variable, value, mistakes)
    return found


def _is_service_link(variable: str, value: str) -> bool:
    return bool(
        _SERVICE_LINK.fullmatch(variable)
        or (_SERVICE_PORT.fullmatch(variable) and _SERVICE_URL.match(value))
    )


def _secret_files(environ: Mapping[str, str], mistakes: Mistakes) -> Variables:
    found: Variables = {}
    if SECRETS_DIR not in environ:
        return found
    try:
        # dot entries: the kubelet's `..data` and the folder that it links to
        files = sorted(f for f in Path(environ[SECRETS_DIR]).iterdir() if f.name[0] != ".")
    except OSError as error:
        mistakes[SECRETS_DIR] = f"the folder cannot be read: {error.strerror}"
        return found
    for file in files:
        variable = file.name.upper()
        try:
            _add(found, variable, file.read_text("utf-8").rstrip("\r\n"), mistakes)
        except OSError as error:
            mistakes[variable] = f"the secret file cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            mistakes[variable] = "the secret file is not UTF-8 text"
    return found


def _toml(environ: Mapping[str, str], mistakes: Mistakes) -> Variables:
    found: Variables = {}
    if CONFIG_FILE not in environ:
        return found
    try:
        content = tomllib.loads(Path(environ[CONFIG_FILE]).read_text("utf-8"))
    except OSError as error:
        mistakes[CONFIG_FILE] = f"the file cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        mistakes[CONFIG_FILE] = "the file is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        # only the place: the rest of the message may quote the file
        place = re.search(r"\((at [a-z0-9 ,]+)\)$", str(error))
        mistakes[CONFIG_FILE] = f"the file is not valid TOML{f', {place[1]}' if place else ''}"
    else:
        for path, value in _leaves(content):
            _add_toml(found, path, value, mistakes)
    return found


def _leaves(
    table: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _add_toml(found: Variables, path: tuple[str, ...], value: object, mistakes: Mistakes) -> None:
    variable = PREFIX + DELIMITER.join(path).upper()
    if any(key != key.lower() or DELIMITER in key for key in path):
        mistakes[variable] = "in TOML, write keys in lower case and in tables: [instances.pg15]"
        return
    try:
        text = value if isinstance(value, str) else json.dumps(value)
    except TypeError:
        mistakes[variable] = "in TOML, give a text, a number, a boolean or a list of texts"
        return
    _add(found, variable, text, mistakes)


def _add(found: Variables, variable: str, value: str, mistakes: Mistakes) -> None:
    if variable in found:
        mistakes[variable] = "given twice, in upper and in lower case: remove one"
    elif not value:
        mistakes[variable] = "must not be empty: give a value or remove it"
    found[variable] = value


# --- suggestions ---------------------------------------------------------------------------------


def _suggestion(name: str, given: Variables) -> str:
    """Name the setting that was probably meant, if one is near enough."""
    nearest = max((_nearness(name, candidate), candidate) for candidate in _candidates(name, given))
    (_, likeness), candidate = nearest
    return f": did you mean {candidate}?" if likeness >= _LIKENESS_TO_SUGGEST else ""


def _candidates(name: str, given: Variables) -> Iterator[str]:
    """Yield every setting, with the names of instances and mappings that are in use."""
    yield from (CONFIG_FILE, SECRETS_DIR)
    named = [path for path in map(path_of, (name, *given)) if len(path) == 3]
    for known in known_variables():
        section = path_of(known)[0]
        if ANY_NAME not in known:
            yield known
        for path in named if ANY_NAME in known else ():
            if path[0] == section or path == path_of(name):
                yield known.replace(ANY_NAME, path[1].upper())


def _nearness(name: str, candidate: str) -> tuple[int, float]:
    """Count the leading keys that both share, and compare what is left of both."""
    left, right = (text.removeprefix(PREFIX).split(DELIMITER) for text in (name, candidate))
    keys = zip(left[:-1], right[:-1], strict=False)
    shared = len(list(takewhile(lambda pair: pair[0] == pair[1], keys)))
    rest = SequenceMatcher(a=DELIMITER.join(left[shared:]), b=DELIMITER.join(right[shared:]))
    likeness = rest.ratio()
    return (shared, likeness) if likeness >= _LIKENESS_TO_SUGGEST else (-1, likeness)
