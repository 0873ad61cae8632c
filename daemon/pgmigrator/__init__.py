"""Postgres Migrator: moves live PostgreSQL instances to a new major version."""

import json
from functools import cache
from importlib import metadata, resources

__version__ = "0.1.0"


@cache
def revision() -> str:
    """Return the commit that this was built from, or "unknown".

    An image's build writes it into the file REVISION of this package; pip notes it when it installs
    from a repository.
    """
    written = resources.files(__name__) / "REVISION"
    if written.is_file():
        return written.read_text("utf-8").strip() or "unknown"
    try:
        noted = metadata.distribution("postgres-migrator").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return "unknown"
    found = json.loads(noted or "{}").get("vcs_info", {}).get("commit_id", "unknown")
    return str(found)
