"""What can be set: every setting with its type, its default and what makes it valid.

A new setting is one field here and one heading in docs/settings.md; its variable follows from its
place. Messages of validators say what to give and never repeat what was given.
"""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    DirectoryPath,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "PGMIGRATOR_"
DELIMITER = "__"

NAME_PATTERN = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
NAME_MAX_LENGTH = 30

_UNITS = {"": 1, "B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_SIZE = re.compile(r"([0-9]+)\s*(|B|kB|MB|GB|TB)")


def parse_size(value: object) -> int:
    """Read a size in PostgreSQL's units, as bytes.

    >>> parse_size("50GB") == 50 * 1024**3
    True

    :raises ValueError: it is no size.
    """
    match = _SIZE.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("must be a size such as 512kB, 100MB or 50GB (units: B kB MB GB TB)")
    return int(match[1]) * _UNITS[match[2]]


def _parse_names(value: object) -> object:
    """Read a list of database names; a text is JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) and v for v in value):
        raise ValueError('must be a JSON list of names, such as ["shop", "billing"]')
    return tuple(value)


Text = Annotated[str, StringConstraints(min_length=1)]
Secret = Annotated[SecretStr, Field(min_length=1)]
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=NAME_MAX_LENGTH)]
Port = Annotated[int, Field(ge=1, le=65535)]
#: bytes; the upper bound is that of PostgreSQL's bigint
Size = Annotated[int, BeforeValidator(parse_size), Field(le=2**63 - 1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
DatabaseNames = Annotated[tuple[str, ...], BeforeValidator(_parse_names)]
SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


class _Section(BaseModel):
    """Unknown keys are reported by the scan of the sources, which can suggest the right one."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Instance(_Section):
    """A PostgreSQL server and how to reach it."""

    host: Text
    port: Port = 5432
    user: Text = "postgres"
    password: Secret | None = None
    #: where we connect first
    database: Text = "postgres"
    #: None: libpq's own default
    sslmode: SslMode | None = None
    sslrootcert: Text | None = None
    sslcert: Text | None = None
    sslkey: Text | None = None
    #: bytes of WAL that our slots may keep while this instance is a source
    max_retained_wal: Annotated[Size, Field(gt=0)] = 50 * 1024**3
    #: the instance as the destination server sees it; None: as above
    replication_host: Text | None = None
    replication_port: Port | None = None
    replication_sslrootcert: Text | None = None


class Mapping(_Section):
    """One source instance to one destination instance."""

    source: Text
    destination: Text
    #: exact names; None: every non-template database that holds user objects
    databases: Annotated[DatabaseNames, Field(min_length=1)] | None = None
    exclude_databases: DatabaseNames = ()
    role_conflicts: Literal["fail", "merge", "skip"] = "fail"
    role_passwords: Literal["copy", "common", "none"] = "copy"
    common_role_password: Secret | None = Field(default=None, validate_default=True)
    copy_method: Literal["subscription", "snapshot"] = "subscription"
    max_parallel_tables: Annotated[int, Field(ge=1)] = 4
    #: bytes per second; None: no limit
    rate_limit: Annotated[Size, Field(gt=0)] | None = None
    tables_without_identity: Literal["refuse", "insert_only", "exclude"] = "refuse"
    tablespaces: Literal["keep", "default"] = "keep"
    complete: bool = False

    @field_validator("exclude_databases")
    @classmethod
    def _excludes_nothing_named(cls, value: tuple[str, ...], info: ValidationInfo) -> object:
        if set(value) & set(info.data.get("databases") or ()):
            raise ValueError("names a database that DATABASES names too: remove it from one")
        return value

    @field_validator("common_role_password")
    @classmethod
    def _has_common_password(cls, value: SecretStr | None, info: ValidationInfo) -> object:
        if value is None and info.data.get("role_passwords") == "common":
            raise ValueError("required, since ROLE_PASSWORDS is common")
        return value


class Cutover(_Section):
    """The limits of the green light."""

    max_lag_bytes: Size = 1024**2
    max_lag_seconds: Seconds = 5.0
    #: how long all gates must have passed
    stable_seconds: Seconds = 30.0


class Http(_Section):
    """Where the daemon serves; without a token, nothing can be changed over HTTP."""

    host: Text = "127.0.0.1"
    port: Port = 8432
    control_token: Secret | None = None


class Log(_Section):
    """How the daemon logs."""

    #: None: console on a terminal, else JSON
    format: Literal["json", "console"] | None = None
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """All settings; read them with `load`, which brings the sources and the checks across parts."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        enable_decoding=False,
        frozen=True,
        extra="ignore",
    )

    instances: dict[Name, Instance] = Field(default_factory=dict)
    mappings: dict[Name, Mapping] = Field(default_factory=dict)
    cutover: Cutover = Cutover()
    #: a start of a server counts as watched for two minutes after the last look at it
    refresh_interval_seconds: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 5.0
    #: holds pg_dump and pg_restore; None: PATH, then the distribution's folders
    postgres_bin_dir: DirectoryPath | None = None
    http: Http = Http()
    log: Log = Log()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_others: PydanticBaseSettingsSource,
        **_more: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing behind the caller's back: `load` names its sources."""
        return (init_settings,)
