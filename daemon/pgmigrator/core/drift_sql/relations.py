"""The SQL that mends what belongs to a table or is said of any object."""

import re
from itertools import takewhile

from pgmigrator.core.drift_sql.lines import (
    COLUMN,
    GRANT,
    INCOMPLETE,
    INDEX,
    ORDER,
    PARENTS,
    STATISTICS,
    TRIGGER,
    WORD,
    Change,
    addressed,
    first_name,
    is_trigger_mode,
    parted,
    replaced,
)

_DEFAULTS = re.compile(
    rf"default privileges of (?P<role>{WORD})(?: in schema (?P<schema>{WORD}))? for (?P<kind>\w+)"
)
_GENERATED = re.compile(
    r" GENERATED ALWAYS AS (?P<expression>\(.*\)) (?P<how>STORED|VIRTUAL)", re.DOTALL
)
_IDENTITY = re.compile(r" (?P<generated>GENERATED (?:ALWAYS|BY DEFAULT)) AS IDENTITY")
#: the setting of a database: its value is not told
SETTING = re.compile(rf"SET (?P<setting>\S+)(?: FOR ROLE (?P<role>{WORD}))? [0-9a-f]{{32}}")
_NOT_VALID = " NOT VALID"
#: GRANT has words of its own
_GRANTED = {
    "VIEW": "TABLE",
    "MATERIALIZED VIEW": "TABLE",
    "FOREIGN TABLE": "TABLE",
    "SERVER": "FOREIGN SERVER",
    "AGGREGATE": "FUNCTION",
}


def column(change: Change) -> str | None:
    """Add, drop, rename or alter a column; None: only a table that is made anew has it so."""
    if (change.source or change.destination or "").startswith(f"{ORDER} "):
        return None
    table = f"ALTER TABLE {change.object}"
    if change.destination is None:
        return f"{table} ADD COLUMN {change.source}"
    name = first_name(change.destination)
    if change.source is None:
        return f"{table} DROP COLUMN {name}"
    if (new := first_name(change.source)) != name:
        return f"{table} RENAME COLUMN {name} TO {new}"
    wanted = COLUMN.fullmatch(change.source.removeprefix(name).lstrip())
    found = COLUMN.fullmatch(change.destination.removeprefix(name).lstrip())
    if wanted is None or found is None or (changes := _alterations(wanted, found)) is None:
        return None
    return f"{table} " + ", ".join(f"ALTER COLUMN {name} {change}" for change in changes)


def _alterations(wanted: re.Match[str], found: re.Match[str]) -> list[str] | None:
    """List what is to be altered of a column; None: it cannot be."""
    changes = []
    if wanted["type"] != found["type"]:
        changes.append(f"TYPE {wanted['type']}")
    if wanted["null"] != found["null"]:
        changes.append(f"{'SET' if wanted['null'] else 'DROP'} NOT NULL")
    if wanted["default"] != found["default"]:
        default = wanted["default"]
        changes.append("DROP DEFAULT" if default is None else f"SET DEFAULT {default}")
    if wanted["rest"] != found["rest"]:
        if (generation := _generation(wanted["rest"] or "", found["rest"] or "")) is None:
            return None
        changes.append(generation)
    return changes


def _generation(wanted: str, found: str) -> str | None:
    """Alter how a column's values are made; None: it cannot be."""
    new, old = _IDENTITY.fullmatch(wanted), _IDENTITY.fullmatch(found)
    if new and old:
        return f"SET {new['generated']}"
    if new and not found:
        return f"ADD{wanted}"
    if old and not wanted:
        return "DROP IDENTITY"
    new, old = _GENERATED.fullmatch(wanted), _GENERATED.fullmatch(found)
    if new and old and new["how"] == old["how"]:
        return f"SET EXPRESSION AS {new['expression']}"
    if old and not wanted and old["how"] == "STORED":
        return "DROP EXPRESSION"
    return None


def constraint(change: Change) -> str | None:
    """Add, drop, rename or validate a constraint, of a table or of a domain."""
    domain = change.object.startswith("domain ")
    target = (
        f"DOMAIN {change.object.removeprefix('domain ')}" if domain else f"TABLE {change.object}"
    )
    drop = change.destination and first_name(change.destination)
    if drop and change.source and (wanted := first_name(change.source)) != drop:
        return f"ALTER {target} RENAME CONSTRAINT {drop} TO {wanted}"
    if drop and change.destination == f"{change.source}{_NOT_VALID}":
        return f"ALTER {target} VALIDATE CONSTRAINT {drop}"
    create = change.source and f"ALTER {target} ADD CONSTRAINT {change.source}"
    if create and create.endswith(INCOMPLETE):
        create = create.removesuffix(INCOMPLETE).replace("TABLE", "TABLE ONLY", 1)
    return replaced(drop and f"ALTER {target} DROP CONSTRAINT {drop}", create)


def index(change: Change) -> str | None:
    """Create, drop or rename an index; a partitioned table's takes those of its partitions in."""
    found, wanted = INDEX.match(change.destination or ""), INDEX.match(change.source or "")
    if found and wanted and found[1] != wanted[1]:
        return f"ALTER INDEX {found[2]}.{found[1]} RENAME TO {wanted[1]}"
    create = change.source
    if create and create.endswith(INCOMPLETE):
        create = create.removesuffix(INCOMPLETE)
    elif create:
        create = create.replace(" ON ONLY ", " ON ", 1)
    return replaced(found and f"DROP INDEX {found[2]}.{found[1]}", create)


def trigger(change: Change) -> str | None:
    """Create, drop, disable or enable a trigger; None: its mode is remembered by itself."""
    if is_trigger_mode(change.source or change.destination):
        return None
    disable = "DISABLE "
    if change.source and change.source.startswith(disable):
        return f"ALTER TABLE {change.object} {change.source}"
    if change.destination and change.destination.startswith(disable):
        return f"ALTER TABLE {change.object} ENABLE {change.destination.removeprefix(disable)}"
    found = TRIGGER.match(change.destination or "")
    return replaced(found and f"DROP TRIGGER {found[1]} ON {change.object}", change.source)


def statistics(change: Change) -> str | None:
    """Create or drop extended statistics."""
    found = STATISTICS.match(change.destination or "")
    return replaced(found and f"DROP STATISTICS {found[1]}.{found[2]}", change.source)


def policy(change: Change) -> str | None:
    """Create or drop a policy, or set whether a table's are in force."""
    security = "row security "
    if (change.source or change.destination or "").startswith(security):
        enabled, forced = (change.source or f"{security}f f").removeprefix(security).split()
        return (
            f"ALTER TABLE {change.object}"
            f" {'ENABLE' if enabled == 't' else 'DISABLE'} ROW LEVEL SECURITY,"
            f" {'FORCE' if forced == 't' else 'NO FORCE'} ROW LEVEL SECURITY"
        )
    drop = change.destination and (
        f"DROP POLICY {first_name(change.destination)} ON {change.object}"
    )
    if change.source is None:
        return drop
    name = first_name(change.source)
    clauses = change.source.removeprefix(name)
    return replaced(drop, f"CREATE POLICY {name} ON {change.object}{clauses}")


def dropped_rule(change: Change) -> str | None:
    """Drop a rule; None: its text is on the source."""
    if change.source is not None:
        return None
    return f"DROP RULE {first_name(change.destination or '')} ON {change.object}"


def sequence(change: Change) -> str:
    """Create, drop or alter a sequence."""
    if change.source is None:
        return f"DROP SEQUENCE {change.object}"
    if change.destination is None:
        return f"CREATE SEQUENCE {change.object} AS {change.source}"
    undone = [
        other
        for word, other in (("CYCLE", "NO CYCLE"), ("OWNED BY", "OWNED BY NONE"))
        if f" {word}" in change.destination and f" {word}" not in change.source
    ]
    return " ".join((f"ALTER SEQUENCE {change.object} AS {change.source}", *undone))


def option(change: Change) -> str | None:
    """Set what is no property of its own: the order of a table's parents, a database's setting."""
    return _parents(change) or _setting(change)


def _parents(change: Change) -> str | None:
    """Inherit again, in the order of the source, from those that are not in it."""
    if not (change.source or "").startswith(f"{PARENTS} "):
        return None
    wanted, found = (
        parted((line or "").removeprefix(PARENTS)) for line in (change.source, change.destination)
    )
    left = iter(found)
    kept = tuple(takewhile(lambda parent: parent in left, wanted))
    moved = wanted[len(kept) :]
    changes = (*(f"NO INHERIT {each}" for each in moved), *(f"INHERIT {each}" for each in moved))
    return f"ALTER TABLE {change.object} {', '.join(changes)}"


def _setting(change: Change) -> str | None:
    """Reset what only the destination's database sets; None: the value is on the source."""
    found = SETTING.fullmatch(change.destination or "")
    if change.source is not None or found is None:
        return None
    target = f"{change.object.replace('database', 'DATABASE', 1)}"
    if found["role"]:
        return f"ALTER ROLE {found['role']} IN {target} RESET {found['setting']}"
    return f"ALTER {target} RESET {found['setting']}"


def owner(change: Change) -> str | None:
    """Give an object to its owner."""
    kind, name = addressed(change.object)
    return f"ALTER {kind} {name} OWNER TO {change.source}" if change.source else None


def comment(change: Change) -> str:
    """Write a comment or take it away."""
    kind, name = addressed(change.object)
    return f"COMMENT ON {kind} {name} IS {change.source or 'NULL'}"


def label(change: Change) -> str:
    """Set a security label or take it away."""
    kind, name = addressed(change.object)
    line = change.source or change.destination or ""
    provider, _, value = line.partition(" IS ")
    return f"SECURITY LABEL FOR {provider} ON {kind} {name} IS {value if change.source else 'NULL'}"


def grant(change: Change) -> str | None:
    """Grant or revoke a privilege; None: somebody else granted it there."""
    wanted = GRANT.fullmatch(change.source or "")
    existing = GRANT.fullmatch(change.destination or "")
    if (found := wanted or existing) is None:
        return None
    grants = (found["verb"] == "GRANT") is (wanted is not None)
    option = found["option"] or ""
    privilege = found["privilege"]
    if wanted and existing:
        if wanted["option"] == existing["option"]:
            return None
        grants = wanted["option"] is not None
        privilege = privilege if grants else f"GRANT OPTION FOR {privilege}"
    defaults = _DEFAULTS.fullmatch(change.object)
    kind, name = addressed(change.object)
    on = defaults["kind"].upper() if defaults else f"{_GRANTED.get(kind, kind)} {name}"
    verb, to = ("GRANT", "TO") if grants else ("REVOKE", "FROM")
    said = f"{verb} {privilege} ON {on} {to} {found['grantee']}{option if grants else ''}"
    if defaults is None:
        return said
    where = f" IN SCHEMA {defaults['schema']}" if defaults["schema"] else ""
    return f"ALTER DEFAULT PRIVILEGES FOR ROLE {defaults['role']}{where} {said}"
