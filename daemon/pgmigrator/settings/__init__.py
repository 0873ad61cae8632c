"""Settings: environment variables, secret files and a TOML file, validated as a whole at start.

`load` names every mistake at once with its variable and never prints a value, since a misplaced
value may be a secret.
"""

from pgmigrator.settings.load import SettingsError, load, secrets
from pgmigrator.settings.model import Cutover, Http, Instance, Log, Mapping, Settings

__all__ = [
    "Cutover",
    "Http",
    "Instance",
    "Log",
    "Mapping",
    "Settings",
    "SettingsError",
    "load",
    "secrets",
]
