"""The application that the demo migrates: two databases, their roles, some 320 MB of rows.

The SQL is in `sql/`; this module runs it on a server and keeps the passwords of the roles.
"""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

SHOP = "shop"
ARCHIVE = "Kunden & Archiv"
DATABASES = (SHOP, ARCHIVE)
APP, CLERK, REPORTING, MANAGER = "shop_app", "shop_clerk", "shop_reporting", "Büro Leitung"
LOGIN_ROLES = (APP, CLERK, REPORTING, MANAGER)

#: The superuser's connection string of a database; a bound `dsn` method of a server.
DsnOf = Callable[[str], str]
#: The connection string of a database for a role of the application.
RoleDsnOf = Callable[[str, str], str]


@dataclass(frozen=True)
class Application:
    """The application's roles and their passwords, wherever it runs."""

    passwords: dict[str, str]

    def role_dsn(self, dsn: DsnOf) -> RoleDsnOf:
        """How the application's roles connect to the server that `dsn` leads to."""

        def of(dbname: str, role: str) -> str:
            return make_conninfo(
                dsn(dbname), user=role, password=self.passwords[role], application_name="shop"
            )

        return of


def create_application(dsn: DsnOf, password: str | None = None) -> Application:
    """Create the roles and both databases with their rows on an empty server (about 10 s).

    :param password: of every role; None: a random one for each.
    """
    passwords = {role: password or secrets.token_urlsafe(12) for role in LOGIN_ROLES}
    with psycopg.connect(dsn("postgres"), autocommit=True) as connection:
        connection.execute(_script("roles"))
        for role, password in passwords.items():
            _set_password(connection, role, password)
        for name in DATABASES:
            create = SQL("CREATE DATABASE {} OWNER shop_owner TEMPLATE template0")
            connection.execute(create.format(Identifier(name)))
        connection.execute(_script("databases"))
    with ThreadPoolExecutor() as pool:
        list(pool.map(_load, [dsn(SHOP), dsn(ARCHIVE)], ["shop", "archive"]))
    return Application(passwords)


def _load(dsn: str, script: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_script(script))
        connection.execute("RESET ROLE")
        connection.execute("VACUUM (ANALYZE)")


def _set_password(connection: psycopg.Connection, role: str, password: str) -> None:
    """Send the SCRAM verifier only, so that the password is in no log."""
    pgconn = connection.pgconn
    verifier = pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    alter = SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(role), verifier.decode())
    connection.execute(alter)


def _script(name: str) -> str:
    file = resources.files(__package__).joinpath("sql", f"{name}.sql")
    return file.read_text("utf-8")
