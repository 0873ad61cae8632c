"""Reading the settings: gather, validate, look across the parts, report all mistakes at once."""

from collections.abc import Iterator, Mapping

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource

from pgmigrator.errors import MigratorError
from pgmigrator.settings.model import DELIMITER, NAME_MAX_LENGTH, PREFIX, Settings
from pgmigrator.settings.sources import ANY_NAME, Mistakes, Variables, gather, is_known, path_of

#: In the contract but not built yet: a setting of a mapping, and which value (None: any).
#: Building one means deleting its line.
NOT_BUILT: tuple[tuple[str, str | None], ...] = (
    ("copy_method", "snapshot"),
    ("rate_limit", None),
)

#: `pgmigrator_<NAME>_insert_only` is the second publication of the mapping <NAME>
TAKEN_ENDING = "_insert_only"

# Our own words for pydantic's error types: its texts may quote what was given.
_NAME_RULE = f"names are a-z and 0-9 in words joined by _, at most {NAME_MAX_LENGTH} characters"
_TEXTS = {
    "missing": "required",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "path_not_directory": "must be an existing folder",
    "string_pattern_mismatch": _NAME_RULE,
    "string_too_long": _NAME_RULE,
    "string_too_short": "must not be empty",
    "string_unicode": "must be UTF-8 text",
    "too_short": "must not be empty",
    "value_error": "{error}",
}


class SettingsError(MigratorError, ValueError):
    """The settings are wrong; its text has one line per mistake and never a value."""


def load(environ: Mapping[str, str]) -> Settings:
    """Read and validate all settings from the environment and the files that it names.

    :raises SettingsError: naming every mistake at once.
    """
    mistakes: Mistakes = {}
    given = gather(environ, mistakes)
    settings = _validate(given, mistakes)
    for variable, reason in _across(given):
        mistakes.setdefault(variable, reason)
    # raised outside of any `except`: a chained error of pydantic's would carry the values along
    if settings is None or mistakes:
        raise SettingsError("\n".join(f"{name}: {text}" for name, text in sorted(mistakes.items())))
    return settings


def secrets(settings: Settings) -> tuple[str, ...]:
    """Return every secret value, for the redaction of logs and errors."""
    found = [
        *(instance.password for instance in settings.instances.values()),
        *(mapping.common_role_password for mapping in settings.mappings.values()),
        settings.http.control_token,
    ]
    return tuple(dict.fromkeys(s.get_secret_value() for s in found if isinstance(s, SecretStr)))


def _validate(given: Variables, mistakes: Mistakes) -> Settings | None:
    source = EnvSettingsSource(Settings)
    # an unknown key of an instance or mapping still shows that this one is meant to exist
    source.env_vars = {
        name.lower(): text
        for name, text in given.items()
        if is_known(name) or _is_named(path_of(name))
    }
    try:
        return Settings(**source())
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            mistakes.setdefault(_variable(found), _text(found))
    return None


def _variable(error: ErrorDetails) -> str:
    """Name the variable that an error is about; list positions and key markers are cut off."""
    return _name(*(str(key) for key in error["loc"] if isinstance(key, str) and key != "[key]"))


def _text(error: ErrorDetails) -> str:
    return _TEXTS.get(error["type"], "is not valid").format(**error.get("ctx", {}))


def _name(*path: str) -> str:
    return PREFIX + DELIMITER.join(path).upper()


# --- across the parts: on what was given, so that no other mistake hides these --------------------


def _across(given: Variables) -> Iterator[tuple[str, str]]:
    instances, mappings = (_names(given, section) for section in ("instances", "mappings"))
    if not instances:
        yield (
            _name("instances", ANY_NAME, "host"),
            "no instance is set: set a source's and a destination's",
        )
    if not mappings:
        yield (
            _name("mappings", ANY_NAME, "source"),
            "no mapping is set: set it, and __DESTINATION, to the names of two instances",
        )
    for mapping in mappings:
        if mapping.endswith(TAKEN_ENDING):
            yield (
                _name("mappings", mapping, "source"),
                f"a mapping's name must not end in {TAKEN_ENDING}: publications of ours do",
            )
        yield from _route(given, mapping, instances)
        yield from _not_built(given, mapping)


def _names(given: Variables, section: str) -> list[str]:
    paths = (path_of(name) for name in given)
    return sorted({path[1] for path in paths if _is_named(path) and path[0] == section})


def _is_named(path: tuple[str, ...]) -> bool:
    return len(path) == 3 and path[0] in ("instances", "mappings")


def _route(given: Variables, mapping: str, instances: list[str]) -> Iterator[tuple[str, str]]:
    """Check that a mapping leads from one server to another."""
    sides = [given.get(_name("mappings", mapping, side)) for side in ("source", "destination")]
    for side, instance in zip(("source", "destination"), sides, strict=True):
        if instance is not None and instance not in instances:
            known = ", ".join(instances) or "none"
            yield _name("mappings", mapping, side), f"names no instance (there are: {known})"
    source, destination = (_address(given, instance) for instance in sides)
    if source is not None and source == destination:
        yield (
            _name("mappings", mapping, "destination"),
            "is the same server as the source: name an instance of another host or port",
        )


def _address(given: Variables, instance: str | None) -> tuple[str, str] | None:
    host = given.get(_name("instances", instance or "", "host"))
    port = given.get(_name("instances", instance or "", "port"), "5432")
    return None if host is None else (host.lower(), port)


def _not_built(given: Variables, mapping: str) -> Iterator[tuple[str, str]]:
    for setting, value in NOT_BUILT:
        variable = _name("mappings", mapping, setting)
        if variable in given and value in (None, given[variable]):
            yield variable, f"{f'{value} is ' if value else ''}not built yet: remove it"
