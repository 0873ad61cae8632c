"""What the cutover guide must know: the facts of one mapping, and how to write its commands."""

import json
import shlex
from dataclasses import dataclass
from urllib.parse import quote

from pgmigrator.surface.quoting import code, psql


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTarget:
    """Where a server is, as an operator reaches it; never a password."""

    host: str
    port: int
    #: the role that the daemon connects as
    user: str
    sslmode: str | None = None

    def psql(self, database: str, user: str | None = None) -> str:
        """Write the shell line that connects to a database."""
        return psql(
            host=self.host,
            port=str(self.port),
            user=user or self.user,
            dbname=database,
            sslmode=self.sslmode,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideContext:
    """What the guide must know beyond the report."""

    source: ConnectionTarget
    destination: ConnectionTarget
    #: of this daemon, e.g. http://127.0.0.1:8432
    base_url: str
    #: False: the verbs are off
    token_configured: bool = True
    #: the file that holds the control token; "": it came from the environment
    token_file: str = ""
    #: login roles of the applications, if known
    application_roles: tuple[str, ...] = ()
    #: as in the setting ROLE_PASSWORDS
    role_passwords: str = "copy"
    #: bytes of WAL that our slots may keep on the source
    max_retained_wal_bytes: int = 50 * 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What every step may need."""

    mapping: str
    databases: tuple[str, ...]
    #: the databases are all of the mapping
    every: bool
    context: GuideContext

    @property
    def url(self) -> str:
        """The address of the cutover of this mapping."""
        return f"{self.context.base_url.rstrip('/')}/cutover/{self.mapping}"

    def command(self, verb: str, options: str = "", **parameters: object) -> str:
        """Write a verb both ways: with our command line, and with curl."""
        chosen = (
            "" if self.every else "".join(f" --database {shlex.quote(n)}" for n in self.databases)
        )
        named: dict[str, object] = {} if self.every else {"databases": list(self.databases)}
        body = json.dumps(named | parameters, ensure_ascii=False)
        return code(
            "bash",
            (
                f"pgmigrator {verb} {self.mapping}{chosen}{options}"
                f' --url {shlex.quote(self.context.base_url)} --token-file "$TOKEN_FILE"',
                "# or",
                f"control {verb} {shlex.quote(body)}",
            ),
        )

    def status_command(self, database: str) -> str:
        """Write the line that asks for the status of one database."""
        path = f"/status/{self.mapping}/{quote(database, safe='')}"
        return f"curl -fsS {shlex.quote(self.context.base_url.rstrip('/') + path)}"
