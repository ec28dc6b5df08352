"""Run by Alembic: migrates by the connection that it was given, within its transaction."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])


with context.begin_transaction():
    context.run_migrations()
