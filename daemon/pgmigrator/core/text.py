"""Settings by which values become text, and text values again: one list for all sessions of ours.

What a server, a database or a role sets for its applications would have two sessions write the same
value in two ways, or take the same text for two values.
"""

#: How text is understood that replication carries: in its workers too, which are no sessions of
#: ours. `{x,NULL}` holds a text with array_nulls off, and money counts the digits of its locale.
CARRIED_TEXT = {"array_nulls": "on", "lc_monetary": "C", "xmloption": "content"}

#: A role that a database sets for its applications is not for us, nor for those workers.
OWN_ROLE = {"role": "none"}

TEXT_OPTIONS = CARRIED_TEXT | {
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "search_path": "pg_catalog",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
}

#: Also where a database's encoding is SQL_ASCII, which says nothing of its text: PostgreSQL
#: converts nothing then, and refuses to send what is no UTF-8.
ENCODING = {"client_encoding": "UTF8"}

#: What every session of ours has, whatever is set for applications.
SESSION_OPTIONS = TEXT_OPTIONS | OWN_ROLE
