"""Postgres Migrator: moves live PostgreSQL instances to a new major version."""

__version__ = "0.1.0"
