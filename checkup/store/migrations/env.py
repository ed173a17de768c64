"""Alembic's entry: runs the migrations on the connection, and in the transaction, of migrate.py."""

from __future__ import annotations

from alembic import context

_given = context.config.attributes
context.configure(
    connection=_given["connection"],
    version_table=_given["version_table"],
    # Both databases take their tables back when the transaction fails.
    transactional_ddl=True,
    # SQLite alters a table by making it anew.
    render_as_batch=True,
)
context.run_migrations()
