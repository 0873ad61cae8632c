"""Settings: sources, precedence, and mistakes that are all named and never quote a value."""

import json
import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from pgmigrator.core.names import insert_only_publication_name, publication_name
from pgmigrator.errors import MigratorError
from pgmigrator.settings import Settings, SettingsError, load, secrets
from pgmigrator.settings.load import NOT_BUILT, TAKEN_ENDING
from pgmigrator.settings.model import parse_size

VALID = {
    "PGMIGRATOR_INSTANCES__PG15__HOST": "pg15.example",
    "PGMIGRATOR_INSTANCES__PG18__HOST": "pg18.example",
    "PGMIGRATOR_MAPPINGS__ORDERS__SOURCE": "pg15",
    "PGMIGRATOR_MAPPINGS__ORDERS__DESTINATION": "pg18",
}
PG15 = "PGMIGRATOR_INSTANCES__PG15__"
ORDERS = "PGMIGRATOR_MAPPINGS__ORDERS__"
SECRET = "hunter2-do-not-print"


def mistakes(environ: dict[str, str]) -> dict[str, str]:
    """Load settings that must be wrong, and return variable -> reason."""
    with pytest.raises(SettingsError) as caught:
        load(environ)
    lines = str(caught.value).splitlines()
    found = dict(line.split(": ", 1) for line in lines)
    assert len(found) == len(lines), "one line per variable"
    return found


def toml(tmp_path: Path, text: str) -> dict[str, str]:
    file = tmp_path / "pgmigrator.toml"
    file.write_text(text)
    return {"PGMIGRATOR_CONFIG_FILE": str(file)}


def secret_files(tmp_path: Path, **files: str) -> dict[str, str]:
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return {"PGMIGRATOR_SECRETS_DIR": str(folder)}


# --- what is valid -------------------------------------------------------------------------------


def test_defaults() -> None:
    settings = load(VALID)
    instance, mapping = settings.instances["pg15"], settings.mappings["orders"]
    assert (instance.host, instance.port, instance.user) == ("pg15.example", 5432, "postgres")
    assert (instance.database, instance.password, instance.sslmode) == ("postgres", None, None)
    assert instance.max_retained_wal == 50 * 1024**3
    assert (mapping.source, mapping.destination) == ("pg15", "pg18")
    assert (mapping.databases, mapping.exclude_databases) == (None, ())
    assert (mapping.role_conflicts, mapping.role_passwords) == ("fail", "copy")
    assert (mapping.copy_method, mapping.max_parallel_tables) == ("subscription", 4)
    assert (mapping.rate_limit, mapping.tables_without_identity) == (None, "refuse")
    assert mapping.complete is False
    cutover = settings.cutover
    assert (cutover.max_lag_bytes, cutover.max_lag_seconds) == (1024**2, 5.0)
    assert (cutover.stable_seconds, settings.refresh_interval_seconds) == (30.0, 5.0)
    assert (settings.http.host, settings.http.port) == ("127.0.0.1", 8432)
    assert settings.http.control_token is None
    assert (settings.log.format, settings.log.level) == (None, "info")
    assert settings.postgres_bin_dir is None


def test_every_kind_of_value_by_environment(tmp_path: Path) -> None:
    settings = load(
        VALID
        | {
            f"{PG15}PORT": "5433",
            f"{PG15}PASSWORD": SECRET,
            f"{PG15}SSLMODE": "verify-full",
            f"{PG15}MAX_RETAINED_WAL": "3GB",
            f"{PG15}REPLICATION_HOST": "10.0.0.1",
            f"{PG15}REPLICATION_PORT": "6432",
            f"{ORDERS}DATABASES": '["shop", "Weird \\"db\\""]',
            f"{ORDERS}EXCLUDE_DATABASES": "[]",
            f"{ORDERS}COMPLETE": "true",
            "PGMIGRATOR_CUTOVER__MAX_LAG_BYTES": "16kB",
            "PGMIGRATOR_CUTOVER__STABLE_SECONDS": "0.5",
            "PGMIGRATOR_POSTGRES_BIN_DIR": str(tmp_path),
            "PGMIGRATOR_LOG__FORMAT": "json",
        }
    )
    instance, mapping = settings.instances["pg15"], settings.mappings["orders"]
    assert (instance.port, instance.sslmode) == (5433, "verify-full")
    assert instance.password is not None
    assert instance.password.get_secret_value() == SECRET
    assert instance.max_retained_wal == 3 * 1024**3
    assert (instance.replication_host, instance.replication_port) == ("10.0.0.1", 6432)
    assert mapping.databases == ("shop", 'Weird "db"')
    assert mapping.complete is True
    assert (settings.cutover.max_lag_bytes, settings.cutover.stable_seconds) == (16384, 0.5)
    assert settings.postgres_bin_dir == tmp_path
    assert SECRET not in repr(settings)


def test_instances_may_be_shared() -> None:
    settings = load(
        VALID
        | {
            "PGMIGRATOR_INSTANCES__PG16__HOST": "pg16.example",
            "PGMIGRATOR_MAPPINGS__BILLING__SOURCE": "pg16",
            "PGMIGRATOR_MAPPINGS__BILLING__DESTINATION": "pg18",
            "PGMIGRATOR_MAPPINGS__BACK__SOURCE": "pg18",
            "PGMIGRATOR_MAPPINGS__BACK__DESTINATION": "pg15",
        }
    )
    assert set(settings.mappings) == {"orders", "billing", "back"}


def test_no_mapping_is_named_like_a_second_publication() -> None:
    """`orders_insert_only` would have the publication that `orders` has for its inserts."""
    source = "PGMIGRATOR_MAPPINGS__ORDERS_INSERT_ONLY__SOURCE"
    taken = {source: "pg15", "PGMIGRATOR_MAPPINGS__ORDERS_INSERT_ONLY__DESTINATION": "pg18"}
    assert mistakes(VALID | taken) == {
        source: "a mapping's name must not end in _insert_only: publications of ours do"
    }
    assert insert_only_publication_name("orders") == publication_name("orders" + TAKEN_ENDING)


def test_settings_are_frozen() -> None:
    settings = load(VALID)
    for section, field in (
        (settings, "log"),
        (settings.http, "port"),
        (settings.instances["pg15"], "host"),
        (settings.mappings["orders"], "complete"),
    ):
        with pytest.raises(ValidationError):
            setattr(section, field, None)


def test_settings_read_nothing_behind_the_callers_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGMIGRATOR_HTTP__PORT", "1")
    assert load(VALID).http.port == 8432
    assert Settings().http.port == 8432
    assert issubclass(Settings, BaseSettings)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("123", 123),
        ("7B", 7),
        ("16kB", 16384),
        ("1MB", 1024**2),
        ("2 GB", 2 * 1024**3),
        ("1TB", 1024**4),
    ],
)
def test_sizes(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "1KB", "1mb", "-1", "1.5GB", "MB", "1 PB", "1MB/s", "many"])
def test_wrong_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        parse_size(text)


# --- sources -------------------------------------------------------------------------------------


def test_everything_from_toml(tmp_path: Path) -> None:
    settings = load(
        toml(
            tmp_path,
            """
            refresh_interval_seconds = 2
            [instances.pg15]
            host = "pg15.example"
            port = 5433
            [instances.pg18]
            host = "pg18.example"
            max_retained_wal = "1GB"
            [mappings.orders]
            source = "pg15"
            destination = "pg18"
            databases = ["shop"]
            complete = true
            [cutover]
            max_lag_seconds = 0.5
            max_lag_bytes = 4096
            """,
        )
    )
    assert settings.refresh_interval_seconds == 2
    assert settings.instances["pg15"].port == 5433
    assert settings.instances["pg18"].max_retained_wal == 1024**3
    assert settings.mappings["orders"].databases == ("shop",)
    assert settings.mappings["orders"].complete is True
    assert (settings.cutover.max_lag_seconds, settings.cutover.max_lag_bytes) == (0.5, 4096)


@pytest.mark.parametrize(
    "name", ["PGMIGRATOR_HTTP__CONTROL_TOKEN", "pgmigrator_http__control_token"]
)
@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_secret_files_in_any_case(tmp_path: Path, name: str, ending: str) -> None:
    settings = load(VALID | secret_files(tmp_path, **{name: " a b " + ending}))
    assert settings.http.control_token is not None
    assert settings.http.control_token.get_secret_value() == " a b "


def test_secret_files_as_the_kubelet_mounts_them(tmp_path: Path) -> None:
    environ = VALID | secret_files(tmp_path)
    folder = Path(environ["PGMIGRATOR_SECRETS_DIR"])
    (folder / "..2026_01_01").mkdir()
    (folder / "..2026_01_01" / f"{PG15}PASSWORD").write_text(SECRET)
    (folder / "..data").symlink_to("..2026_01_01")
    (folder / f"{PG15}PASSWORD").symlink_to(f"..data/{PG15}PASSWORD")
    assert secrets(load(environ)) == (SECRET,)


@pytest.mark.parametrize(
    ("in_environment", "in_file", "expected"),
    [(True, True, "environment"), (False, True, "file"), (False, False, "toml")],
)
def test_precedence(tmp_path: Path, in_environment: bool, in_file: bool, expected: str) -> None:
    environ = VALID | toml(tmp_path, '[instances.pg15]\nuser = "toml"\ndatabase = "kept"')
    if in_file:
        environ |= secret_files(tmp_path, **{f"{PG15}USER": "file"})
    if in_environment:
        environ |= {f"{PG15}USER": "environment"}
    instance = load(environ).instances["pg15"]
    assert (instance.user, instance.database) == (expected, "kept")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGMIGRATOR_PORT", "tcp://10.96.0.1:8432"),
        ("PGMIGRATOR_SERVICE_HOST", "10.96.0.1"),
        ("PGMIGRATOR_SERVICE_PORT", "8432"),
        ("PGMIGRATOR_SERVICE_PORT_HTTP", "8432"),
        ("PGMIGRATOR_PORT_8432_TCP", "tcp://10.96.0.1:8432"),
        ("PGMIGRATOR_PORT_8432_TCP_PROTO", "tcp"),
        ("PGMIGRATOR_PORT_8432_TCP_PORT", "8432"),
        ("PGMIGRATOR_PORT_8432_TCP_ADDR", "10.96.0.1"),
        ("PGMIGRATOR_METRICS_PORT", "tcp://10.96.0.1:8432"),
        ("PGMIGRATOR_METRICS_SERVICE_HOST", "10.96.0.1"),
        ("OTHER_SETTING", "ignored"),
    ],
)
def test_foreign_variables_are_no_mistake(name: str, value: str) -> None:
    assert load(VALID | {name: value}) == load(VALID)


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        (f"{PG15}PORT", "http", "whole number"),
        (f"{PG15}PORT", "0", "at least 1"),
        (f"{PG15}PORT", "65536", "at most 65535"),
        (f"{PG15}HOST", "", "not be empty"),
        (f"{PG15}PASSWORD", "", "not be empty"),
        (f"{PG15}SSLMODE", "on", "'verify-full'"),
        (f"{PG15}MAX_RETAINED_WAL", "50GiB", "must be a size"),
        (f"{PG15}MAX_RETAINED_WAL", "0", "greater than 0"),
        (f"{PG15}MAX_RETAINED_WAL", "9999999TB", "at most"),
        (f"{ORDERS}DATABASES", "shop,billing", "JSON list"),
        (f"{ORDERS}DATABASES", '["shop", 1]', "JSON list"),
        (f"{ORDERS}DATABASES", '{"shop": 1}', "JSON list"),
        (f"{ORDERS}DATABASES", '[""]', "JSON list"),
        (f"{ORDERS}DATABASES", "[]", "not be empty"),
        (f"{ORDERS}ROLE_CONFLICTS", "overwrite", "'fail', 'merge' or 'skip'"),
        (f"{ORDERS}ROLE_PASSWORDS", "random", "'copy', 'common' or 'none'"),
        (f"{ORDERS}MAX_PARALLEL_TABLES", "0", "at least 1"),
        (f"{ORDERS}MAX_PARALLEL_TABLES", "2.5", "whole number"),
        (f"{ORDERS}COMPLETE", "maybe", "true or false"),
        (f"{ORDERS}SOURCE", "pg51", "names no instance (there are: pg15, pg18)"),
        (f"{ORDERS}DESTINATION", "PG18", "names no instance"),
        (f"{ORDERS}DESTINATION", "pg15", "same server as the source"),
        ("PGMIGRATOR_INSTANCES__PG18__HOST", "PG15.example", None),
        ("PGMIGRATOR_CUTOVER__MAX_LAG_SECONDS", "-1", "at least 0"),
        ("PGMIGRATOR_CUTOVER__MAX_LAG_SECONDS", "inf", "finite"),
        ("PGMIGRATOR_CUTOVER__STABLE_SECONDS", "soon", "a number"),
        ("PGMIGRATOR_REFRESH_INTERVAL_SECONDS", "0", "greater than 0"),
        ("PGMIGRATOR_REFRESH_INTERVAL_SECONDS", "61", "at most 60"),
        ("PGMIGRATOR_HTTP__CONTROL_TOKEN", "", "not be empty"),
        ("PGMIGRATOR_POSTGRES_BIN_DIR", "/does/not/exist", "existing folder"),
        ("PGMIGRATOR_POSTGRES_BIN_DIR", "", "not be empty"),
        ("PGMIGRATOR_LOG__FORMAT", "xml", "'json' or 'console'"),
        ("PGMIGRATOR_LOG__LEVEL", "loud", "'debug'"),
    ],
)
def test_wrong_values(name: str, value: str, reason: str | None) -> None:
    found = mistakes(VALID | {name: value})
    if reason is None:
        name, reason = f"{ORDERS}DESTINATION", "another host or port"
    assert set(found) == {name}
    assert reason in found[name]


@pytest.mark.parametrize("missing", sorted(VALID))
def test_what_is_required(missing: str) -> None:
    environ = {name: value for name, value in VALID.items() if name != missing}
    environ |= {"PGMIGRATOR_INSTANCES__PG15__USER": "a", "PGMIGRATOR_INSTANCES__PG18__USER": "b"}
    assert mistakes(environ) == {missing: "required"}


def test_nothing_to_do() -> None:
    found = mistakes({})
    assert set(found) == {
        "PGMIGRATOR_INSTANCES__<NAME>__HOST",
        "PGMIGRATOR_MAPPINGS__<NAME>__SOURCE",
    }


def test_common_role_password() -> None:
    environ = VALID | {f"{ORDERS}ROLE_PASSWORDS": "common"}
    assert set(mistakes(environ)) == {f"{ORDERS}COMMON_ROLE_PASSWORD"}
    assert secrets(load(environ | {f"{ORDERS}COMMON_ROLE_PASSWORD": SECRET})) == (SECRET,)


def test_database_named_and_excluded() -> None:
    lists = {f"{ORDERS}DATABASES": '["shop"]', f"{ORDERS}EXCLUDE_DATABASES": '["shop"]'}
    found = mistakes(VALID | lists)
    assert set(found) == {f"{ORDERS}EXCLUDE_DATABASES"}
    load(VALID | lists | {f"{ORDERS}EXCLUDE_DATABASES": '["billing"]'})


@pytest.mark.parametrize(("setting", "value"), NOT_BUILT)
def test_what_is_not_built_is_refused_by_name(setting: str, value: str | None) -> None:
    name = ORDERS + setting.upper()
    found = mistakes(VALID | {name: value or "100MB"})
    assert set(found) == {name}
    assert "not built yet" in found[name]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        (f"{ORDERS}SORCE", f"{ORDERS}SOURCE"),
        (f"{PG15}PASS", f"{PG15}PASSWORD"),
        ("PGMIGRATOR_HTTP_PORT", "PGMIGRATOR_HTTP__PORT"),
        ("PGMIGRATOR_HTTP__PROT", "PGMIGRATOR_HTTP__PORT"),
        ("PGMIGRATOR_HTTP__CONTROLTOKEN", "PGMIGRATOR_HTTP__CONTROL_TOKEN"),
        ("PGMIGRATOR_INSTANCES_PG15_PORT", f"{PG15}PORT"),
        ("PGMIGRATOR_INSTANCE__PG15__PORT", f"{PG15}PORT"),
        ("PGMIGRATOR_CONFIGFILE", "PGMIGRATOR_CONFIG_FILE"),
        ("PGMIGRATOR_HTTP__PORT__X", None),
        ("PGMIGRATOR_HTTP", None),
        ("PGMIGRATOR_INSTANCES__PG15", None),
        ("PGMIGRATOR_INSTANCES", None),
        ("PGMIGRATOR_ZZZ", None),
        ("PGMIGRATOR_", None),
        ("PGMIGRATOR_PORT", None),
    ],
)
def test_unknown_variables(name: str, meant: str | None) -> None:
    found = mistakes(VALID | {name: SECRET})
    assert set(found) == {name}
    assert "unknown setting in the environment" in found[name]
    if meant is not None:
        assert found[name].endswith(f"did you mean {meant}?")


@pytest.mark.parametrize("name", ["_a", "1a", "a" * 31, "a-b", "ä"])
@pytest.mark.parametrize("section", ["instances", "mappings"])
def test_names(tmp_path: Path, section: str, name: str) -> None:
    fields = {"instances": {"host": "x"}, "mappings": {"source": "pg15", "destination": "pg18"}}
    lines = [f"{key} = {json.dumps(value)}" for key, value in fields[section].items()]
    text = "\n".join([f"[{section}.{json.dumps(name)}]", *lines])
    variable = f"PGMIGRATOR_{section}__{name}".upper()
    in_toml = mistakes(VALID | toml(tmp_path, text))
    in_environment = mistakes(
        VALID | {f"{variable}__{key.upper()}": value for key, value in fields[section].items()}
    )
    assert in_toml == in_environment
    assert set(in_toml) == {variable}
    assert "names are" in in_toml[variable]


def test_name_that_ends_in_an_underscore_reads_as_an_unknown_key() -> None:
    name = "PGMIGRATOR_INSTANCES__PG15___PORT"
    assert mistakes(VALID | {name: "1"})[name].endswith(f"did you mean {PG15}PORT?")


@pytest.mark.parametrize("name", ["a", "a1", "pg_15", "a" * 30])
def test_good_names(name: str) -> None:
    environ = VALID | {f"PGMIGRATOR_INSTANCES__{name.upper()}__HOST": "x"}
    assert name in load(environ).instances


@pytest.mark.parametrize(
    ("text", "variable", "reason"),
    [
        (
            '[http]\nprot = 1\nx = "y"',
            "PGMIGRATOR_HTTP__PROT",
            "did you mean PGMIGRATOR_HTTP__PORT?",
        ),
        ("[http]\nPort = 1", "PGMIGRATOR_HTTP__PORT", "lower case"),
        ("http__port = 1", "PGMIGRATOR_HTTP__PORT", "in tables"),
        ("http = 1", "PGMIGRATOR_HTTP", "unknown setting in the TOML file"),
        ("[[instances.pg15]]\nhost = 'a'", "PGMIGRATOR_INSTANCES__PG15", "unknown setting"),
        ("[refresh_interval_seconds]\nx = 1", "PGMIGRATOR_REFRESH_INTERVAL_SECONDS__X", "unknown"),
        ("refresh_interval_seconds = nan", "PGMIGRATOR_REFRESH_INTERVAL_SECONDS", "finite"),
        ("refresh_interval_seconds = 2026-01-01", "PGMIGRATOR_REFRESH_INTERVAL_SECONDS", "in TOML"),
        ("http = {", "PGMIGRATOR_CONFIG_FILE", "not valid TOML, at"),
        (f"a = '{SECRET}", "PGMIGRATOR_CONFIG_FILE", "not valid TOML, at"),
    ],
)
def test_wrong_toml(tmp_path: Path, text: str, variable: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(VALID | toml(tmp_path, text))
    assert f"{variable}: " in str(caught.value)
    assert reason in str(caught.value)
    assert SECRET not in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    gone = str(tmp_path / SECRET)
    found = mistakes(VALID | {"PGMIGRATOR_CONFIG_FILE": gone, "PGMIGRATOR_SECRETS_DIR": gone})
    assert set(found) == {"PGMIGRATOR_CONFIG_FILE", "PGMIGRATOR_SECRETS_DIR"}
    assert SECRET not in "".join(found.values())
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    assert "UTF-8" in mistakes(VALID | {"PGMIGRATOR_CONFIG_FILE": str(binary)}).popitem()[1]


def test_wrong_secret_files(tmp_path: Path) -> None:
    environ = VALID | secret_files(
        tmp_path,
        PGMIGRATOR_HTTP__CONTROL_TOKN=SECRET,
        http__control_token=SECRET,
        PGMIGRATOR_CONFIG_FILE="x",
        PGMIGRATOR_INSTANCES__PG15__USER="a",
        pgmigrator_instances__pg15__user="b",
        PGMIGRATOR_INSTANCES__PG15__PASSWORD="\n",
    )
    folder = Path(environ["PGMIGRATOR_SECRETS_DIR"])
    (folder / "PGMIGRATOR_INSTANCES__PG18__PASSWORD").mkdir()
    (folder / "PGMIGRATOR_INSTANCES__PG18__USER").write_bytes(b"\xff")
    found = mistakes(environ)
    expected = {
        "PGMIGRATOR_HTTP__CONTROL_TOKN": "did you mean PGMIGRATOR_HTTP__CONTROL_TOKEN?",
        "HTTP__CONTROL_TOKEN": "unknown setting as a secret file",
        "PGMIGRATOR_CONFIG_FILE": "unknown setting as a secret file",
        "PGMIGRATOR_INSTANCES__PG15__USER": "given twice",
        "PGMIGRATOR_INSTANCES__PG15__PASSWORD": "must not be empty",
        "PGMIGRATOR_INSTANCES__PG18__PASSWORD": "cannot be read",
        "PGMIGRATOR_INSTANCES__PG18__USER": "not UTF-8",
    }
    assert set(found) == set(expected)
    for name, reason in expected.items():
        assert reason in found[name]


def test_every_mistake_at_once_and_no_value(tmp_path: Path) -> None:
    """One run names them all, and neither text, cause nor traceback holds a single value."""
    value = SECRET
    wrong = {
        f"{PG15}PORT": value,
        f"{PG15}PASSWRD": value,
        f"{PG15}SSLMODE": value,
        f"{PG15}MAX_RETAINED_WAL": value,
        f"{ORDERS}SOURCE": value,
        f"{ORDERS}DATABASES": value,
        f"{ORDERS}COMPLETE": value,
        f"{ORDERS}COPY_METHOD": value,
        f"{ORDERS}RATE_LIMIT": value,
        f"{ORDERS}MAX_PARALLEL_TABLES": value,
        "PGMIGRATOR_CUTOVER__MAX_LAG_SECONDS": value,
        "PGMIGRATOR_REFRESH_INTERVAL_SECONDS": value,
        "PGMIGRATOR_POSTGRES_BIN_DIR": value,
        "PGMIGRATOR_LOG__LEVEL": value,
        "PGMIGRATOR_HTTP_CONTROL_TOKEN": value,
        "PGMIGRATOR_SECRETS_DIR": value,
    }
    environ = VALID | wrong | toml(tmp_path, f'[http]\ntokn = "{value}"\nport = "{value}"')
    with pytest.raises(SettingsError) as caught:
        load(environ)
    message = str(caught.value)
    names = {line.split(": ", 1)[0] for line in message.splitlines()}
    assert names == {*wrong, "PGMIGRATOR_HTTP__TOKN", "PGMIGRATOR_HTTP__PORT"}
    assert value not in message
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    assert value not in "".join(traceback.format_exception(error))
    assert isinstance(error, MigratorError)


def test_secrets_lists_each_once() -> None:
    settings = load(
        VALID
        | {
            f"{PG15}PASSWORD": "one",
            "PGMIGRATOR_INSTANCES__PG18__PASSWORD": "two",
            f"{ORDERS}COMMON_ROLE_PASSWORD": "three",
            "PGMIGRATOR_HTTP__CONTROL_TOKEN": "one",
        }
    )
    assert secrets(settings) == ("one", "two", "three")
    assert secrets(load(VALID)) == ()
