"""Alembic's environment: migrates over the caller's connection, within the caller's transaction."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])


with context.begin_transaction():
    context.run_migrations()
