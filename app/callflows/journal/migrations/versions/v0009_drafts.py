"""Drafts of flows that people have not made live yet."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Double, Text

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "drafts",
        Column("flow", Text, primary_key=True),
        Column("who", Text, primary_key=True),
        Column("at", Double, nullable=False),
        *(Column(name, Text, nullable=False) for name in ("base", "digest", "source", "report")),
    )
    op.create_index("drafts_at", "drafts", ["at"])
