"""docs/settings.md and the code agree: each setting has a heading, and its default is the real."""

import re
from pathlib import Path

import pytest

from pgmigrator.settings import SettingsError, load
from pgmigrator.settings.sources import CONFIG_FILE, SECRETS_DIR, known_variables

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"
SECTIONS = dict(re.findall(r"^### (\S+)\n(.*?)(?=^#|\Z)", DOCUMENT.read_text(), re.M | re.S))

COMPLETE = {
    "PGMIGRATOR_INSTANCES__PG15__HOST": "pg15.example",
    "PGMIGRATOR_INSTANCES__PG18__HOST": "pg18.example",
    "PGMIGRATOR_MAPPINGS__ORDERS__SOURCE": "pg15",
    "PGMIGRATOR_MAPPINGS__ORDERS__DESTINATION": "pg18",
}


def with_names(setting: str) -> str:
    """Fill in names that COMPLETE uses."""
    return setting.replace("INSTANCES__<NAME>", "INSTANCES__PG15").replace("<NAME>", "ORDERS")


def test_every_setting_has_a_heading_and_every_heading_a_setting() -> None:
    assert set(SECTIONS) == {*known_variables(), CONFIG_FILE, SECRETS_DIR}


@pytest.mark.parametrize("setting", SECTIONS)
def test_defaults_are_as_documented(setting: str) -> None:
    variable = with_names(setting)
    stated = re.search(r"Default:\s(none|`(.+?)`)", SECTIONS[setting])
    if "Required." in SECTIONS[setting]:
        rest = {name: value for name, value in COMPLETE.items() if name != variable}
        with pytest.raises(SettingsError, match=f"{variable}: required"):
            load(rest | {"PGMIGRATOR_INSTANCES__PG15__USER": "a"})
    else:
        assert stated is not None
        explicit = {variable: stated[2]} if stated[2] else {}
        assert load(COMPLETE | explicit) == load(COMPLETE)
        assert stated[2] or _default(setting) is None


def _default(setting: str) -> object:
    value: object = load(COMPLETE)
    for key in with_names(setting).removeprefix("PGMIGRATOR_").lower().split("__"):
        value = value[key] if isinstance(value, dict) else getattr(value, key, None)
    return value
