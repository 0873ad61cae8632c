"""Names fit PostgreSQL's limit, differ where they must, and read back as they were written."""

import doctest

from pgmigrator.core import names
from pgmigrator.core.names import TableName

LONGEST = "a" * 30
MOST = 2**32 - 1


def test_examples() -> None:
    result = doctest.testmod(names)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_name_fits() -> None:
    longest = names.names(LONGEST, MOST, 2**63 - 1)
    for name in (longest.publication, longest.subscription, longest.temporary_database):
        assert len(name) <= 63


def test_two_destinations_never_share_a_slot() -> None:
    one, two = (names.names("orders", 5, identifier) for identifier in (2**40 + 1, 2**40 + 2))
    assert one.subscription == "pgmigrator_orders_5_00000001"
    assert one.subscription != two.subscription
    assert one.publication_comment == "pgmigrator orders 1099511627777"
    assert one.publication_comment != two.publication_comment


def test_a_table_name_prints_quoted() -> None:
    assert str(TableName("Public", 'a"b.c')) == '"Public"."a""b.c"'
