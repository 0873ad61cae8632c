"""All dashboards as the text that is committed."""

import json

from dashboards.generator import daemon, mapping, overview, tables
from grafana_foundation_sdk.cog.encoder import JSONEncoder

#: loads in Grafana 11, 12 and 13: older models migrate on load, newer ones do not go back
SCHEMA_VERSION = 39


def rendered() -> dict[str, str]:
    """Return uid -> JSON."""
    return {
        built.uid or "": _text(built)
        for built in (
            overview.dashboard(),
            mapping.dashboard(),
            tables.dashboard(),
            daemon.dashboard(),
        )
    }


def _text(built: object) -> str:
    document = json.loads(json.dumps(built, cls=JSONEncoder))
    document["schemaVersion"] = SCHEMA_VERSION
    for number, panel in enumerate(document["panels"], start=1):
        panel["id"] = number
    for link in document["links"]:
        # otherwise newer versions hide it in a menu
        del link["placement"]
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
