"""Adds ``counted``: the number of each call among its caller's calls of the day, for all processes."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double, Integer, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "counted",
        Column("scope", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("number", Integer, nullable=False),
        Column("at", Double, nullable=False),
    )
    op.create_index("counted_at", "counted", ["at"])
