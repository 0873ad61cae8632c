"""The names of what we create in PostgreSQL: deterministic, so that a restart finds it again."""

from dataclasses import dataclass


def format_lsn(lsn: int) -> str:
    """Write an LSN the way PostgreSQL does.

    >>> format_lsn(0x16B374D848)
    '16/B374D848'
    """
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def parse_lsn(text: str) -> int:
    """Read an LSN as PostgreSQL prints it.

    >>> parse_lsn('16/B374D848') == 0x16B374D848
    True
    """
    high, low = text.split("/")
    return (int(high, 16) << 32) | int(low, 16)


def quote_identifier(name: str) -> str:
    """Quote an identifier, always.

    >>> quote_identifier('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Quote a string.

    >>> quote_literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A schema-qualified table name as the catalogs hold it, unquoted."""

    schema: str
    name: str

    def __str__(self) -> str:
        """Print it for people and for SQL: both parts quoted."""
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.name)}"


#: a name for the time between two others
MOVING = "pgmigrator moves it"


def renaming(old: TableName, new: TableName) -> tuple[str, ...]:
    """Write the SQL that renames a table, and moves it to another schema if need be.

    >>> renaming(TableName("a", "b"), TableName("a", "c"))
    ('ALTER TABLE "a"."b" RENAME TO "c"',)

    If both change, either schema may have a table of the other's name: it moves under a third one.
    """
    if old.schema == new.schema:
        return (f"ALTER TABLE {old} RENAME TO {quote_identifier(new.name)}",)
    moves = f"SET SCHEMA {quote_identifier(new.schema)}"
    if old.name == new.name:
        return (f"ALTER TABLE {old} {moves}",)
    there = TableName(old.schema, MOVING)
    return (
        f"ALTER TABLE {old} RENAME TO {quote_identifier(MOVING)}",
        f"ALTER TABLE {there} {moves}",
        f"ALTER TABLE {TableName(new.schema, MOVING)} RENAME TO {quote_identifier(new.name)}",
    )


@dataclass(frozen=True, slots=True)
class Names:
    """What we create for one database, each at most 63 bytes long."""

    publication: str
    #: publishes INSERT and TRUNCATE only, of tables that have no usable identity
    insert_only_publication: str
    #: the comment by which a publication, and the slot beside it, is recognised as ours
    publication_comment: str
    #: the subscription and its slot carry the same name
    subscription: str
    temporary_database: str

    @property
    def publications(self) -> tuple[str, str]:
        """Both publications; the second exists only where the settings ask for it."""
        return (self.publication, self.insert_only_publication)


def publication_name(mapping: str) -> str:
    """Name the publication, the same in every database of the mapping."""
    return f"pgmigrator_{mapping}"


def insert_only_publication_name(mapping: str) -> str:
    """Name the publication of the tables whose updates and deletes cannot be replicated."""
    return f"{publication_name(mapping)}_insert_only"


def sync_slots_pattern(subscription_oid: int, destination_system_identifier: int) -> str:
    """Return the LIKE pattern of what PostgreSQL calls a subscription's table-sync slots."""
    return rf"pg\_{subscription_oid}\_sync\_%\_{destination_system_identifier}"


def names(mapping: str, source_database_oid: int, destination_system_identifier: int) -> Names:
    """Derive every name from what both servers say about themselves."""
    suffix = f"{destination_system_identifier & 0xFFFFFFFF:08x}"
    return Names(
        publication=publication_name(mapping),
        insert_only_publication=insert_only_publication_name(mapping),
        publication_comment=f"pgmigrator {mapping} {destination_system_identifier}",
        subscription=f"pgmigrator_{mapping}_{source_database_oid}_{suffix}",
        temporary_database=f"pgmigrator_tmp_{mapping}_{source_database_oid}",
    )
