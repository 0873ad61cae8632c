"""The JSON bodies of the verbs: strict, so that a misspelt parameter is named and never ignored."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from pgmigrator.core.commands import Command, Verb
from pgmigrator.errors import MigratorError

TIMEOUT_DEFAULT_SECONDS = 30.0
TIMEOUT_MAX_SECONDS = 3600.0

_Name = Annotated[str, Field(min_length=1)]
_Timeout = Annotated[float, Field(gt=0, le=TIMEOUT_MAX_SECONDS, allow_inf_nan=False)]


class BadParameters(MigratorError, ValueError):
    """A body is not what its verb takes; its text names every mistake."""


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    databases: Annotated[list[_Name], Field(min_length=1)] | None = None
    timeout_seconds: _Timeout = TIMEOUT_DEFAULT_SECONDS


class _Drain(_Parameters):
    allow_idle: bool = False


class _Complete(_Parameters):
    force: bool = False
    reason: str = ""

    @model_validator(mode="after")
    def _has_reason(self) -> "_Complete":
        if self.force and not self.reason.strip():
            raise ValueError("force needs a reason: it is kept in the marker of each database")
        if self.reason and not self.force:
            raise ValueError("reason is for force only: remove it, or add force: true")
        return self


class _Resync(BaseModel):
    model_config = _Parameters.model_config

    database: _Name
    table: _Name


_KINDS: dict[Verb, type[_Parameters | _Resync]] = {
    Verb.DRAIN: _Drain,
    Verb.SWITCH: _Drain,
    Verb.UNSWITCH: _Parameters,
    Verb.COMPLETE: _Complete,
    Verb.RESYNC: _Resync,
}


def parse(verb: Verb, mapping: str, body: bytes) -> Command:
    """Read the body of a request; an empty one means all defaults.

    :raises BadParameters: naming every unknown key and wrong value.
    """
    kind = _KINDS[verb]
    try:
        found = kind.model_validate_json(body.strip() or b"{}")
    except ValidationError as error:
        mistakes = [_mistake(each, kind) for each in error.errors(include_input=False)]
        raise BadParameters("; ".join(mistakes)) from None
    values: dict[str, Any] = found.model_dump()
    if isinstance(found, _Resync):
        return Command(verb=verb, mapping=mapping, databases=(found.database,), table=found.table)
    if found.databases is not None:
        values["databases"] = tuple(dict.fromkeys(found.databases))
    return Command(verb=verb, mapping=mapping, **values)


def _mistake(error: ErrorDetails, kind: type[BaseModel]) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown parameter, known are {', '.join(kind.model_fields)}"
    if error["type"] == "json_invalid":
        return "the body is not JSON"
    if error["type"] == "model_type":
        return "the body must be a JSON object"
    text = error["msg"].removeprefix("Value error, ")
    return f"{place}: {text}" if place else text
