"""The SQL that makes one difference of the schemas go away on the destination.

It is for a person to read and run: nothing of it is run by itself.
"""

from collections.abc import Callable, Mapping

from pgmigrator.core.drift_sql import objects, relations, types
from pgmigrator.core.drift_sql.lines import Change, without_arguments
from pgmigrator.core.drift_sql.properties import property_statement
from pgmigrator.core.model import SchemaKind


def statement(change: Change) -> str | None:
    """Return what makes the destination like the source; None: it is not known here."""
    known = _STATEMENTS.get(change.kind)
    return property_statement(change) or (known(change) if known else None)


def _function(change: Change) -> str | None:
    """Replace an aggregate: of all others the text is on the source."""
    aggregate = "aggregate "
    if change.source is None or not change.source.startswith(aggregate):
        return None
    name = without_arguments(change.object)
    return f"CREATE OR REPLACE AGGREGATE {name} {change.source.removeprefix(aggregate)}"


_STATEMENTS: Mapping[SchemaKind, Callable[[Change], str | None]] = {
    SchemaKind.COLUMN: relations.column,
    SchemaKind.CONSTRAINT: relations.constraint,
    SchemaKind.INDEX: relations.index,
    SchemaKind.TRIGGER: relations.trigger,
    SchemaKind.RULE: relations.dropped_rule,
    SchemaKind.POLICY: relations.policy,
    SchemaKind.STATISTICS: relations.statistics,
    SchemaKind.OPTION: relations.option,
    SchemaKind.SEQUENCE: relations.sequence,
    SchemaKind.OWNER: relations.owner,
    SchemaKind.GRANT: relations.grant,
    SchemaKind.COMMENT: relations.comment,
    SchemaKind.LABEL: relations.label,
    SchemaKind.ENUM: types.enum,
    SchemaKind.TYPE: types.type_,
    SchemaKind.FUNCTION: _function,
    SchemaKind.OPERATOR: objects.operator,
    SchemaKind.EVENT_TRIGGER: objects.whole,
    SchemaKind.TEXT_SEARCH: objects.whole,
    SchemaKind.OTHER: objects.whole,
    SchemaKind.SCHEMA: objects.schema,
    SchemaKind.EXTENSION: objects.extension,
}
